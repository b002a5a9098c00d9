"""The symmetric noise of TABASCO and DaSC, number for number: to any class, itself included."""

import numpy as np

from dull_jax.data.noises import Truth, tabasco

TITLE = "TABASCO symmetric"
subset, generator = tabasco.subset, tabasco.generator  # one stream draws long tail and labels


def draw(truth: Truth, rng: np.random.RandomState, rate: float) -> np.ndarray:
    """Given labels int `[N]`; independent draws, so that the realised rate is near `rate` only."""
    matrix = tabasco.transition("symmetric", rate, truth.num_classes, rng)
    return tabasco.draw(truth.clean, matrix, rng)
