"""Joint noise: frequent classes attract labels (RoLT: Wei et al., 2021)."""

import numpy as np

from dull_jax.data import draws
from dull_jax.data.noises import Truth
from dull_jax.errors import UserError

TITLE = "joint"


def draw(truth: Truth, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Given labels int `[N]`: exactly int(rate * N) samples, uniform, are wrong.

    P(j | i) = n_j / (N - n_i) for j != i, n being the true counts.
    """
    clean, classes = truth.clean, truth.num_classes
    counts = np.bincount(clean, minlength=classes)
    if rate and np.count_nonzero(counts) < 2:
        raise UserError("joint noise needs samples of two classes or more")
    given = clean.copy()
    wrong = draws.pick(rng, np.arange(len(clean)), draws.whole(rate * len(clean)))
    for i, which in enumerate(draws.members(clean[wrong], classes)):
        others = np.where(np.arange(classes) == i, 0, counts)
        if len(which):
            given[wrong[which]] = draws.categorical(rng, others, len(which))
    return given
