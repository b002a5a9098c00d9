"""What a sample's neighbours say of its true class: predictions that never saw its own label.

A network memorises labels, wrong ones too, and then predicts them; asked about a sample it
has trained on, it confirms the given label. The density of each class among the nearest other
samples cannot. The classes of those are as doubtful as its own, so both are estimated together:
EM for a mixture of kernel densities, a sample left out of its own density, and a label y read as
evidence for every class it may come from under the transition T. Array in, array out; N samples,
K classes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.stats import neighbour_graph
from dull_jax.stats.transition import LabelModel

NEAREST = 100  # kernels of a density. From 50 to 200 wrong labels are told apart equally well; all
# N - 1, as once, are worse: far samples are many, and say nothing
TEMPERATURES = (0.02, 0.04, 0.08, 0.16)  # of the kernel exp(cosine / t); smaller ones are likelier
# on features that were learnt from the labels, and worse
_TRIED, _SETTLED = 2, 12  # steps of EM to choose the temperature with, and in all


class Neighbours(NamedTuple):
    """Predictions by the others."""

    probs: jax.Array  # [N, K], class-balanced, rows sum to 1
    posterior: jax.Array  # [N, K], given the label too; where EM has come to
    temperature: jax.Array
    log_likelihood: jax.Array  # of a given label under the others' classes and T, mean, nats


def leave_one_out(features: np.ndarray, given: np.ndarray, model: LabelModel) -> Neighbours:
    """Class densities by EM, at the temperature under which given labels are likeliest.

    p_i(y) is proportional to sum_j q_j(y) exp(cos(z_i, z_j) / t) / m_i(y), and q_i(y) to
    p_i(y) prior(y) T[y, given_i]; q begins without p. j runs over the `NEAREST` of i, the mass
    m_i(y) = sum_j q_j(y) over all j != i: a class that has no sample nearby is not dense there.
    Cost: that of the graph, unless it is of the same features as the last, and 20 N K `NEAREST`
    multiply-adds.

    Args:
      features: `[N, C]`; only their direction counts.
      given: `[N]` int.
      model: transition and true class shares.

    Raises:
      UserError: of `neighbour_graph.nearest`.
    """
    graph = neighbour_graph.of_same_features(features, NEAREST)
    return estimate(graph.indices.T, graph.cosine.T, given, model)


@jax.jit
def estimate(
    indices: jax.Array, cosine: jax.Array, given: jax.Array, model: LabelModel
) -> Neighbours:
    """EM on a graph `[k, N]`: with the nearest of all samples in one row, a step of the sum over
    neighbours is a gather of rows of q that need not be kept, ten times as fast as scipy's CSR."""
    likely = model.prior * model.transition[:, given].T

    def step(kernel: jax.Array, posterior: jax.Array) -> tuple[jax.Array, jax.Array]:
        others = posterior.sum(0) - posterior
        near = _weighted_sum(kernel, indices, posterior)
        density = near / jnp.maximum(others, 1e-3) + 1e-12
        probs = density / density.sum(1, keepdims=True)
        joint = probs * likely + 1e-20 * start
        return probs, joint / joint.sum(1, keepdims=True)

    def settled(temperature: jax.Array, steps: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        kernel = jnp.exp((cosine - 1) / temperature)
        posterior = jax.lax.fori_loop(0, steps - 1, lambda _, q: step(kernel, q)[1], start)
        probs, posterior = step(kernel, posterior)
        share = probs * model.prior
        own = jnp.sum(share * model.transition[:, given].T, axis=1) / share.sum(1)
        return probs, posterior, jnp.log(jnp.maximum(own, 1e-12)).mean()

    start = likely + 1e-20 * jax.nn.one_hot(given, likely.shape[1])
    start = start / start.sum(1, keepdims=True)
    scale = jnp.array(TEMPERATURES, cosine.dtype)
    temperature = scale[jnp.argmax(jax.lax.map(lambda t: settled(t, _TRIED)[2], scale))]
    probs, posterior, likelihood = settled(temperature, _SETTLED)
    return Neighbours(probs, posterior, temperature, likelihood)


def _weighted_sum(kernel: jax.Array, indices: jax.Array, rows: jax.Array) -> jax.Array:
    """`[N, K]`: sum_j kernel[j, i] rows[indices[j, i]], one neighbour of every sample at a time."""

    def add(total: jax.Array, neighbour: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        weight, where = neighbour
        return total + weight[:, None] * rows[where], None

    return jax.lax.scan(add, jnp.zeros_like(rows), (kernel, indices))[0]


def combined(
    probs: jax.Array | np.ndarray,
    others: jax.Array | np.ndarray,
    temperature: jax.Array | np.ndarray,
) -> jax.Array:
    """Geometric mean of two class-balanced predictions `[N, K]`, as bold as the evidence deserves.

    temperature: of the network's predictions, chosen with the noise; below 1 they are too timid.
    """
    evidence = (jnp.log(probs + 1e-6) + jnp.log(others + 1e-6)) / 2
    return jax.nn.softmax(evidence / temperature, axis=1)
