"""MixMatch (Berthelot et al. 2019) as in DivideMix (Li et al., ICLR 2020): targets and losses.

Guesses sharpened, given labels refined by them, mixup of all with all; what an unlabelled sample
costs, and a penalty on naming some classes only. Inside a mapped step: a device has b examples a
stream; K classes.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.models import axis


def sharpen(probs: jax.Array, temperature: float) -> jax.Array:
    """p_k^(1/T) / sum_j p_j^(1/T): probs [b, K], rows sum to 1 -> [b, K]. DivideMix, eq. 7.

    >>> np.asarray(sharpen(jnp.array([[0.6, 0.4]]), temperature=0.5)).round(3)
    array([[0.692, 0.308]], dtype=float32)
    """
    raised = probs ** (1 / temperature)
    return raised / raised.sum(1, keepdims=True)


def refined(given: jax.Array, trust: jax.Array, probs: jax.Array, temperature: float) -> jax.Array:
    """Co-refinement: sharpen(w y + (1 - w) p). DivideMix, eqs. 6 and 7.

    given int [b], trust w [b] in [0, 1], probs p [b, K] -> [b, K].
    """
    label = jax.nn.one_hot(given, probs.shape[1])
    return sharpen(trust[:, None] * label + (1 - trust[:, None]) * probs, temperature)


def mixup(
    rng: jax.Array, parts: list[jax.Array], targets: list[jax.Array], alpha: float
) -> tuple[jax.Array, jax.Array]:
    """Mixup of each row with a random one of the global batch; the larger share is its own.

    One lambda = max(l, 1 - l), l ~ Beta(alpha, alpha), for the whole step, as in DivideMix.

    Args:
      rng: the step's key, the same on all devices.
      parts: images `[b, H, W, C]` of this device.  targets: `[b, K]` each.

    Returns:
      Mixed (images `[sum b, H, W, C]`, targets `[sum b, K]`), the parts in order.
    """
    beta, permutation = jax.random.split(rng)
    drawn = jax.random.beta(beta, alpha, alpha)
    lam = jnp.maximum(drawn, 1 - drawn)
    everything = jax.tree.map(axis.all_gather, (parts, targets))
    sizes = [len(part) for part in everything[0]]
    order = jax.random.permutation(permutation, sum(sizes))
    starts = np.cumsum([0, *sizes[:-1]])
    rows = [
        start + axis.first_index(len(part)) + jnp.arange(len(part))
        for start, part in zip(starts, parts, strict=True)
    ]
    partner = order[jnp.concatenate(rows)]

    def mixed(mine: list[jax.Array], all_of_them: list[jax.Array]) -> jax.Array:
        return lam * jnp.concatenate(mine) + (1 - lam) * jnp.concatenate(all_of_them)[partner]

    return mixed(parts, everything[0]), mixed(targets, everything[1])


def consistency(probs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean over classes of the squared difference: [b, K] each -> [b]. DivideMix, eq. 11.

    >>> np.asarray(consistency(jnp.array([[0.6, 0.4]]), jnp.array([[1.0, 0.0]]))).round(3)
    array([0.16], dtype=float32)
    """
    return jnp.mean((probs - targets) ** 2, axis=1)


def evenness(probs: jax.Array) -> jax.Array:
    """KL(uniform || mean prediction over the global batch): probs [b, K] -> scalar. Eq. 12."""
    mean = axis.pmean(jnp.mean(probs, axis=0))
    return jnp.mean(-jnp.log(jnp.maximum(mean, 1e-12) * len(mean)))
