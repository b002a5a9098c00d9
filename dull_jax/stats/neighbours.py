"""Weighted nearest neighbours: what an unlabelled representation knows of the labels.

The monitor of instance discrimination (Wu et al., CVPR 2018, section 3.4) and MoCo, here with
each sample left out of its own vote, so that no second set is needed.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def votes(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    queries: np.ndarray | None = None,
    *,
    neighbours: int = 200,
    temperature: float = 0.1,
    block: int = 1024,
) -> np.ndarray:
    """The labels of each sample's nearest others, weighted by exp(cosine / temperature).

    Time is O(n N C), memory O(block * N + N * C).

    Args:
      features: `[N, C]`; only their direction counts.
      labels: int `[N]` in [0, K).
      num_classes: K.
      queries: int `[n]`, the samples whose neighbours vote; None: all of them.
      neighbours: how many vote; all others where there are fewer.
      temperature: of the weights.
      block: samples whose similarities are held at once.

    Returns:
      float32 `[n, K]`: shares of the votes, rows sum to 1; zeros where N = 1.
    """
    size = len(features)
    queries = np.arange(size) if queries is None else queries
    nearest = min(neighbours, size - 1)
    if nearest < 1:
        return np.zeros((len(queries), num_classes), np.float32)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = jnp.asarray(features / np.maximum(length, 1e-12), jnp.float32)
    labels, block = jnp.asarray(labels), min(block, len(queries))
    parts = []
    for first in range(0, len(queries), block):  # the last block repeats its last: one program
        own = queries[np.minimum(np.arange(first, first + block), len(queries) - 1)]
        parts.append(_block_votes(own, unit, labels, num_classes, nearest, temperature))
    return np.concatenate(parts)[: len(queries)]


@partial(jax.jit, static_argnames=("num_classes", "nearest"))
def _block_votes(own, unit, labels, num_classes, nearest, temperature):
    """Votes `[b, K]` for the samples at the indices `own` `[b]`."""
    similarity = jnp.matmul(unit[own], unit.T, precision="highest")
    similarity = similarity.at[jnp.arange(len(own)), own].set(-jnp.inf)
    nearest_similarity, where = jax.lax.top_k(similarity, nearest)
    weights = jax.nn.softmax(nearest_similarity / temperature, axis=1)
    empty = jnp.zeros((len(own), num_classes))
    return empty.at[jnp.arange(len(own))[:, None], labels[where]].add(weights)
