"""How far confidence and accuracy lie apart."""

import numpy as np


def expected_calibration_error(probs: np.ndarray, labels: np.ndarray, num_bins: int = 15) -> float:
    """ECE (Naeini et al. 2015; Guo et al. 2017, eq. 3), in percent.

    Args:
      probs: `[N, K]`, rows sum to 1.  labels: `[N]` class ids.
      num_bins: bins of equal width over the confidence max_k p_k.

    Returns:
      sum over bins of share * |accuracy - confidence| * 100; nan when N = 0.
    """
    if len(labels) == 0:
        return float("nan")
    confidence = probs.max(1).astype(np.float64)
    right = (probs.argmax(1) == labels).astype(np.float64)
    # Bins are (a, b]: a confidence of exactly 1 belongs to the last.
    bins = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, right - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(labels) * 100)
