"""Noise of a known kind, undone: the true class counts, and predictions of the true label.

Predictions that were learnt from given labels say p(given | x) = p(true | x) T. Array in, array
out; N samples, K classes.
"""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.stats import noise_kinds
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.transition import LabelModel

TEMPERATURES = tuple(np.geomspace(0.25, 2.0, 22))  # of the predictions once the noise is undone
_STEPS = 60  # of the deconvolution

Make: TypeAlias = Callable[[np.ndarray], Noise]  # true class counts [K] -> T


def solved(given_counts: np.ndarray, make: Make, iterations: int = 200) -> tuple[Noise, LabelModel]:
    """True class shares n by EM, so that n T(n) is near the given counts, and that T.

    given_counts: `[K]` of the given labels. Where T(n) jumps with the order of nearly equal counts
    it may not settle; see `identifiable`.
    """
    counts = np.maximum(np.asarray(given_counts, np.float64), 0.5)
    for _ in range(iterations):
        noise = make(counts)
        called = noise.forward(noise.sorted(counts))
        ratio = noise.sorted(given_counts) / np.maximum(called, 1e-12)
        back = counts * noise.named(noise.backward(ratio))
        before, counts = counts, (counts + np.maximum(back, 0.5)) / 2
        if (np.abs(counts - before) < 1e-6 * counts).all():
            break
    noise, shares = noise_kinds.quickest(make(counts)), counts / counts.sum()
    model = LabelModel(noise_kinds.table(noise).astype(np.float32), shares.astype(np.float32))
    return noise, model


@functools.partial(jax.jit, static_argnames="steps")
def clean_probs(noisy_probs: jax.Array, noise: Noise, steps: int = _STEPS) -> jax.Array:
    """p `[N, K]` in the simplex with p T nearest `noisy_probs` `[N, K]` (Kullback-Leibler).

    Richardson-Lucy deconvolution: EM for the weights of a mixture whose components are the rows
    of T. For each row, two products of T with a row of length K a step.
    """
    observed = noise.sorted(noisy_probs)

    def step(_: int, p: jax.Array) -> jax.Array:
        p = p * noise.backward(observed / jnp.maximum(noise.forward(p), 1e-12))
        return p / p.sum(1, keepdims=True)

    return jnp.asarray(noise.named(jax.lax.fori_loop(0, steps, step, observed)))


@jax.jit
def tempered(probs: jax.Array, prior: jax.Array, temperature: jax.Array) -> jax.Array:
    """prior (probs / prior)^(1 / temperature), normalised: evidence sharpened, but not the prior.

    probs `[N, K]`, prior `[K]`.

    >>> np.asarray(tempered(jnp.array([[0.6, 0.4]]), jnp.array([0.5, 0.5]), 0.5)).round(3)
    array([[0.692, 0.308]], dtype=float32)
    """
    log_prior = jnp.log(prior)
    evidence = jnp.log(jnp.maximum(probs, 1e-12)) - log_prior
    return jax.nn.softmax(evidence / temperature + log_prior)


@jax.jit
def likelihood_gain(
    noisy_probs: jax.Array, given: jax.Array, noise: Noise, model: LabelModel
) -> tuple[jax.Array, jax.Array]:
    """log p(given | x), predictions made possible under T, over that as they are.

    Predictions too timid or too bold are no sign of noise: each T may choose a temperature.

    Args:
      noisy_probs: `[N, K]`.  given: `[N]`.  noise, model: as from `solved`.

    Returns:
      (gains `[N]` in nats, temperature).
    """
    plain = jnp.log(noisy_probs[jnp.arange(len(given)), given])
    clean = clean_probs(noisy_probs, noise)
    column = model.transition[:, given].T

    def at(temperature: jax.Array) -> jax.Array:
        again = jnp.sum(tempered(clean, model.prior, temperature) * column, axis=1)
        return jnp.log(jnp.maximum(again, 1e-12)) - plain

    scale = jnp.array(TEMPERATURES)
    best = scale[jnp.argmax(jax.lax.map(lambda t: at(t).mean(), scale))]
    return at(best), best
