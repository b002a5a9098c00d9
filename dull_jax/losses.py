"""Losses: pure, per example, unreduced. B examples, K classes."""

import jax
import jax.numpy as jnp


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """-sum_k t_k log softmax(z)_k.

    Args:
      logits: `[B, K]`, unnormalised log probabilities.
      targets: `[B]` class ids, or `[B, K]` soft labels (rows need not sum to 1).

    Returns:
      `[B]`, nats.

    >>> round(float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))[0]), 4)
    1.3863
    """
    log_probs = jax.nn.log_softmax(logits)
    if targets.ndim == 1:
        return -jnp.take_along_axis(log_probs, targets[:, None], axis=1)[:, 0]
    return -jnp.sum(targets * log_probs, axis=1)


def logit_adjusted(
    logits: jax.Array, targets: jax.Array, log_prior: jax.Array, tau: float = 1.0
) -> jax.Array:
    """Cross entropy of logits raised by tau * log prior (Menon et al. 2021, eq. 10).

    Trained so, softmax(logits) without the prior is the class-balanced prediction.

    Args:
      logits: `[B, K]`.  targets: `[B]` or `[B, K]`.
      log_prior: `[K]`, log of the class shares of the training targets (finite).
      tau: strength; 1 is balanced softmax (Ren et al. 2020).

    Returns:
      `[B]`, nats.
    """
    return cross_entropy(logits + tau * log_prior, targets)
