"""Random draws that come out the same on every platform and with every NumPy release.

NumPy may change the stream of `permutation`, `choice` or `multinomial` in any release. The bits of
PCG64 are fixed, and `Generator.random` only scales them to [0, 1); so everything here is built on
`random` alone, and golden digests in the tests would show a change.
"""

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """PCG64 stream for a purpose: one seed serves several draws without correlation."""
    words = [seed, int.from_bytes(purpose.encode(), "little")]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def pick(rng: np.random.Generator, indices: np.ndarray, count: int) -> np.ndarray:
    """`count` of `indices` [n], uniform without replacement: the head of a permutation.

    >>> pick(generator(0, "doc"), np.array([4, 5, 6]), 3)
    array([6, 4, 5])
    """
    return indices[np.argsort(rng.random(len(indices)), kind="stable")[:count]]


def categorical(rng: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """`count` independent class ids, int64, probability proportional to `weights` [K] >= 0."""
    cumulative = np.cumsum(np.asarray(weights, np.float64))
    cumulative /= cumulative[-1]
    # side="right" skips classes of weight zero, also for a draw of exactly 0.0.
    return np.searchsorted(cumulative, rng.random(count), side="right")


def whole(value: float) -> int:
    """`int(value)` that forgives rounding: 0.29 * 100 = 28.999999999999996 is 29, not 28.

    >>> int(0.29 * 100), whole(0.29 * 100)
    (28, 29)
    """
    return int(np.floor(value * (1 + 1e-12) + 1e-9))


def members(labels: np.ndarray, num_classes: int) -> list[np.ndarray]:
    """Indices of each class, ascending: K arrays, in one sort rather than K passes.

    >>> members(np.array([1, 0, 1]), 2)
    [array([1]), array([0, 2])]
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=num_classes)
    return np.split(order, np.cumsum(counts)[:-1])
