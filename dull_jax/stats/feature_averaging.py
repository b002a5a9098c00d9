"""Stochastic feature averaging: class centres from confident samples, averaged over epochs.

SFA (Li et al., IJCAI 2023) keeps the first and second moment of every class centroid over epochs
and draws the centre of a class from them; a sample close to the centre of its given label is
likely clean. N samples, C feature channels, K classes; all sums in float64.

An epoch: `centroids.class_means(cl2n(features), …)` -> `update` -> `draw_centres` -> `scores` ->
`clean_probability`.
"""

from typing import NamedTuple

import numpy as np

from dull_jax.stats import mixture


class Moments(NamedTuple):
    """Averages over epochs of the class centroids and of their squares.

    first, second: float32 [K, C].  epochs: int32 scalar, how many are in them. float32 so that
    what a checkpoint holds is what the next epoch would have used.
    """

    first: np.ndarray
    second: np.ndarray
    epochs: np.ndarray


def no_moments(num_classes: int, channels: int) -> Moments:
    """Moments before the first epoch: zeros."""
    first, second = np.zeros((2, num_classes, channels), np.float32)
    return Moments(first, second, np.zeros((), np.int32))


def confident(balanced_probs: np.ndarray, given: np.ndarray, epoch: int, phi: float) -> np.ndarray:
    """bool [N]: the balanced head gives the given label more than phi^epoch / K.

    Args:
      balanced_probs: [N, K], rows sum to 1.  given: int [N].
      epoch: from 0, warm-up included.  phi: growth of the threshold per epoch.
    """
    num_samples, num_classes = balanced_probs.shape
    return balanced_probs[np.arange(num_samples), given] > phi**epoch / num_classes


def update(moments: Moments, current: np.ndarray, beta: float, *, persist: bool = True) -> Moments:
    """One epoch's centroids c enter: m <- beta m + (1 - beta) c, second moments with c^2.

    The first epoch sets them to c and c^2.

    Args:
      current: c, [K, C].
      beta: in [0, 1], the share of what was there.
      persist: False mimics the released code, which loses the average at the end of every epoch:
        from the second epoch on m is 0 before the update.
    """
    fresh = np.stack([current, np.square(current)]).astype(np.float64)
    if moments.epochs:
        old = np.stack([moments.first, moments.second]).astype(np.float64)
        fresh = beta * old * persist + (1 - beta) * fresh
    first, second = fresh.astype(np.float32)
    return Moments(first, second, np.asarray(moments.epochs + 1, np.int32))


def draw_centres(
    moments: Moments, counts: np.ndarray, sample_above: int, rng: np.random.Generator
) -> np.ndarray:
    """Class centres, float64 [K, C]: N(first, diag(second - first^2)), or first itself.

    Args:
      counts: [K] confident samples; a class is drawn if it has more than `sample_above`.
      rng: advanced by K * C normal draws whatever the counts.
    """
    mean = moments.first.astype(np.float64)
    variance = np.maximum(moments.second.astype(np.float64) - mean**2, 1e-30)
    noise = np.sqrt(variance) * rng.standard_normal(mean.shape)
    return mean + noise * (np.asarray(counts) > sample_above)[:, None]


def scores(unit: np.ndarray, given: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """float64 [N]: -|f_i - centre of the given label|^2, for features `cl2n` [N, C]."""
    return -np.square(unit - centres[given]).sum(1)


def clean_probability(
    closeness: np.ndarray, given: np.ndarray, num_classes: int, *, normalize: bool = True
) -> np.ndarray:
    """float32 [N]: posterior of the heap of higher scores, two heaps in each class.

    1 in a class whose scores are one heap (a lone sample, ties): nothing speaks against it.

    Args:
      closeness: `scores`, [N], finite, larger is cleaner.
      normalize: map the scores to [0, 1] inside each class first.
    """
    fitted = mixture.fit(closeness, given, num_classes, reg=1e-6, normalize=normalize)
    one_heap = fitted.means[:, 0] == fitted.means[:, 1]
    return np.where(one_heap[given], 1, 1 - fitted.posterior_low).astype(np.float32)
