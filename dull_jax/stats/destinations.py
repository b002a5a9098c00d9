"""Asymmetric noise: which classes lose labels, and to which other one, found by likelihood.

Confusions say how the samples that look most like class b are called. Where a frequent class a
loses labels to b, many labels b are images of a, and what looks like a label b is called a: so b
seems to lose its labels to a. The likelihood of the given labels is not misled, for an image of b
is called b or c, and never a. So confusions are the prior of a class's destination, and the
likelihood decides.

What one class loses depends on what another does: a whole chain of them may be read backwards, and
no class of it is better off alone. So after classes were decided one by one (coordinate ascent), a
class is moved to a destination that is nearly as probable, those it is moved to and from decide
again, and so on; the chain is kept if the labels are explained better as a whole (an ejection
chain, as of Lin and Kernighan 1973). Where several destinations are left that are nearly as
probable, T has all of them (`averaged`). In the same way a class may seem to lose labels while it
keeps them (`keep`). Array in, array out; N samples, K classes.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.stats.noise_kinds import Table
from dull_jax.stats.noise_undone import clean_probs

_SWEEPS = 4
_LONGEST = 8  # decisions of a chain
_NEARLY = 5.0  # nats: a destination that is so much less probable may begin a chain
_UNLIKELY = 0.1  # of the most probable destination: no less has a part in T
_CANDIDATES = 9  # destinations of a class
_NEAR = 32  # classes that its samples may be of; the others are taken together
_SAMPLES = 512  # that may be of the class, at most: p(given the class) is `_LEAST` or more
_MORE_SAMPLES = 4096  # where two answers are compared, not `_CANDIDATES`
_LEAST = 0.05
_BETTER = 2.0  # nats by which labels are explained better where a class keeps what it seems to lose
_RARELY = 1e-3  # prior of a destination that no confusion shows
_STEPS, _MORE_STEPS = 20, 60  # of the deconvolution; more again where two answers are compared


def by_likelihood(
    probs: np.ndarray,
    given: np.ndarray,
    confused: np.ndarray,
    make: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Confusions `[K, K]`, each class's largest one now at its most probable destination.

    Of two classes that seem to lose their labels to each other, the one that fewer labels name
    starts with its next.

    Args:
      probs: `[N, K]` p(given | x), positive.  given: `[N]` int.
      confused: `[K, K]`, see `look_alikes.confident_confusions`.
      make: confusions -> T `[K, K]`, in which a class keeps its labels or loses some to the one
        that it is confused with most.
    """
    start = _one_way(confused, np.bincount(given, minlength=len(confused)))
    before = make(start)
    search = _Search(probs, given, confused, before)
    search.run()
    for own in search.parts:
        _swap(start, own, _destination(before, own), _destination(search.table, own))
    return start


def averaged(
    probs: np.ndarray, given: np.ndarray, confused: np.ndarray, transition: np.ndarray
) -> np.ndarray:
    """T `[K, K]`: what a class loses goes to its destinations by how probable each is.

    Given those of the others, which are averaged before it if they are more frequent. What is
    `_UNLIKELY` has no part: where two classes exchange labels, a little of a third misleads.

    Args:
      probs, given, confused: as of `by_likelihood`.  transition: T `[K, K]`, one destination each.
    """
    mean = transition.copy()
    for part in _parts(probs, given, confused, transition.diagonal() < 1, _SAMPLES):
        rows = _rows(part, transition)
        scores = _likelihoods(part, mean, rows) + part.log_prior
        weights = np.exp(scores - scores.max())
        weights[weights < _UNLIKELY] = 0
        mean[part.own] = weights @ rows / weights.sum()
    return mean


