"""Asymmetric noise: the one class to which each class loses its labels, found by likelihood.

Confusions say how the samples that look most like class b are called. Where a frequent class a
loses labels to b, many labels b are images of a, and what looks like a label b is called a: so b
seems to lose its labels to a. The likelihood of the given labels is not misled, for an image of b
is called b or c, and never a. So confusions are the prior of a class's destination, and the
likelihood decides; class by class, since what one loses depends on what another does (coordinate
ascent). Array in, array out; N samples, K classes.
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
_LEAST = 0.05
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
    frequent_first = np.argsort(-counts, kind="stable").tolist()
    parts = [_part(probs, given, confused, i) for i in frequent_first if loses[i]]
    confused = _one_way(confused, counts)
    transition = make(confused)
    for _ in range(_SWEEPS):
        before = confused.copy()
        for part in parts:
            old = int(_ranked(transition, part.own)[0])
            if (new := _best(part, transition)) != old:
                _swap(confused, part.own, old, new)
                transition = make(confused)
        if np.array_equal(before, confused):
            break
    return confused


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


def _part(probs: np.ndarray, given: np.ndarray, confused: np.ndarray, own: int) -> _Part:
    rows = np.flatnonzero(probs[:, own] >= _LEAST)
    if len(rows) > _SAMPLES:
        rows = rows[np.argsort(probs[rows, own], kind="stable")]
        rows = rows[np.linspace(0, len(rows) - 1, _SAMPLES).astype(int)]
    counts = (np.arange(_SAMPLES) < len(rows)).astype(np.float32)
    rows = np.concatenate([rows, np.zeros(_SAMPLES - len(rows), int)])
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
    place = {k: n for n, k in enumerate(part.near.tolist())}
    size, at = len(part.near), place[part.own]
    table = np.eye(size + 1, dtype=np.float32)
    table[:size, :size] = transition[np.ix_(part.near, part.near)]
    table[:size, size] = np.maximum(1 - table[:size, :size].sum(1), 0)
    tables = np.repeat(table[None], len(part.candidates), 0)
    stays = transition[part.own, part.own]
    for tried, k in zip(tables, part.candidates, strict=True):
        tried[at] = 0
        tried[at, [at, place[k]]] = stays, 1 - stays
    likelihoods = np.asarray(_log_likelihoods(part.probs, part.given, tables)) @ part.counts
    return part.candidates[int((likelihoods + part.log_prior).argmax())]


@jax.jit
def _log_likelihoods(probs: jax.Array, given: jax.Array, tables: jax.Array) -> jax.Array:
    """`[c, n]` log p(given | x) of predictions `[n, K]` made possible under each T `[c, K, K]`."""

    def under(table: jax.Array) -> jax.Array:
        again = jnp.sum(clean_probs(probs, Table(table)) * table[:, given].T, axis=1)
        return jnp.log(jnp.maximum(again, 1e-12))

    return jax.lax.map(under, tables)
