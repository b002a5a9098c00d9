"""A stream with as many images of each class, as far as there are any, and what mixing makes of it.

Half of head-to-tail transfer (DULL's H2T; `data/views/mixing.py` mixes the images). N samples, K
classes, whose membership is soft.
"""

import numpy as np

from dull_jax.data.views.mixing import rare_label_share
from dull_jax.stats.transition import class_shares


def class_even(
    targets: np.ndarray, size: int, rng: np.random.Generator, repeats: float
) -> np.ndarray:
    """`[size]` indices: a class uniformly, then a sample in proportion to its target for it.

    Args:
      targets: `[N, K]` soft targets; classes that no sample may belong to are passed over.
      repeats: a class so small that its samples would be drawn more often than this, on average,
        gets no more; the others share the rest.
    """
    mass = targets.sum(0, dtype=np.float64)
    mass[mass <= 1e-3] = 0
    classes = rng.choice(len(mass), size, p=class_shares_drawn(mass, size, repeats))
    chosen = np.empty(size, np.int64)
    for label in np.unique(classes):
        draws = np.flatnonzero(classes == label)
        weights = targets[:, label].astype(np.float64)
        chosen[draws] = rng.choice(len(targets), len(draws), p=weights / weights.sum())
    return chosen


def class_shares_drawn(mass: np.ndarray, size: int, repeats: float) -> np.ndarray:
    """`[K]` shares of the classes among `size` draws: even, but for classes at their limit.

    Args:
      mass: `[K]` samples of each class, 0 for a class that is passed over.
      repeats: largest mean number of draws a sample. Where all classes reach it, all are scaled.

    >>> class_shares_drawn(np.array([100, 100, 10]), size=90, repeats=1.0).round(3)
    array([0.444, 0.444, 0.111])
    """
    limit = repeats * mass
    low, high = 0.0, float(size)
    for _ in range(50):  # the level that even classes are filled up to
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(limit, level).sum() < size else (low, level)
    drawn = np.minimum(limit, high)
    return drawn / drawn.sum()


def mixed_prior(
    targets: np.ndarray,
    rare: np.ndarray,
    prior: np.ndarray,
    power: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """`[K]`: the class shares of the mixed images' labels, estimated on pairs drawn here.

    Lambda is as of mixup, 0.75 on average. CutMix's rectangles are cut at the borders, so that it
    is 0.83 there: the largest class's log share is 0.04 to 0.06 too low (`h2t_power` 0.25).

    Args:
      targets: `[N, K]`.  rare: indices of the class-even stream.  prior: `[K]` class shares.
    """
    partner = rng.integers(0, len(targets), len(rare))
    lam = rng.uniform(0.5, 1, len(rare)).astype(np.float32)
    share = np.asarray(rare_label_share(lam, targets[rare], targets[partner], prior, power))
    labels = share * targets[rare] + (1 - share) * targets[partner]
    return class_shares(labels.sum(0)).astype(np.float32)
