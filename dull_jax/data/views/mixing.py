"""Head-to-tail transfer (DULL): images of a class-even stream, mixed with ordinary ones."""

import jax
import jax.numpy as jnp
import numpy as np


def mixed_images(
    keys: jax.Array, rare: jax.Array, partner: jax.Array, how: str
) -> tuple[jax.Array, jax.Array]:
    """CutMix (Yun et al. 2019) or mixup (Zhang et al. 2018) with the larger share to `rare`.

    Args:
      keys: `[b]`, one per example.  rare, partner: `[b, H, W, C]`, or vectors `[b, D]`.
      how: 'cutmix' (a rectangle of the partner is pasted) or 'mixup'; vectors, in which there is
        nothing to paste, are mixed up in any case.

    Returns:
      (what is mixed, shaped as `rare`; lambda `[b]`: the exact share of `rare`, at least 1/2).
    """
    lam = jax.vmap(lambda key: jax.random.uniform(key, minval=0.5, maxval=1.0))(keys)
    if how == "mixup" or rare.ndim == 2:
        weight = lam.reshape(-1, *[1] * (rare.ndim - 1))
        return weight * rare + (1 - weight) * partner, lam
    height, width = rare.shape[1:3]
    centre_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 1)
    centres = jax.vmap(lambda key: jax.random.uniform(key, (2,)))(centre_keys)
    side = jnp.sqrt(1 - lam)
    inside = (
        _interval(centres[:, 0], side, height)[:, :, None]
        & (_interval(centres[:, 1], side, width)[:, None, :])
    )
    images = jnp.where(inside[..., None], partner, rare)
    return images, 1 - inside.mean((1, 2))


def _interval(centre: jax.Array, side: jax.Array, size: int) -> jax.Array:
    """bool `[b, size]`: floor(side * size) pixels around the centre, cut at the borders."""
    length = jnp.floor(side * size)
    first = jnp.round(centre * size - length / 2)[:, None]
    pixels = jnp.arange(size)[None, :]
    return (pixels >= first) & (pixels < first + length[:, None])


def rare_label_share(
    lam: jax.Array | np.ndarray,
    rare: jax.Array | np.ndarray,
    partner: jax.Array | np.ndarray,
    prior: jax.Array | np.ndarray,
    power: float,
) -> jax.Array:
    """The label share of `rare`, raised beyond its pixel share where its class is rarer.

    max(lambda, (n_partner / (n_partner + n_rare))^power), n the class share of each image's
    target; lambda alone where the partner's class is not the more frequent one.

    Args:
      lam: `[b]`.  rare, partner: `[b, K]` targets.  prior: `[K]` class shares.

    Returns:
      `[b, 1]`.
    """
    n_rare, n_partner = rare @ prior, partner @ prior
    raised = (n_partner / (n_partner + n_rare)) ** power
    return jnp.where(n_partner > n_rare, jnp.maximum(lam, raised), lam)[:, None]
