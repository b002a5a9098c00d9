"""Class prototypes in feature space. N samples, C features, K classes; arrays in, arrays out."""

import jax
import jax.numpy as jnp

EPS = 1e-12


@jax.jit
def cl2n(features: jax.Array, mean: jax.Array | None = None) -> jax.Array:
    """Features centred and of length 1 (CL2N, Wang et al. 2019, SimpleShot).

    Args:
      features: `[N, C]`.
      mean: `[C]`, what is subtracted; None: the mean of these features.

    Returns:
      `[N, C]`; a feature equal to the mean stays 0.
    """
    centred = features - (features.mean(0) if mean is None else mean)
    return centred / jnp.maximum(jnp.linalg.norm(centred, axis=1, keepdims=True), EPS)


@jax.jit
def class_means(
    features: jax.Array, labels: jax.Array, weights: jax.Array, fallback: jax.Array
) -> jax.Array:
    """Weighted mean feature of every class.

    A product with one-hot labels: O(N K) memory, as a prediction has, and the same bits each time.

    Args:
      features: `[N, C]`.  labels: `[N]`, in [0, K).
      weights: `[N]`, not negative; a mask will do.
      fallback: `[K, C]`, the means of classes that have no weight.
    """
    share = jax.nn.one_hot(labels, len(fallback)) * weights.astype(features.dtype)[:, None]
    mass = share.sum(0)[:, None]
    sums = jnp.matmul(share.T, features, precision="highest")
    return jnp.where(mass > 0, sums / jnp.maximum(mass, EPS), fallback)


@jax.jit
def squared_distances(features: jax.Array, means: jax.Array) -> jax.Array:
    """|x_i - c_k|^2 `[N, K]` of features `[N, C]` and means `[K, C]`."""
    cross = jnp.matmul(features, means.T, precision="highest")
    lengths = jnp.sum(features**2, axis=1)[:, None] + jnp.sum(means**2, axis=1)
    return jnp.maximum(lengths - 2 * cross, 0)
