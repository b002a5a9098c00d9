"""Asymmetric noise: which classes lose labels, and to which other one, found by likelihood.

Confusions say how the samples that look most like class b are called. Where a frequent class a
loses labels to b, many labels b are images of a, and what looks like a label b is called a: so b
seems to lose its labels to a. The likelihood of the given labels is not misled, for an image of b
is called b or c, and never a. So confusions are the prior of a class's destination, and the
likelihood decides; class by class, since what one loses depends on what another does (coordinate
ascent). In the same way b may seem to lose labels while it keeps them (`keep`). Array in, array
out; N samples, K classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.stats.noise_kinds import Table
from dull_jax.stats.noise_undone import clean_probs

_SWEEPS = 4
_CANDIDATES = 9  # destinations of a class
_NEAR = 32  # classes that its samples may be of; the others are taken together
_SAMPLES = 512  # that may be of the class, at most: p(given the class) is `_LEAST` or more
_MORE_SAMPLES = 4096  # where two answers are compared, not `_CANDIDATES`
_LEAST = 0.05
_BETTER = 2.0  # nats by which labels are explained better where a class keeps what it seems to lose
_RARELY = 1e-3  # prior of a destination that no confusion shows


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
    counts = np.bincount(given, minlength=len(confused))
    loses = make(confused).diagonal() < 1
    parts = _parts(probs, given, confused, loses, _SAMPLES)
    confused = _one_way(confused, counts)
    transition = make(confused)

    def moved(part: _Part) -> bool:
        nonlocal transition
        old = int(_ranked(transition, part.own)[0])
        if (new := _best(part, transition)) == old:
            return False
        _swap(confused, part.own, old, new)
        transition = make(confused)
        return True

    _ascend(parts, moved)
    return confused


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
        losing, keeping = _likelihoods(part, table, rows)
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
    log_prior = np.log(np.maximum(confused[own, candidates], _RARELY))
    probs = np.hstack([here, rest])
    return _Part(own, probs, place[given[rows]], counts, near, candidates, log_prior)


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


def _swap(table: np.ndarray, row: int, one: int, other: int) -> None:
    table[row, [one, other]] = table[row, [other, one]]


def _best(part: _Part, transition: np.ndarray) -> int:
    """The most probable destination of the part's class, as the others have theirs."""
    rows = np.zeros((len(part.candidates), len(transition)))
    rows[:, part.own] = stays = transition[part.own, part.own]
    rows[np.arange(len(rows)), part.candidates] = 1 - stays
    likelihoods = _likelihoods(part, transition, rows)
    return part.candidates[int((likelihoods + part.log_prior).argmax())]


def _likelihoods(part: _Part, transition: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`[c]` log-likelihoods of the part's labels, its class having each of the rows `[c, K]`."""
    size = len(part.near)
    tables = np.repeat(transition[None], len(rows), 0)
    tables[:, part.own] = rows
    near = np.zeros((len(rows), size + 1, size + 1), np.float32)
    near[:, :size, :size] = tables[:, part.near[:, None], part.near]
    near[:, :, size] = np.maximum(1 - near.sum(2), 0)  # all other classes, which keep their labels
    return np.asarray(_log_likelihoods(part.probs, part.given, near)) @ part.counts


@jax.jit
def _log_likelihoods(probs: jax.Array, given: jax.Array, tables: jax.Array) -> jax.Array:
    """`[c, n]` log p(given | x) of predictions `[n, K]` made possible under each T `[c, K, K]`."""

    def under(table: jax.Array) -> jax.Array:
        again = jnp.sum(clean_probs(probs, Table(table)) * table[:, given].T, axis=1)
        return jnp.log(jnp.maximum(again, 1e-12))

    return jax.lax.map(under, tables)
