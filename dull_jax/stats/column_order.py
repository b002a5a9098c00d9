"""Whether the columns of probabilities are in the order of the classes, as far as they tell.

Labels and predictions agree, mostly, whatever the noise; in another order of the columns they do
not, and an audit would accuse half of all labels with great confidence.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from dull_jax.stats.check_probs import blocks

_ROWS = 2**22  # entries of the probabilities that are looked at together
_SHARE = 0.25  # of the samples of exchanged classes that must be predicted as the other class
_ERRORS = 4.0  # standard errors by which another order must be better


def predicted(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """int64 `[K, K]`: how many samples with the given label i have their maximum in column j.

    Args:
      probs: `[N, K]`, looked at in one pass, some rows at a time: it may be a memmap.
      given: int `[N]`.
    """
    size = probs.shape[1]
    counts = np.zeros(size * size, np.int64)
    for first, rows in blocks(probs, max(_ROWS // size, 1)):
        labels = given[first : first + len(rows)].astype(np.int64)
        counts += np.bincount(labels * size + rows.argmax(1), minlength=size * size)
    return counts.reshape(size, size)


def exchanged(counts: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (class, column that fits it far better) of another order of the columns; or none.

    The order with the most agreement is found (a linear assignment). It differs from the one given
    in cycles; a cycle counts where agreement in it more than doubles, by more than chance, and is
    what a quarter of its samples or more say. Noise alone leaves a label its most frequent
    prediction, or takes a few samples of a rare class; it does not fill another class's column.

    Args:
      counts: of `predicted`.
    """
    _, best = linear_sum_assignment(counts, maximize=True)
    pairs = []
    for cycle in _cycles(best):
        rows = np.array(cycle)
        now, then = counts[rows, rows].sum(), counts[rows, best[rows]].sum()
        size = counts[rows].sum()
        if then > 2 * now and then > _SHARE * size and then - now > _ERRORS * np.sqrt(size):
            pairs += [(int(k), int(best[k])) for k in cycle]
    return pairs


def _cycles(order: np.ndarray) -> list[list[int]]:
    """The cycles of a permutation that are longer than one."""
    cycles, seen = [], np.zeros(len(order), bool)
    for start in range(len(order)):
        cycle = []
        while not seen[start]:
            seen[start] = True
            cycle.append(start)
            start = int(order[start])
        if len(cycle) > 1:
            cycles.append(cycle)
    return cycles


def fits_better(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the order of the counts `one` `[K, K]` fits far better than that of `other`."""
    now, then, size = np.trace(other), np.trace(one), one.sum()
    return bool(then - now > max(_ERRORS * np.sqrt(size), 0.1 * now))
