"""Class centroids in feature space. N samples, C channels, K classes; NumPy, sums in float64."""

import numpy as np
import scipy.sparse


def cl2n(features: np.ndarray) -> np.ndarray:
    """Features [N, C] less their mean over all samples, scaled to length 1; float64.

    A sample that is the mean itself stays 0 (Wang et al. 2019, "CL2N").

    >>> cl2n(np.array([[0.0, 1.0], [4.0, 1.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    features = np.asarray(features, np.float64)
    if not len(features):
        return features
    centred = features - features.mean(0)
    floor = 1e-9 * np.linalg.norm(features, axis=1, keepdims=True)  # the rounding of the mean
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), floor + 1e-12)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows [N, C] scaled to length 1, float64; a row of zeros stays as it is.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).round(3)
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    rows = np.asarray(rows, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def class_means(
    values: np.ndarray, given: np.ndarray, chosen: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means of the chosen samples of each class.

    Where a class has none, of all its samples; 0 where it has no sample at all. Not scaled to
    length 1.

    Args:
      values: [N, C].  given: int [N], in [0, K).  chosen: bool [N].

    Returns:
      means float64 [K, C]; number of chosen samples, int [K] (0 where all samples stood in).
    """
    counts = np.bincount(given[chosen], minlength=num_classes)
    used = (chosen | (counts == 0)[given]).astype(np.float64)
    # The one-hot matrix [K, N] is sparse: N C multiply-adds whatever the number of classes.
    cells = used, (given, np.arange(len(given)))
    onehot = scipy.sparse.csr_array(cells, shape=(num_classes, len(given)))
    sizes = np.bincount(given, used, minlength=num_classes)
    return (onehot @ np.asarray(values, np.float64)) / np.maximum(sizes, 1)[:, None], counts


def squared_distances(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """|x_i - c_k|^2, float64 [N, K], of values [N, C] and centres [K, C].

    >>> squared_distances(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 4.0]]))
    array([[ 0., 16.],
           [25.,  9.]])
    """
    lengths = np.square(values).sum(1)[:, None] + np.square(centres).sum(1)
    return np.maximum(lengths - 2 * values @ centres.T, 0)
