"""Symmetric noise: any label becomes any other one. The number of wrong labels is exact."""

import numpy as np

from dull_jax.data import draws
from dull_jax.data.noises import Truth

TITLE = "symmetric"


def draw(truth: Truth, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Given labels int `[N]`: round(rate * N) samples get a class uniform over the other K - 1."""
    size, classes = len(truth.clean), truth.num_classes
    wrong = draws.pick(rng, np.arange(size), round(rate * size))
    given = truth.clean.copy()
    given[wrong] += 1 + draws.categorical(rng, np.ones(classes - 1), len(wrong))
    return given % classes
