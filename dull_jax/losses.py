"""Losses: pure, per example, unreduced. B examples, K classes."""

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.models.heads import unit_rows


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


def ldam(cosines: jax.Array, labels: jax.Array, margins: jax.Array, scale: float) -> jax.Array:
    """Cross entropy of scaled cosines, the label's lowered by its class's margin (Cao et al. 2019).

    Args:
      cosines: `[B, K]`, in [-1, 1].  labels: `[B]`.  margins: `[K]`, in units of the cosine.
      scale: of the cosines; with 1 a softmax over K classes could never be certain.

    Returns:
      `[B]`, nats.
    """
    lowered = jax.nn.one_hot(labels, len(margins)) * margins
    return cross_entropy(scale * (cosines - lowered), labels)


def early_learning(probs: jax.Array, targets: jax.Array) -> jax.Array:
    """log(1 - <t, p>), the regulariser of ELR (Liu et al. 2020): least where p agrees with t.

    Args:
      probs: `[B, K]`, predictions that stay below 1.
      targets: `[B, K]`, averages of earlier predictions; rows sum to at most 1.

    Returns:
      `[B]`, at most 0.

    >>> probs, targets = jnp.array([[0.9, 0.1], [0.1, 0.9]]), jnp.array([[1, 0], [1, 0]])
    >>> np.asarray(early_learning(probs, targets)).round(3)
    array([-2.303, -0.105], dtype=float32)
    """
    return jnp.log1p(-jnp.sum(targets * probs, axis=1))


def effective_number_weights(counts: np.ndarray, beta: float) -> np.ndarray:
    """Class weights (1 - beta) / (1 - beta^n_k), scaled to sum to K (Cui et al. 2019).

    Args:
      counts: `[K]`, at least one positive; an empty class weighs as much as the rarest other one.
      beta: in [0, 1); 0 weighs all classes equally.

    Returns:
      float32 `[K]`.

    >>> effective_number_weights(np.array([1, 2, 0]), 0.5)
    array([1.125, 0.75 , 1.125], dtype=float32)
    """
    present = np.maximum(counts, counts[counts > 0].min())
    weights = 1 / (1 - np.float64(beta) ** present)
    return (weights * len(counts) / weights.sum()).astype(np.float32)


def negative_cosine(prediction: jax.Array, projection: jax.Array) -> jax.Array:
    """-cos(prediction, projection), the projection held constant (SimSiam, Chen & He 2021, eq. 2).

    Args:
      prediction, projection: `[B, P]`, of any length.

    Returns:
      `[B]`, in [-1, 1].

    >>> negative_cosine(jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([[2.0, 0.0], [-3.0, 0.0]]))
    Array([-1.,  1.], dtype=float32)
    """
    constant = jax.lax.stop_gradient(projection)
    return -jnp.sum(unit_rows(prediction) * unit_rows(constant), axis=1)


def info_nce(
    query: jax.Array,
    key: jax.Array,
    negatives: jax.Array,
    valid: jax.Array,
    temperature: float,
) -> jax.Array:
    """-log of the softmax share of a query's own key among key and negatives (MoCo, eq. 1).

    Args:
      query, key: `[B, P]`, rows of length 1; row i belongs to row i.
      negatives: `[Q, P]`, rows of length 1.  valid: bool `[Q]`, which of them count.
      temperature: of the cosines.

    Returns:
      `[B]`, nats; 0 where no negative counts.
    """
    others = jnp.where(valid, query @ negatives.T, -jnp.inf)
    logits = jnp.concatenate([jnp.sum(query * key, axis=1, keepdims=True), others], axis=1)
    return cross_entropy(logits / temperature, jnp.zeros(len(query), jnp.int32))


def superloss(
    loss: jax.Array, weight: jax.Array, threshold: jax.Array | float, regulariser: float
) -> jax.Array:
    """(l - threshold) s + regulariser (log s)^2 (SuperLoss, Castells et al. 2020, eq. 2).

    Args:
      loss: `[B]`; the gradient is the weight times that of the loss.
      weight: s `[B]`, of `superloss_weight`, which makes it least.
      threshold: what a loss is compared with (tau).  regulariser: lambda > 0.

    Returns:
      `[B]`; with the weight of this very loss at most loss - threshold.
    """
    return (loss - threshold) * weight + regulariser * jnp.log(weight) ** 2


def superloss_weight(
    loss: jax.Array, threshold: jax.Array | float, regulariser: float
) -> jax.Array:
    """s = exp(-W(max(-2/e, (l - threshold) / regulariser) / 2)), Castells et al. 2020, eq. 5.

    Args:
      loss: `[B]`; no gradient passes.

    Returns:
      `[B]` in (0, e]: 1 at the threshold, more below it (easy), less above it (hard).

    >>> np.asarray(superloss_weight(jnp.array([0.0, 1.0, 2.0]), 1.0, 1.0)).round(3)
    array([2.718, 1.   , 0.703], dtype=float32)
    """
    ease = jax.lax.stop_gradient((loss - threshold) / regulariser)
    return jnp.exp(-lambert_w(jnp.maximum(ease, -2 / jnp.e) / 2))


def lambert_w(x: jax.Array) -> jax.Array:
    """The principal branch of w exp(w) = x.

    Five Halley steps; near the branch point, where they would drown in rounding, the series in
    p = sqrt(2 (e x + 1)) (Corless et al. 1996, eq. 4.22). The derivative at -1/e is infinite.

    Args:
      x: float32, at least -1/e; what is below counts as -1/e.

    Returns:
      float32, the shape of x, to about 1e-6.
    """
    # 1/e as a float32 and its rest: x + 1/e is exact near the branch point.
    inverse = np.float32(1 / np.e)
    distance = np.float32(np.e) * (x + inverse) + np.float32(1 - np.e * np.float64(inverse))
    p = jnp.sqrt(2 * jnp.maximum(distance, 0))
    terms = (-221 / 8505, 769 / 17280, -43 / 540, 11 / 72, -1 / 3, 1.0, -1.0)
    series = jnp.polyval(jnp.array(terms, p.dtype), p)
    near = p < 0.25
    x = jnp.where(near, 0, x)
    guess = jnp.log1p(x)
    w = guess * (1 - jnp.log1p(guess) / (2 + guess))
    for _ in range(5):
        error = w - x * jnp.exp(-w)
        w -= error / (w + 1 - (w + 2) * error / (2 * (w + 1)))
    return jnp.where(near, series, w)