def keep(probs: np.ndarray, given: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """bool `[K]`: classes that lose labels by T, but explain them far better if they keep all.

    Two classes that lose 40 % of their labels to each other are hardly told from one that does.

    Args:
      probs, given: as of `by_likelihood`.  transition: T `[K, K]`.
    """
    size = len(transition)
    parts = _parts(probs, given, transition, transition.diagonal() < 1, _MORE_SAMPLES)
    keeps = np.zeros(size, bool)

    def changed(part: _Part) -> bool:
        table = np.where(keeps[:, None], np.eye(size), transition)
        rows = np.stack([transition[part.own], np.eye(size)[part.own]])
        losing, keeping = _likelihoods(part, table, rows, _MORE_STEPS)
        before = keeps[part.own]
        keeps[part.own] = keeping > losing + _BETTER
        return bool(keeps[part.own] != before)

    _ascend(parts, changed)
    return keeps


class _Part(NamedTuple):
    """n samples that may be of class `own`, and the L classes that they may be of.

    probs: `[n, L + 1]`, of all other classes together the last.  given: `[n]`, places among these.
    counts: `[n]`, 1; 0 where the sample is none, so that all parts have one size.
    near: `[L]` classes.  candidates: destinations among them.  log_prior: of each.
    """

    own: int
    probs: np.ndarray
    given: np.ndarray
    counts: np.ndarray
    near: np.ndarray
    candidates: list[int]
    log_prior: np.ndarray


class _Search:
    """Where classes lose their labels to, as it is known so far: `table`, T `[K, K]`."""

    def __init__(
        self, probs: np.ndarray, given: np.ndarray, confused: np.ndarray, table: np.ndarray
    ):
        self.probs, self.given, self.table = probs, given, table.copy()
        parts = _parts(probs, given, confused, table.diagonal() < 1, _SAMPLES)
        self.parts = {part.own: part for part in parts}
        self.log_prior = _log_prior(confused)

    def run(self) -> None:
        """Class by class, then by chains."""
        _ascend(list(self.parts.values()), lambda part: bool(_decide(part, self.table)))
        explained = self._explained(np.arange(len(self.given)), self.table)
        for own, to in self._nearly():
            self._keep_chain(own, to, explained)

    def _nearly(self) -> Iterator[tuple[int, int]]:
        """Classes, and destinations that are not theirs but nearly as probable."""
        for own, part in self.parts.items():
            scores = _scores(part, self.table)
            for place in np.argsort(-scores, kind="stable").tolist():
                to = part.candidates[place]
                nearly = scores[place] > scores.max() - _NEARLY
                if nearly and to != _destination(self.table, own):
                    yield own, to

    def _keep_chain(self, own: int, to: int, explained: np.ndarray) -> None:
        """If the chain that begins there is better; then `explained` `[N]` is its."""
        table = self._chain(own, to)
        changed = np.flatnonzero((table != self.table).any(1))
        if not len(changed):
            return
        rows = np.flatnonzero((self.probs[:, changed] >= _LEAST).any(1))
        again = self._explained(rows, table)
        gain = float((again - explained[rows]).sum())
        for i in changed.tolist():
            new, old = _destination(table, i), _destination(self.table, i)
            gain += float(self.log_prior[i, new] - self.log_prior[i, old])
        if gain > 1e-2:  # of float32 sums
            self.table, explained[rows] = table, again

    def _chain(self, own: int, to: int) -> np.ndarray:
        """T with another destination of a class, once those that it concerns have decided again."""
        table = self.table.copy()
        waiting = [to, _destination(table, own)]
        _swap(table, own, waiting[1], to)
        for _ in range(_LONGEST):
            waiting = [i for i in waiting if i != own and i in self.parts]
            if not waiting:
                break
            waiting += _decide(self.parts[waiting.pop(0)], table)
        return table

    def _explained(self, rows: np.ndarray, table: np.ndarray) -> np.ndarray:
        """`[n]` log-likelihoods of the labels of some rows."""
        size = 1 << max(len(rows) - 1, 255).bit_length()  # few sizes are compiled
        padded = np.concatenate([rows, np.zeros(size - len(rows), int)])
        tables = table[None].astype(np.float32)
        logs = _log_likelihoods(self.probs[padded], self.given[padded], tables, _STEPS)
        return np.array(logs)[0, : len(rows)]


def _ascend(parts: list[_Part], changed: Callable[[_Part], bool]) -> None:
    """Decides class by class, given the others, until a sweep over all changes nothing."""
    for _ in range(_SWEEPS):
        if not any([changed(part) for part in parts]):
            return


def _parts(
    probs: np.ndarray, given: np.ndarray, confused: np.ndarray, loses: np.ndarray, most: int
) -> list[_Part]:
    """Of the classes that lose labels, frequent ones first."""
    frequent_first = np.argsort(-np.bincount(given, minlength=len(confused)), kind="stable")
    return [_part(probs, given, confused, i, most) for i in frequent_first.tolist() if loses[i]]


def _part(
    probs: np.ndarray, given: np.ndarray, confused: np.ndarray, own: int, most: int = _SAMPLES
) -> _Part:
    rows = np.flatnonzero(probs[:, own] >= _LEAST)
    if len(rows) > most:
        rows = rows[np.argsort(probs[rows, own], kind="stable")]
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    counts = (np.arange(most) < len(rows)).astype(np.float32)
    rows = np.concatenate([rows, np.zeros(most - len(rows), int)])
    mass = counts @ probs[rows]
    mass[own] = np.inf
    near = np.argsort(-mass, kind="stable")[:_NEAR]
    place = np.full(len(confused), len(near))
    place[near] = np.arange(len(near))
    here = probs[rows][:, near]
    rest = np.maximum(1 - here.sum(1, keepdims=True), 1e-6)
    candidates = [k for k in _ranked(confused, own).tolist() if k in near][:_CANDIDATES]
    log_prior = _log_prior(confused[own, candidates])
    probs = np.hstack([here, rest])
    return _Part(own, probs, place[given[rows]], counts, near, candidates, log_prior)


def _log_prior(confused: np.ndarray) -> np.ndarray:
    """Of destinations; any shape."""
    return np.log(np.maximum(confused, _RARELY))


def _one_way(confused: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A copy in which no two classes are each other's largest confusion, if there are others."""
    confused = confused.copy()
    ranked = [_ranked(confused, i) for i in range(len(confused))]
    for i, others in enumerate(ranked):
        if len(others) > 1 and ranked[others[0]][0] == i and counts[i] < counts[others[0]]:
            _swap(confused, i, *others[:2])
    return confused


def _ranked(table: np.ndarray, own: int) -> np.ndarray:
    """`[K - 1]` other classes, by falling entries of a row `[K]`."""
    order = np.argsort(-table[own], kind="stable")
    return order[order != own]


def _destination(table: np.ndarray, own: int) -> int:
    return int(_ranked(table, own)[0])


def _swap(table: np.ndarray, row: int, one: int, other: int) -> None:
    table[row, [one, other]] = table[row, [other, one]]


def _decide(part: _Part, table: np.ndarray) -> list[int]:
    """T with the part's class at its best destination, given the others; (new, old) if it moved."""
    old = _destination(table, part.own)
    new = part.candidates[int(_scores(part, table).argmax())]
    _swap(table, part.own, old, new)
    return [new, old] if new != old else []


def _scores(part: _Part, table: np.ndarray) -> np.ndarray:
    """`[c]` log-posteriors of the candidates, but for a constant, as the others have theirs."""
    return _likelihoods(part, table, _rows(part, table)) + part.log_prior


def _rows(part: _Part, table: np.ndarray) -> np.ndarray:
    """`[c, K]`: the class's row of T with each of its candidates as destination."""
    rows = np.zeros((len(part.candidates), len(table)))
    rows[:, part.own] = stays = table[part.own, part.own]
    rows[np.arange(len(rows)), part.candidates] = 1 - stays
    return rows


def _likelihoods(
    part: _Part, transition: np.ndarray, rows: np.ndarray, steps: int = _STEPS
) -> np.ndarray:
    """`[c]` log-likelihoods of the part's labels, its class having each of the rows `[c, K]`."""
    size = len(part.near)
    tables = np.repeat(transition[None], len(rows), 0)
    tables[:, part.own] = rows
    near = np.zeros((len(rows), size + 1, size + 1), np.float32)
    near[:, :size, :size] = tables[:, part.near[:, None], part.near]
    near[:, :, size] = np.maximum(1 - near.sum(2), 0)  # all other classes, which keep their labels
    return np.asarray(_log_likelihoods(part.probs, part.given, near, steps)) @ part.counts


@functools.partial(jax.jit, static_argnames="steps")
def _log_likelihoods(
    probs: jax.Array, given: jax.Array, tables: jax.Array, steps: int
) -> jax.Array:
    """`[c, n]` log p(given | x) of predictions `[n, K]` made possible under each T `[c, K, K]`."""

    def under(table: jax.Array) -> jax.Array:
        clean = clean_probs(probs, Table(table), steps)
        again = jnp.sum(clean * table[:, given].T, axis=1)
        return jnp.log(jnp.maximum(again, 1e-12))

    return jax.vmap(under)(tables)
