"""Calibrated p(given label | sample) from predictions that did not see the label.

Two sources say what label a sample would be given: a model that was not trained on the sample, and
the labels of its nearest neighbours. They are pooled as a weighted product,

    r_k  proportional to  exp(bias_k) prod_m p_mk ^ weight_m,

the logarithmic opinion pool (Genest and Zidek 1986), with the weights and biases under which the
given labels are likeliest (stacking: Wolpert 1992). A model alone has a weight only, which is
temperature scaling (Guo et al. 2017): biases fitted to an overfitted model lean on the frequent
classes. Votes need them, since they tell of densities, not of classes. Labels are their own judges
here, wrong ones too: what is calibrated is p(given | x), and no truth is needed. So the result
hardly depends on how the predictions were regularised or scaled before. Arrays in, arrays out; N
samples, K classes, M sources.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from dull_jax.stats import neighbours
from dull_jax.stats.neighbour_graph import Graph

FITTED = 20_000  # samples that weights and biases are fitted to, at most; evenly spaced
FITTED_NUMBERS = 20_000_000  # and of their predictions
NEIGHBOURS = 100  # that vote
KERNELS = (0.02, 0.04, 0.08, 0.16)  # temperatures tried for exp(cosine / temperature)
_LEAST = 1e-6  # no prediction is below it
_LARGEST_WEIGHT = 10.0


class Pool(NamedTuple):
    """weights [M] of the log predictions, biases [K]; kernel: temperature of the votes, or nan."""

    weights: np.ndarray
    biases: np.ndarray
    kernel: float


def votes(graph: Graph, given: np.ndarray, num_classes: int, kernel: float) -> np.ndarray:
    """float32 `[n, K]`: the labels of each sample's neighbours, weighted by exp(cosine / kernel).

    n votes' worth are what they count for, n = (sum w)^2 / sum w^2 (Kish 1965), and one vote more
    is spread as all given labels are: nothing is impossible because no neighbour says it.

    Args:
      graph: of n samples; its indices are positions in `given`.
      given: `[N]` int.
    """
    weights = np.exp((graph.cosine - graph.cosine[:, :1]) / kernel)
    weights /= weights.sum(1, keepdims=True)
    shares = neighbours.shares(weights, given[graph.indices], num_classes)
    counted = 1 / (weights**2).sum(1, keepdims=True)
    prior = np.bincount(given, minlength=num_classes) / len(given)
    return ((shares * counted + prior) / (counted + 1)).astype(np.float32)


def with_unnamed(opinion: np.ndarray, probs: np.ndarray, unnamed: np.ndarray) -> np.ndarray:
    """An opinion drawn from labels, with a model's shares of the classes that no label names.

    Args:
      opinion, probs: float32 `[n, K]`, rows sum to 1.  unnamed: bool `[K]`.

    >>> with_unnamed(np.array([[0.2, 0.8, 0]]), np.array([[0.1, 0.4, 0.5]]), np.arange(3) == 2)
    array([[0.1, 0.4, 0.5]])
    """
    left = 1 - probs[:, unnamed].sum(1, keepdims=True)
    filled = opinion * left / opinion[:, ~unnamed].sum(1, keepdims=True)
    filled[:, unnamed] = probs[:, unnamed]
    return filled


def fitted_rows(size: int, num_classes: int) -> np.ndarray:
    """Positions of the samples that a pool is fitted to.

    >>> fitted_rows(4, 10), len(fitted_rows(50_000, 10)), len(fitted_rows(50_000, 10_000))
    (array([0, 1, 2, 3]), 20000, 2000)
    """
    most = min(FITTED, max(FITTED_NUMBERS // num_classes, 1), size)
    return np.linspace(0, size - 1, most).astype(int)


def best_kernel(graph: Graph, rows: np.ndarray, given: np.ndarray, num_classes: int) -> float:
    """The kernel whose votes make the labels of the samples at `rows` likeliest."""
    part, labels = Graph(*(column[rows] for column in graph)), given[rows]
    own = np.arange(len(rows)), labels
    return max(KERNELS, key=lambda t: np.log(votes(part, given, num_classes, t)[own]).mean())


def fit(
    sources: Sequence[np.ndarray], given: np.ndarray, named: np.ndarray, kernel: float = np.nan
) -> Pool:
    """Weights (none negative) and biases by maximum a posteriori, one prior sample each.

    Without votes biases are 0. Labels judge between the classes that labels name: of another, which
    a model may know and be right about, they say nothing.

    Args:
      sources: M predictions `[n, K]`, rows sum to 1.  given: `[n]` int.
      named: bool `[K]`, whether any label of all samples is of the class.
      kernel: of the votes among them; nan: there are none.
    """
    logs = jnp.stack([_log(source) for source in sources])
    count, size, num_classes = logs.shape
    labels, logs = (np.cumsum(named) - 1)[given], logs[..., named]
    start = np.concatenate([np.full(count, 1 / count), np.zeros(num_classes)])

    @jax.jit
    @jax.value_and_grad
    def loss(values: jax.Array) -> jax.Array:
        scores = jnp.tensordot(values[:count], logs, 1) + values[count:][named]
        own = jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1)
        return (jnp.sum((values - start) ** 2) / 2 - own.sum()) / size

    def in_double(values: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(jnp.asarray(values, jnp.float32))
        return float(value), np.asarray(gradient, np.float64)

    free = (0, 0) if np.isnan(kernel) else (None, None)
    bounds = [(0, _LARGEST_WEIGHT)] * count + [free] * num_classes
    best = minimize(in_double, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Pool(best[:count].astype(np.float32), best[count:].astype(np.float32), kernel)


@jax.jit
def pooled(sources: Sequence[jax.Array], weights: jax.Array, biases: jax.Array) -> jax.Array:
    """r `[n, K]`, rows sum to 1."""
    logs = sum(weight * _log(source) for weight, source in zip(weights, sources, strict=True))
    probs = jnp.maximum(jax.nn.softmax(logs + biases), _LEAST)
    return probs / probs.sum(1, keepdims=True)


def agreement(opinions: Sequence[np.ndarray]) -> float:
    """How often two opinions `[n, K]` name the same class for a sample, all pairs' mean.

    1 of a single opinion: nothing contradicts it.

    >>> agreement([np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.7, 0.3]])])
    0.5
    """
    named = [opinion.argmax(1) for opinion in opinions]
    pairs = [float(np.mean(a == b)) for a, b in itertools.combinations(named, 2)]
    return float(np.mean(pairs or [1.0]))


def _log(probs: jax.Array | np.ndarray) -> jax.Array:
    return jnp.log(jnp.maximum(jnp.asarray(probs, jnp.float32), _LEAST))
