"""How far predictions of the true label can be trusted, learnt from the given labels alone.

Predictions freed from the noise are too timid (models learnt wrong labels) and lean too far on how
frequent a class is, or not far enough. So their temperature (Guo et al. 2017) and the power of the
prior in them are fitted to the given labels, through the transition (the forward correction of
Patrini et al. 2017, applied to calibration). And of a class with few samples a model has seen
little: some of the samples that look unlike it are its own.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.noise_undone import clean_probs
from dull_jax.stats.transition import LabelModel

_SHARPNESS = tuple(np.geomspace(0.6, 3.0, 14))  # tried by `likelihood_gain`
_PRIOR_POWERS = tuple(np.linspace(-1.0, 0.5, 11))
_BOUNDS = ((np.log(0.05), np.log(20.0)), (-4.0, 4.0))  # of log(sharpness) and of prior_power


class Scaling(NamedTuple):
    """p^sharpness prior^prior_power, normalised; (1, 0) leaves p as it is."""

    sharpness: jax.Array | np.float32  # 1 / temperature
    prior_power: jax.Array | np.float32


@jax.jit
def scaled(probs: jax.Array, prior: jax.Array, scaling: Scaling) -> jax.Array:
    """probs `[N, K]` p(true | x), prior `[K]`; `[N, K]`, rows sum to 1.

    >>> probs, prior = jnp.array([[0.6, 0.4]]), jnp.array([0.5, 0.5])
    >>> np.asarray(scaled(probs, prior, Scaling(2.0, 0.0))).round(3)
    array([[0.692, 0.308]], dtype=float32)
    """
    evidence = scaling.sharpness * jnp.log(jnp.maximum(probs, 1e-12))
    return jax.nn.softmax(evidence + scaling.prior_power * jnp.log(prior))


def fit(probs: np.ndarray, given: np.ndarray, model: LabelModel, temperature: float) -> Scaling:
    """The exponents under which the given labels are likeliest.

    Maximum a posteriori: one sample's weight pulls towards the `temperature` that was chosen with
    the noise (`noise_undone.tempered`), so that a handful of samples cannot go astray.

    Args:
      probs: `[n, K]` p(true | x), noise undone.  given: `[n]` labels.  model: the transition.
    """
    column = jnp.asarray(model.transition)[:, given].T
    start = np.array([-np.log(temperature), 1 - 1 / temperature])

    @jax.jit
    @jax.value_and_grad
    def loss(exponents: jax.Array) -> jax.Array:
        scaling = Scaling(jnp.exp(exponents[0]), exponents[1])
        again = jnp.sum(scaled(probs, model.prior, scaling) * column, axis=1)
        strayed = jnp.sum((exponents - start) ** 2) / 2
        return strayed / len(given) - jnp.log(jnp.maximum(again, 1e-12)).mean()

    def in_double(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(jnp.asarray(exponents, jnp.float32))
        return float(value), np.asarray(gradient, np.float64)

    start = np.clip(start, *np.transpose(_BOUNDS))
    best = minimize(in_double, start, jac=True, method="L-BFGS-B", bounds=_BOUNDS).x
    return Scaling(np.float32(np.exp(best[0])), np.float32(best[1]))


@jax.jit
def smoothed(probs: jax.Array, prior: jax.Array, size: int) -> jax.Array:
    """Predictions that leave room for what a class has not shown.

    A share 1/2 / (n_k + 1) of class k looks like any sample: the chance, under Jeffreys' prior
    (Krichevsky and Trofimov 1981), of what did not happen in n_k = size * prior_k samples.

    Args:
      probs: `[N, K]` p(true | x).  prior: `[K]` true class shares.  size: samples behind them.

    >>> np.asarray(smoothed(jnp.array([[1.0, 0.0]]), jnp.array([0.5, 0.5]), 98)).round(3)
    array([[0.995, 0.005]], dtype=float32)
    """
    unseen = 0.5 / (size * prior + 1)
    mixed = (1 - unseen) * probs + unseen * prior
    return mixed / mixed.sum(1, keepdims=True)


@jax.jit
def likelihood_gain(
    noisy_probs: jax.Array, given: jax.Array, noise: Noise, model: LabelModel
) -> tuple[jax.Array, jax.Array]:
    """`noise_undone.likelihood_gain`, where each noise may choose both exponents.

    For calibrated predictions: then what is left to choose is small, and amounts of noise are
    told apart twice as well. The exponents are found by turns, twice, on a grid.

    Args:
      noisy_probs: `[n, K]`.  given: `[n]`.  noise, model: as from `noise_undone.solved`.

    Returns:
      (gains `[n]` in nats, temperature).
    """
    rows, size = jnp.arange(len(given)), len(given)
    plain = jnp.log(noisy_probs[rows, given])
    clean = clean_probs(noisy_probs, noise)
    column = model.transition[:, given].T

    def at(scaling: Scaling) -> jax.Array:
        probs = smoothed(scaled(clean, model.prior, scaling), model.prior, size)
        return jnp.log(jnp.maximum(jnp.sum(probs * column, axis=1), 1e-12)) - plain

    def best(candidates: tuple, scaling_of: Callable[[jax.Array], Scaling]) -> jax.Array:
        grid = jnp.array(candidates)
        return grid[jnp.argmax(jax.lax.map(lambda x: at(scaling_of(x)).mean(), grid))]

    sharpness, power = jnp.ones(()), jnp.zeros(())
    for _ in range(2):
        sharpness = best(_SHARPNESS, functools.partial(Scaling, prior_power=power))
        power = best(_PRIOR_POWERS, functools.partial(Scaling, sharpness))
    return at(Scaling(sharpness, power)), 1 / sharpness
