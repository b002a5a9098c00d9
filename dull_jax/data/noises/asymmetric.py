"""Asymmetric noise: a share of every class takes the name of one other class.

On CIFAR-10 that of the look-alike (Patrini et al., CVPR 2017); on CIFAR-100 the next class of the
superclass; elsewhere the next class. The number of wrong labels is exact.
"""

import numpy as np

from dull_jax.data import draws
from dull_jax.data.noises import Truth
from dull_jax.errors import UserError

TITLE = "asymmetric"
READS_DATASET = True

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


def draw(truth: Truth, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Given labels int `[N]`: round(rate * n_i) samples of every class i go to its `next_class`."""
    target = next_class(truth.dataset, truth.num_classes)
    given = truth.clean.copy()
    for i, positions in enumerate(draws.members(truth.clean, truth.num_classes)):
        given[draws.pick(rng, positions, round(rate * len(positions)))] = target[i]
    return given


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
