"""Inner-feature partial unlearning (DULL): the wrong region of a feature, masked and unlearned.

B examples, C channels, K classes. Everything is a pure function of arrays.
"""

import jax
import jax.numpy as jnp

EPS = 1e-12


def wrong_region(
    gate: jax.Array, given: jax.Array, target: jax.Array, label_error_prob: jax.Array
) -> jax.Array:
    """r = w G[:, given] (1 - sum_k t_k G[:, k]): channels of the given class, not of the target.

    Args:
      gate: `[C, K]` channel-class matrix G in [0, 1].
      given: int `[B]` given labels.
      target: `[B, K]` (soft) labels believed, rows sum to 1.
      label_error_prob: `[B]` in [0, 1], how likely the given label is wrong.

    Returns:
      `[B, C]` in [0, 1]; 0 where the given label is believed.
    """
    return label_error_prob[:, None] * gate.T[given] * (1 - target @ gate.T)


def ascent_direction(
    z: jax.Array, classify, given: jax.Array, num_classes: int, strength: jax.Array
) -> jax.Array:
    """u * relu(p(given) - 1/K) * gradient in z of CE(classify(z), given).

    The factor ends the unlearning by itself once the wrong class is at chance.

    Args:
      z: `[B, C]`.  classify: `[B, C]` -> logits `[B, K]`.  strength: scalar u.

    Returns:
      `[B, C]`, no gradient flows through it.
    """
    z = jax.lax.stop_gradient(z)

    def summed(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_probs = jax.nn.log_softmax(classify(z))
        chosen = jnp.take_along_axis(log_probs, given[:, None], axis=1)[:, 0]
        return -chosen.sum(), jnp.exp(chosen)

    direction, believed = jax.grad(summed, has_aux=True)(z)
    excess = jax.nn.relu(believed - 1 / num_classes)
    return jax.lax.stop_gradient(strength * excess[:, None] * direction)


@jax.custom_vjp
def partial_unlearn(z: jax.Array, region: jax.Array, ascent: jax.Array) -> jax.Array:
    """Weakens the wrong region forward and unlearns it backward.

    Forward: z * (1 - r), so that the wrong region cannot serve the target. Backward, for the
    cotangent dy of the result:

        dz = dy * (1 - r) - c * ascent * r,   c = min(1, |dy (1 - r)| / |ascent r|) per example,

    the channels outside the region learn the target as ever; those inside climb the loss of the
    wrong label, never with more force than the learning.

    Args:
      z: `[B, C]` features.
      region: `[B, C]` in [0, 1], from `wrong_region`.
      ascent: `[B, C]`, from `ascent_direction`, in the scale of the cotangent (a loss averaged
        over n examples has cotangents of size 1/n: divide likewise).

    Returns:
      `[B, C]`.
    """
    del ascent
    return z * (1 - region)


def _forward(z: jax.Array, region: jax.Array, ascent: jax.Array):
    return z * (1 - region), (region, ascent)


def _backward(saved, cotangent: jax.Array):
    region, ascent = saved
    learning = cotangent * (1 - region)
    unlearning = ascent * region
    norm = jnp.linalg.norm(unlearning, axis=1, keepdims=True)
    allowed = jnp.linalg.norm(learning, axis=1, keepdims=True)
    scale = jnp.minimum(1.0, allowed / jnp.maximum(norm, EPS))
    return learning - scale * unlearning, jnp.zeros_like(region), jnp.zeros_like(ascent)


partial_unlearn.defvjp(_forward, _backward)
