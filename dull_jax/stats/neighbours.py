"""Weighted nearest neighbours: what an unlabelled representation knows of the labels.

The monitor of instance discrimination (Wu et al., CVPR 2018, section 3.4) and MoCo, here with
each sample left out of its own vote, so that no second set is needed.
"""

import numpy as np
from scipy.special import softmax

from dull_jax.stats import neighbour_graph


def votes(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    queries: np.ndarray | None = None,
    *,
    neighbours: int = 200,
    temperature: float = 0.1,
) -> np.ndarray:
    """The labels of each sample's nearest others, weighted by exp(cosine / temperature).

    Args:
      features: `[N, C]`; only their direction counts.
      labels: int `[N]` in [0, K).
      num_classes: K.
      queries: int `[n]`, the samples whose neighbours vote; None: all of them.
      neighbours: how many vote; all others where there are fewer.
      temperature: of the weights.

    Returns:
      float32 `[n, K]`: shares of the votes, rows sum to 1; zeros where N = 1.

    Raises:
      UserError: of `neighbour_graph.nearest`.
    """
    graph = neighbour_graph.nearest(features, neighbours, queries)
    shape = (len(graph.indices), num_classes)
    if not graph.indices.size:
        return np.zeros(shape, np.float32)
    weights = softmax(graph.cosine / temperature, axis=1)
    return shares(weights, labels[graph.indices], num_classes).astype(np.float32)


def shares(weights: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """float64 `[n, K]`: the weights `[n, k]` of neighbours, summed by their labels `[n, k]`.

    >>> shares(np.array([[0.7, 0.2, 0.1]]), np.array([[0, 1, 0]]), 2).round(3)
    array([[0.8, 0.2]])
    """
    size = len(weights)
    cells = np.arange(size)[:, None] * num_classes + labels
    sums = np.bincount(cells.ravel(), weights.ravel(), minlength=size * num_classes)
    return sums.reshape(size, num_classes)
