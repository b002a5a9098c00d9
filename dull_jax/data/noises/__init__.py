"""The noises, one a file, and what each of them may look at.

A noise is a module with a TITLE, its own FIELDS where it has any, and

    draw(truth, rng, rate, **fields) -> given labels int [N]

`DRAWN = False` says that it draws nothing, `READS_DATASET` that the data set's name matters to it.
A noise that draws the long tail too has `subset(labels, counts, rng)` and a `generator(seed)`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Whole(NamedTuple):
    """The train set that the long tail keeps a part of."""

    ids: np.ndarray  # str [M]
    class_names: tuple[str, ...]
    kept: np.ndarray  # int [N], positions among the M


class Truth(NamedTuple):
    """What a noise may look at: N true labels of K classes."""

    clean: np.ndarray  # int64 [N]
    num_classes: int
    dataset: str = ""  # the name of the data set
    similarity: np.ndarray | None = None  # [K, K] of classes
    distance: np.ndarray | None = None  # [N, K] of samples to classes
    features: Callable[[], np.ndarray] | None = None  # [N, …], to compute these two from
    whole: Whole | None = None
