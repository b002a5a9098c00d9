"""The subset and label draws of TABASCO (ICCV 2023) as DaSC trains on them, number for number.

Both use one `RandomState` (Mersenne Twister, frozen for ever by NumPy), consumed in this order: K
shuffles that choose the long-tailed subset; then for 'symmetric' one draw a sample; for
'asymmetric' the stream is seeded anew with 1, K draws fix each class's partner, then one draw a
sample. TABASCO's own script consumes numbers before the first shuffle, so its subset differs from
DaSC's; this is DaSC's.

The draws are independent a sample, so the realised rate is not the nominal one: 'symmetric' may
draw the label itself and flips rate * (1 - 1/K) of the labels on average.
"""

import numpy as np

from dull_jax.data import draws

PARTNER_SEED = 1


def generator(seed: int) -> np.random.RandomState:
    """The stream that draws first the subset, then the labels."""
    return np.random.RandomState(seed)


def subset(labels: np.ndarray, counts: np.ndarray, stream: np.random.RandomState) -> np.ndarray:
    """Positions kept, ascending: each class's positions are shuffled and the first `counts[c]`
    stay."""
    kept = []
    for count, positions in zip(counts, draws.members(labels, len(counts)), strict=True):
        positions = positions.copy()
        stream.shuffle(positions)
        kept.append(positions[:count])
    return np.sort(np.concatenate(kept))


def partners(num_classes: int, stream: np.random.RandomState) -> np.ndarray:
    """One other class per class, int64 [K]; reseeds `stream`, so the map is the same in every run.

    >>> partners(10, np.random.RandomState())
    array([6, 9, 6, 0, 0, 1, 8, 6, 2, 4])
    """
    stream.seed(PARTNER_SEED)
    classes = np.arange(num_classes)
    return np.array([stream.choice(classes[classes != c]) for c in range(num_classes)])


def transition(
    kind: str, rate: float, num_classes: int, stream: np.random.RandomState
) -> np.ndarray:
    """Row-stochastic matrix [K, K] of `kind` 'symmetric' (self included) or 'asymmetric' (random
    partner)."""
    stay = (1 - rate) * np.eye(num_classes)
    if kind == "symmetric":
        return rate * np.full((num_classes, num_classes), 1 / num_classes) + stay
    stay[np.arange(num_classes), partners(num_classes, stream)] = rate
    return stay


def draw(clean: np.ndarray, matrix: np.ndarray, stream: np.random.RandomState) -> np.ndarray:
    """Given labels [N]: label i from row clean[i], one uniform number a sample in order of
    position.

    Equals `stream.choice(K, p=matrix[clean[i]])` sample by sample: choice inverts the same
    cumulative sum.
    """
    uniform = stream.random_sample(len(clean))
    cumulative = np.cumsum(matrix, axis=1)
    cumulative /= cumulative[:, -1:]
    given = np.empty(len(clean), np.int64)
    for row, positions in zip(cumulative, draws.members(clean, len(matrix)), strict=True):
        given[positions] = np.searchsorted(row, uniform[positions], side="right")
    return given
