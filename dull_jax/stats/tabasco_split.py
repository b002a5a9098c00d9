"""TABASCO's two-stage, two-dimensional sample selection (Lu et al., ICCV 2023).

Two dimensions tell clean from wrong labels inside a class: WJSD, how far the prediction is from
the given label, and ACD, how close the features are to the confident centroid of the class (called
a distance in the paper, but larger means closer). Stage one chooses a dimension for each class;
stage two, where ACD is chosen, says which of its two heaps is the clean one: a rare class may have
lost its centroid to a frequent one.

N samples, C feature channels, K classes; all sums in float64. A class without samples has rows of 0
in every table.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import softmax, xlogy

from dull_jax.stats import mixture
from dull_jax.stats.centroids import cl2n, class_means

WJSD, ACD_LOW, ACD_HIGH = range(3)  # values of Split.dimension: the heap that is taken as clean


class Split(NamedTuple):
    """clean: bool [N].  probability: float32 [N], posterior of the heap taken as clean.

    dimension: int8 [K], `WJSD` (its lower heap), `ACD_LOW` or `ACD_HIGH`.
    wjsd, acd: float64 [N], before they are mapped to [0, 1] inside each class.
    """

    clean: np.ndarray
    probability: np.ndarray
    dimension: np.ndarray
    wjsd: np.ndarray
    acd: np.ndarray


def split(probs: np.ndarray, features: np.ndarray, given: np.ndarray, num_classes: int) -> Split:
    """Which given labels are right.

    A class whose samples are one heap in the chosen dimension (a lone sample, ties) is clean.
    The mixtures are fitted until they no longer move: at most 30 steps, as published, but not with
    the published tol of 1e-2, which stops far from the optimum.

    Args:
      probs: [N, K] predictions, rows sum to 1.  features: [N, C].  given: int [N], in [0, K).

    Raises:
      ValueError: a prediction or a feature is not finite, or a label is out of range.
    """
    probs, given = np.asarray(probs, np.float64), np.asarray(given, np.int64)
    unit = cl2n(features)
    average = average_predictions(probs, given)
    confident = high_confidence(probs, given, adjusted_predictions(probs, given, average))
    centres, counts = class_means(unit, given, confident, num_classes)
    far, near = wjsd(probs, given, average), acd(unit, given, centres)
    by_far, by_near = (
        mixture.fit(values, given, num_classes, reg=5e-4, max_iter=30, normalize=True)
        for values in (far, near)
    )
    in_low = by_near.posterior_low > 0.5
    far_unit = mixture.min_max(far, given, num_classes)
    dimension = np.where(
        choose_dimension(far_unit, given, in_low, by_far),
        WJSD,
        np.where(choose_cluster(centres, counts), ACD_LOW, ACD_HIGH),
    ).astype(np.int8)
    used = dimension[given]
    # The heap of the higher ACD is what the lower leaves over: it keeps a posterior of 0.5.
    clean = np.choose(used, [by_far.posterior_low > 0.5, in_low, ~in_low])
    posterior = np.choose(
        used, [by_far.posterior_low, by_near.posterior_low, 1 - by_near.posterior_low]
    )
    means = np.where((dimension == WJSD)[:, None], by_far.means, by_near.means)
    one_heap = (means[:, 0] == means[:, 1])[given]
    probability = np.where(one_heap, 1, posterior).astype(np.float32)
    return Split(clean | one_heap, probability, dimension, far, near)


# The table of predictions and the confident samples ------------------------------------------


def average_predictions(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """A [K, K]: row k is the mean prediction of the samples given k. probs [N, K], given [N].

    >>> probs = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    >>> average_predictions(probs, np.array([0, 0, 1])).round(3)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    return class_means(probs, given, np.ones(len(given), bool), probs.shape[1])[0]


def adjusted_predictions(probs: np.ndarray, given: np.ndarray, average: np.ndarray) -> np.ndarray:
    """A2 [K, K]: as A, but the most predicted class t of a row weighs max(1, p_it / A_kt).

    Rows do not sum to 1: the entry A2_kt exceeds A_kt, which sets the bar for `high_confidence`.

    Args:
      probs: [N, K].  given: int [N].  average: A.
    """
    top = average.argmax(1)[given]
    everyone = np.arange(len(given))
    adjusted = np.array(probs, np.float64)
    share = adjusted[everyone, top] / np.maximum(average[given, top], 1e-12)
    adjusted[everyone, top] *= np.maximum(1, share)
    return average_predictions(adjusted, given)


def high_confidence(probs: np.ndarray, given: np.ndarray, adjusted: np.ndarray) -> np.ndarray:
    """bool [N]: the sample predicts its row's most predicted class t, and p_it > A2_kt.

    All samples of a class where none does.

    Args:
      probs: [N, K].  given: int [N].  adjusted: A2.
    """
    top = adjusted.argmax(1)[given]
    above = probs[np.arange(len(given)), top] > adjusted[given, top]
    chosen = (probs.argmax(1) == top) & above
    return chosen | (np.bincount(given[chosen], minlength=len(adjusted)) == 0)[given]


