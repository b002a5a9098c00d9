"""Who is called what: the label transition, estimated, and the posterior of the true label.

Array in, array out: works on any class-balanced probabilities `[N, K]` and given labels `[N]`.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment


class LabelModel(NamedTuple):
    """transition `[K, K]`: P(given j | true i), rows sum to 1; prior `[K]`: true class shares."""

    transition: jax.Array | np.ndarray
    prior: jax.Array | np.ndarray


def class_shares(counts: np.ndarray) -> np.ndarray:
    """`[K]` counts as shares, none below that of half a sample: an empty class has a finite log.

    >>> class_shares(np.array([3, 1, 0])).round(3)
    array([0.667, 0.222, 0.111])
    """
    counts = np.maximum(counts, 0.5)
    return counts / counts.sum()


@jax.jit
def headward_pseudo_counts(
    counts: jax.Array, strength: jax.Array, diagonal: jax.Array | float = 0.8
) -> jax.Array:
    """The expectation put into the transition before it sees data.

    Row i holds strength * n_i pseudo-counts: a share `diagonal` says that the label is right,
    the rest goes to the more frequent classes in proportion to their frequency (the definition
    of tail-to-head noise). The most frequent class spreads its rest over all others, thinly.

    Args:
      counts: `[K]` of the given labels.  strength: pseudo-counts per image of the class.
    """
    counts = jnp.maximum(counts, 1.0)
    larger = jnp.where(counts[None, :] > counts[:, None], counts[None, :], 0.0)
    others = counts[None, :] * (1 - jnp.eye(len(counts)))
    away = jnp.where(larger.sum(1, keepdims=True) > 0, larger, others)
    away = away / jnp.maximum(away.sum(1, keepdims=True), 1e-12)
    rows = diagonal * jnp.eye(len(counts)) + (1 - diagonal) * away
    return strength * counts[:, None] * rows


@jax.jit
def label_posterior(probs: jax.Array, given: jax.Array, model: LabelModel) -> jax.Array:
    """q_i(y), proportional to p_i(y) prior(y) T[y, given_i].

    Args:
      probs: `[N, K]` class-balanced predictions (a uniform prior in them).
      given: `[N]` labels.

    Returns:
      `[N, K]`, rows sum to 1.

    >>> model = LabelModel(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0.5, 0.5]))
    >>> np.asarray(label_posterior(jnp.array([[0.2, 0.8]]), jnp.array([0]), model)).round(3)
    array([[0.429, 0.571]], dtype=float32)
    """
    joint = probs * model.prior[None, :] * model.transition[:, given].T
    # A label that no class could have been given under T: the given label itself is believed.
    fallback = jax.nn.one_hot(given, probs.shape[1]) * 1e-20
    joint = joint + fallback
    return joint / joint.sum(1, keepdims=True)


def renamed_classes(posterior: np.ndarray, given: np.ndarray) -> np.ndarray:
    """bool `[K]`: classes that a posterior `[N, K]` has given another class's name.

    Labels are all that says what a class is called. So of all ways to name the classes that a
    posterior tells apart, one to one, the names in use must agree with the most given labels `[N]`,
    in its own expectation. Where another way agrees with more, predictions knew too little: noise
    that explains the labels was found for classes that are not these.

    >>> renamed_classes(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([0, 1]))
    array([ True,  True])
    """
    num_classes = posterior.shape[1]
    in_use = 1e-6 * len(given) * np.eye(num_classes)  # of equal ways the one in use
    counts = np.asarray(jax.ops.segment_sum(jnp.asarray(posterior), given, num_classes))
    _, names = linear_sum_assignment(counts + in_use, maximize=True)
    return names != np.arange(num_classes)


@functools.partial(jax.jit, static_argnames="iterations")
def estimate(
    probs: jax.Array, given: jax.Array, pseudo_counts: jax.Array, iterations: int = 30
) -> LabelModel:
    """Transition and true class shares by EM from predictions and given labels.

    The E step is `label_posterior`; the M step counts it: T[y, j] from the posterior mass of y
    among the samples given j plus `pseudo_counts` `[K, K]`, prior from the mass of y. Starts from
    the pseudo-counts alone and the shares of the given labels. All shapes as in
    `label_posterior`; 2 N K (iterations) multiply-adds and no N x K x K array.
    """
    num_classes = probs.shape[1]
    onehot = jax.nn.one_hot(given, num_classes)

    def normalise(table: jax.Array) -> jax.Array:
        return table / table.sum(-1, keepdims=True)

    def step(_: int, model: LabelModel) -> LabelModel:
        posterior = label_posterior(probs, given, model)
        counts = posterior.T @ onehot
        return LabelModel(normalise(counts + pseudo_counts), normalise(posterior.sum(0) + 1e-6))

    start = LabelModel(normalise(pseudo_counts), normalise(onehot.sum(0) + 1.0))
    return jax.lax.fori_loop(0, iterations, step, start)


@jax.jit
def candidate_targets(posterior: jax.Array, mass: jax.Array) -> jax.Array:
    """Adaptive multi-labels: the fewest classes that hold `mass` of the posterior, renormalised.

    Args:
      posterior: `[N, K]`, rows sum to 1.  mass: scalar in (0, 1].

    Returns:
      `[N, K]` soft targets; a sample that is sure keeps one label, a doubtful one several.

    >>> np.asarray(candidate_targets(jnp.array([[0.6, 0.3, 0.1], [0.1, 0.9, 0.0]]), 0.8)).round(3)
    array([[0.667, 0.333, 0.   ],
           [0.   , 1.   , 0.   ]], dtype=float32)
    """
    order = jnp.argsort(-posterior, axis=1)
    ranked = jnp.take_along_axis(posterior, order, axis=1)
    before = jnp.cumsum(ranked, axis=1) - ranked
    kept = jnp.where(before < mass, ranked, 0.0)
    targets = jnp.take_along_axis(kept, jnp.argsort(order, axis=1), axis=1)
    return targets / targets.sum(1, keepdims=True)
