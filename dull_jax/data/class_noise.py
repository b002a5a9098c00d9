"""Noise whose destination depends on the class alone: symmetric, asymmetric and joint.

Each function takes clean labels int64 [N] and returns given labels [N]; the number of wrong labels
is exact.
"""

import numpy as np

from dull_jax.data import draws
from dull_jax.errors import UserError

# truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog (Patrini et al., CVPR 2017).
CIFAR10_FLIPS = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}
# Superclass of each of the 100 fine classes, as in the official archive.
# fmt: off
CIFAR100_SUPERCLASS = np.array([
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7,
    6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10,
    16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16,
    12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
])
# fmt: on


def symmetric(
    rate: float, clean: np.ndarray, num_classes: int, rng: np.random.Generator
) -> np.ndarray:
    """Exactly round(rate * N) samples, each with a new class uniform over the other K - 1."""
    wrong = draws.pick(rng, np.arange(len(clean)), round(rate * len(clean)))
    given = clean.copy()
    given[wrong] += 1 + draws.categorical(rng, np.ones(num_classes - 1), len(wrong))
    return given % num_classes


def next_class(dataset: str, num_classes: int) -> np.ndarray:
    """Destination of each class under asymmetric noise, int64 [K]; a class kept by the map is
    spared.

    'cifar10': the five look-alike flips; 'cifar100': the next class id in the same superclass of
    five, cyclic; any other name: the next class id, cyclic. Raises UserError for a wrong K.

    >>> next_class("cifar10", 10)
    array([0, 1, 0, 5, 7, 3, 6, 7, 8, 1])
    """
    expected = {"cifar10": 10, "cifar100": 100}.get(dataset, num_classes)
    if num_classes != expected:
        raise UserError(
            f"asymmetric noise for {dataset} needs {expected} classes, got {num_classes}"
        )
    target = np.arange(num_classes)
    if dataset == "cifar10":
        target[list(CIFAR10_FLIPS)] = list(CIFAR10_FLIPS.values())
        return target
    if dataset == "cifar100":
        for family in draws.members(CIFAR100_SUPERCLASS, 20):
            target[family] = np.roll(family, -1)
        return target
    return (target + 1) % num_classes


def asymmetric(
    rate: float, clean: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """round(rate * n_i) samples of every class i become `target[i]` ([K], see `next_class`)."""
    given = clean.copy()
    for i, positions in enumerate(draws.members(clean, len(target))):
        given[draws.pick(rng, positions, round(rate * len(positions)))] = target[i]
    return given


def joint(rate: float, clean: np.ndarray, num_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Exactly int(rate * N) samples, uniform; P(j | i) = n_j / (N - n_i) for j != i.

    n are the true counts, so frequent classes attract labels (RoLT: Wei et al., 2021).
    """
    counts = np.bincount(clean, minlength=num_classes)
    if rate and np.count_nonzero(counts) < 2:
        raise UserError("joint noise needs samples of two classes or more")
    given = clean.copy()
    wrong = draws.pick(rng, np.arange(len(clean)), draws.whole(rate * len(clean)))
    for i, which in enumerate(draws.members(clean[wrong], num_classes)):
        others = np.where(np.arange(num_classes) == i, 0, counts)
        if len(which):
            given[wrong[which]] = draws.categorical(rng, others, len(which))
    return given
