"""Distribution-aware class centroids and the split by them.

DaSC (Baik et al., ECCV 2024): the centroid of a class is formed by all confident samples,
whatever their given label, each by how much the prediction says it belongs there. N samples,
P channels of the projector, K classes; all sums in float64.
"""

import numpy as np
from scipy.special import softmax

from dull_jax.stats.centroids import unit_rows
from dull_jax.stats.feature_averaging import clean_probability


def split(
    logits: np.ndarray,
    balanced_logits: np.ndarray,
    projection: np.ndarray,
    given: np.ndarray,
    epoch: int,
    phi: float,
    temperature: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Which given labels are right, by the likeness of a sample to its class's centroid.

    The likeness is softmax_k(<z_i, c_k>) at the given label, mapped to [0, 1] over the whole set;
    two heaps in each class.

    Args:
      logits, balanced_logits: [N, K] of the ordinary and of the balanced head.
      projection: [N, P] output of the projector, of any length.
      given: int [N].
      epoch: from 0, warm-up included.  phi: growth of the confidence threshold per epoch.
      temperature: of the predictions that weigh samples in centroids; positive.

    Returns:
      P(clean) float32 [N]; 1 in a class that is one heap (a lone sample, ties).
      Centroids float64 [K, P], of length 1 (0 where no sample shapes one).
    """
    unit = unit_rows(projection)
    centres = centroids(logits, unit, confident(logits, balanced_logits, epoch, phi), temperature)
    likeness = softmax(unit @ centres.T, axis=1)[np.arange(len(given)), given]
    if len(likeness):
        low, high = likeness.min(), likeness.max()
        likeness = (likeness - low) / (high - low if high > low else 1)
    return clean_probability(likeness, given, logits.shape[1], normalize=False), centres


def confident(
    logits: np.ndarray, balanced_logits: np.ndarray, epoch: int, phi: float
) -> np.ndarray:
    """bool [N]: the largest probability of both heads exceeds phi^epoch / K."""
    threshold = phi**epoch / logits.shape[1]
    ordinary, balanced = (
        softmax(np.asarray(z, np.float64), axis=1).max(1) for z in (logits, balanced_logits)
    )
    return (ordinary > threshold) & (balanced > threshold)


def centroids(
    logits: np.ndarray, unit: np.ndarray, chosen: np.ndarray, temperature: float
) -> np.ndarray:
    """Centroids [K, P] of length 1: sum over chosen i of softmax_k(logits_i / temperature) z_i.

    Args:
      logits: [N, K].  unit: z, [N, P], rows of length 1.
      chosen: bool [N]; where nobody is, everybody is.
    """
    chosen = chosen if chosen.any() else np.ones_like(chosen)
    weights = softmax(np.asarray(logits[chosen], np.float64) / temperature, axis=1)
    return unit_rows(weights.T @ unit[chosen])
