"""How much classes and samples resemble each other, from features or pixels: for t2h noise."""

import numpy as np

from dull_jax.data import draws


def class_means(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Mean feature of each class, float64 [K, D]; zero for a class without a sample.

    >>> class_means(np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 2.0]]), np.array([0, 0, 1]), 3)
    array([[2., 0.],
           [2., 2.],
           [0., 0.]])
    """
    features = np.asarray(features).reshape(len(features), -1)
    means = np.zeros((num_classes, features.shape[1]))
    for k, positions in enumerate(draws.members(labels, num_classes)):
        if len(positions):
            means[k] = features[positions].mean(axis=0, dtype=np.float64)
    return means


def class_similarity(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Cosine of class means, float64 [K, K], of `features` [N, ...]; pixels will do.

    For `destination='similar'`. The overall mean is not removed, so all-positive features
    (pixels, pooled activations) give values close to 1 and want a small temperature. Rounded to 6
    digits: the last bits of a matrix product vary by machine.

    >>> class_similarity(np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 2.0]]), np.array([0, 0, 1]), 2)
    array([[1.      , 0.707107],
           [0.707107, 1.      ]])
    """
    means = class_means(features, labels, num_classes)
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return np.round(unit @ unit.T, 6)


def class_distance(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Euclidean distance of each sample to each class mean, float32 [N, K].

    For `which='confusing'`. Infinite for a class without a sample. Works through blocks of 4096
    samples.

    >>> class_distance(np.array([[0.0], [2.0], [5.0]]), np.array([0, 0, 1]), 2)
    array([[1., 5.],
           [1., 3.],
           [4., 0.]], dtype=float32)
    """
    features = np.asarray(features).reshape(len(features), -1)
    means = class_means(features, labels, num_classes)
    absent = np.bincount(labels, minlength=num_classes) == 0
    squared_norms = (means**2).sum(axis=1)
    distance = np.empty((len(features), num_classes), np.float32)
    for start in range(0, len(features), 4096):
        block = features[start : start + 4096].astype(np.float64)
        squared = (block**2).sum(axis=1)[:, None] - 2 * block @ means.T + squared_norms
        distance[start : start + 4096] = np.sqrt(np.maximum(squared, 0.0))
    distance[:, absent] = np.inf
    return distance