# The two dimensions --------------------------------------------------------------------------


def wjsd(probs: np.ndarray, given: np.ndarray, average: np.ndarray) -> np.ndarray:
    """w_i JSD(p_i, one-hot of the given label y), float64 [N], nats; larger is more wrong.

    w_i = max(1, min(max_j p_ij / p_iy, max_j A_yj / A_yy)). JSD is the mean of the divergences to
    the middle of the two distributions.

    Args:
      probs: [N, K], rows sum to 1.  given: int [N].  average: A.
    """
    probs = np.asarray(probs, np.float64)
    own = probs[np.arange(len(given)), given]
    # Only the given label is in both distributions: of the others the middle has half.
    middle = (1 + own) / 2
    jsd = 0.5 * (xlogy(own, own) - (1 + own) * np.log(middle) + (1 - own) * np.log(2))
    by_sample = probs.max(1) / np.maximum(own, 1e-12)
    by_class = average.max(1) / np.maximum(average.diagonal(), 1e-12)
    return np.maximum(1, np.minimum(by_sample, by_class[given])) * jsd


def acd(unit: np.ndarray, given: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """<f_i, centroid of the given label>, float64 [N]; features `cl2n` [N, C], centres [K, C]."""
    return np.einsum("nc,nc->n", unit, centres[given])


# The two stages ------------------------------------------------------------------------------


def choose_dimension(
    far: np.ndarray, given: np.ndarray, in_low: np.ndarray, by_far: mixture.Mixture
) -> np.ndarray:
    """Stage one, bool [K]: True where WJSD splits the class, False where ACD does.

    The heaps of ACD are placed in the mixture of WJSD by their mean WJSD. WJSD it is if both fall
    into its higher component, or if the heap there spreads less than 0.65 of the heap in the
    lower one: both say that ACD has parted what belongs together. A spread is a standard deviation
    (population); 1 where no heap fell, 0.1 where it is 0; the heap of higher ACD where both fell.
    If a heap of ACD is empty, ACD has parted nothing: WJSD, too.

    Args:
      far: [N] WJSD mapped to [0, 1] inside each class.  given: int [N].
      in_low: bool [N], in the lower heap of ACD.
      by_far: the mixtures of `far`.
    """
    num_classes = len(by_far.means)
    heap = given * 2 + ~in_low  # 2 k: lower ACD of class k; 2 k + 1: higher
    size = np.bincount(heap, minlength=2 * num_classes)
    mean = np.bincount(heap, far, minlength=2 * num_classes) / np.maximum(size, 1)
    square = np.bincount(heap, (far - mean[heap]) ** 2, minlength=2 * num_classes)
    spread = np.sqrt(square / np.maximum(size, 1)).reshape(-1, 2)
    place = _in_higher(mean.reshape(-1, 2), by_far).astype(int)
    of_component = np.ones((num_classes, 2))
    for one in (0, 1):
        of_component[np.arange(num_classes), place[:, one]] = spread[:, one]
    of_component[of_component == 0] = 0.1
    tighter = of_component[:, 1] / of_component[:, 0] < 0.65
    return place.all(1) | tighter | (size.reshape(-1, 2) == 0).any(1)


def _in_higher(points: np.ndarray, fitted: mixture.Mixture) -> np.ndarray:
    """bool [K, 2]: which points [K, 2] belong to the higher component of their class's mixture."""
    with np.errstate(divide="ignore"):  # a weight of 0 attracts nothing
        offset = np.log(fitted.weights) - 0.5 * np.log(fitted.variances)
    gap = (points[:, :, None] - fitted.means[:, None]) ** 2 / fitted.variances[:, None]
    joint = offset[:, None] - 0.5 * gap
    return joint[..., 1] > joint[..., 0]


def choose_cluster(centres: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Stage two, bool [K]: True where the heap of lower ACD is clean, False where the higher is.

    With S = softmax of each row of c c^T and j the most similar other class: lower where
    |S_kk - S_kj| < 0.1 S_kk and n_k < n_j, as the centroid then is likely that of class j.

    Args:
      centres: [K, C].  counts: [K] confident samples n; 0 says that a class has no sample.
    """
    similarity = softmax(centres @ centres.T, axis=1)
    own = similarity.diagonal().copy()
    others = np.where((counts > 0)[None, :], similarity, -np.inf)
    np.fill_diagonal(others, -np.inf)
    nearest = others.argmax(1)
    close = np.abs(own - others[np.arange(len(own)), nearest]) < 0.1 * own
    return close & (counts < counts[nearest])
