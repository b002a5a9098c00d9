"""Two-component Gaussian mixtures in one dimension, one for each class, all fitted at once.

The split into probably right and probably wrong labels that DivideMix, RoLT, TABASCO, SFA and DaSC
share: the samples of a class are scored and the scores fall into two heaps. The iteration is that
of scikit-learn's `GaussianMixture(2)` with its k-means start, but the start is exact (the best cut
of the sorted values), so nothing is random, and all classes run in one compiled loop.

Layout: values sorted by group and cut into rows of `ROW`, padded; sums run along rows, then over
the rows of a group. Memory is O(N + G * ROW) whatever the group sizes: a [G, N] mask would take
4 GB for a million samples and a thousand classes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

ROW = 128


class Mixture(NamedTuple):
    """Fitted mixtures of G groups, float64; component 0 has the lower mean.

    weights, means, variances: [G, 2], in the units of the values (in those of `min_max` when fitted
    with `normalize`). posterior_low: [N], probability that a value is of its group's lower heap.
    A group without two different values cannot be split: weights and posterior are 0.5, both means
    are its value (0 when empty or normalised), both variances `reg`.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    posterior_low: np.ndarray


def fit(
    values: np.ndarray,
    group: np.ndarray,
    num_groups: int,
    *,
    reg: float = 5e-4,
    max_iter: int = 100,
    tol: float = 1e-6,
    normalize: bool = False,
) -> Mixture:
    """Fits a mixture to the values of each group by expectation maximisation.

    Args:
      values: [N], finite.
      group: int [N], in [0, G).
      num_groups: G.
      reg: added to every variance, in squared units of the values; positive.
      max_iter: most iterations.
      tol: a group stops once its mean log-likelihood changes by less. Step for step the posterior
        is scikit-learn's to 2e-5, but near 1e-6 float32 may stop a step or two apart: nothing on
        separate heaps, up to 4e-3 seen on 20 overlapping values that converge slowly. A loose
        tol such as 1e-2 stops far from the optimum and moves samples across 0.5.
      normalize: fit `min_max(values)` instead, so that `reg` means the same for every group.

    Raises:
      ValueError: a value is not finite or a group is out of range.
    """
    values, group = np.asarray(values, np.float64), np.asarray(group, np.int64)
    low, scale, split = _range(values, group, num_groups)
    # The loop sees [0, 1] whatever the units: float32 cannot tell 1000.00001 from 1000.00002.
    unit = (values - low[group]) / scale[group]
    if normalize:
        values, low, scale = unit, np.zeros(num_groups), np.ones(num_groups)
    # Below 1e-10 a heap of ties would divide by float32's rounding; above 1e10 nothing changes.
    unit_reg = np.clip(reg / scale**2, 1e-10, 1e10)
    fitted = _em(*_rows(unit, group, num_groups), unit_reg.astype(np.float32), split, max_iter, tol)
    weights, means, variances = (np.asarray(a, np.float64).T for a in fitted)
    order = np.argsort(means, axis=1, kind="stable")
    weights, means, variances = (
        np.take_along_axis(np.where(split[:, None], a, blank), order, axis=1)
        for a, blank in ((weights, 0.5), (means, 0.0), (variances, unit_reg[:, None]))
    )
    # Swapping the floor for `reg` itself keeps the units exact where the clip was active.
    variances = np.maximum(variances - unit_reg[:, None], 0.0) * scale[:, None] ** 2 + reg
    means = low[:, None] + means * scale[:, None]
    posterior = _posterior_low(values, group, weights, means, variances)
    return Mixture(weights, means, variances, posterior)


def min_max(values: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    """Values float64 [N] mapped to [0, 1] inside each group; 0 in a group of equal values.

    >>> min_max(np.array([2.0, 4.0, 3.0, 7.0]), np.array([0, 0, 0, 1]), 2)
    array([0. , 1. , 0.5, 0. ])
    """
    values, group = np.asarray(values, np.float64), np.asarray(group, np.int64)
    low, scale, _ = _range(values, group, num_groups)
    return (values - low[group]) / scale[group]


def _range(
    values: np.ndarray, group: np.ndarray, num_groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least value (0 when empty), span (1 when it is 0), whether there is a span; each [G]."""
    if not np.isfinite(values).all():
        raise ValueError(f"value at position {np.argmin(np.isfinite(values))} is not finite")
    if len(group) and not (0 <= group.min() and group.max() < num_groups):
        raise ValueError(f"groups must be in 0..{num_groups - 1}")
    low, high = np.full(num_groups, np.inf), np.full(num_groups, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    split = high > low
    return np.where(high >= low, low, 0.0), np.where(split, high - low, 1.0), split


def _rows(unit: np.ndarray, group: np.ndarray, num_groups: int) -> tuple[np.ndarray, ...]:
    """values, validity and starting heap as [R, ROW], group of each row [R].

    R = N // ROW + G always suffices and depends on no group size, so the loop compiles once.
    """
    order = np.lexsort((unit, group))
    counts = np.bincount(group, minlength=num_groups)
    first = np.cumsum(counts) - counts
    rows_of = -(-counts // ROW)
    first_row = np.cumsum(rows_of) - rows_of
    sorted_group = group[order]
    rank = np.arange(len(order)) - first[sorted_group]
    where = first_row[sorted_group] + rank // ROW, rank % ROW
    num_rows = len(order) // ROW + num_groups
    values, valid, low = (np.zeros((num_rows, ROW), np.float32) for _ in range(3))
    values[where], valid[where] = unit[order], 1.0
    low[where] = rank < _best_cuts(unit[order], first, counts)[sorted_group]
    row_group = np.full(num_rows, num_groups - 1, np.int32)
    row_group[: rows_of.sum()] = np.repeat(np.arange(num_groups), rows_of)
    return values, valid, low, row_group


def _best_cuts(ordered: np.ndarray, first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Size of the lower heap of each group [G]: the optimum of 2-means, exact in one dimension."""
    cuts = np.zeros(len(counts), np.int64)
    for g in np.flatnonzero(counts >= 2):
        sums = np.cumsum(ordered[first[g] : first[g] + counts[g]])
        size = np.arange(1, counts[g])
        between = sums[:-1] ** 2 / size + (sums[-1] - sums[:-1]) ** 2 / (counts[g] - size)
        cuts[g] = 1 + np.argmax(between)
    return cuts


@jax.jit
def _em(x, valid, low, row_group, reg, active, max_iter, tol):
    """weights, means, variances [2, G] after EM from the hard assignment `low` [R, ROW]."""
    num_groups = len(reg)

    def over_groups(cells):  # [R, ROW] -> [G]
        return jax.ops.segment_sum(cells.sum(-1), row_group, num_groups, indices_are_sorted=True)

    def spread(per_group):  # [G] -> [R, 1]
        return per_group[row_group][:, None]

    def heap(share):  # responsibilities [R, ROW] -> mass, mean, variance, each [G]
        mass = over_groups(share) + 10 * jnp.finfo(x.dtype).eps
        mean = over_groups(share * x) / mass
        return mass, mean, over_groups(share * (x - spread(mean)) ** 2) / mass + reg

    def maximise(shares):  # [2, R, ROW] -> parameters, each [2, G]
        mass, mean, variance = jax.vmap(heap)(shares)
        return mass / mass.sum(0), mean, variance

    def log_density(weight, mean, variance):
        offset = jnp.log(weight) - 0.5 * jnp.log(2 * jnp.pi * variance)
        return spread(offset) - 0.5 * (x - spread(mean)) ** 2 / spread(variance)

    count = jnp.maximum(over_groups(valid), 1)

    def iterate(state):
        step, active, before, parameters = state
        joint = jax.vmap(log_density)(*parameters)
        total = jnp.logaddexp(joint[0], joint[1])
        moved = maximise(jnp.exp(joint - total) * valid)
        # A group that has stopped keeps its parameters: its result does not depend on the others.
        parameters = jax.tree.map(lambda new, old: jnp.where(active, new, old), moved, parameters)
        # Subtract, then sum: the change of a float32 sum would drown in its rounding near `tol`.
        change = over_groups(jnp.where(valid > 0, total - before, 0)) / count
        return step + 1, active & (jnp.abs(change) >= tol), total, parameters

    start = maximise(jnp.stack([low, valid - low]))
    state = 0, active, jnp.full(x.shape, -jnp.inf), start
    return jax.lax.while_loop(lambda s: (s[0] < max_iter) & s[1].any(), iterate, state)[-1]


def _posterior_low(
    values: np.ndarray,
    group: np.ndarray,
    weights: np.ndarray,
    means: np.ndarray,
    variances: np.ndarray,
) -> np.ndarray:
    """P(lower heap | value) [N], on the host in float64."""
    with np.errstate(divide="ignore", over="ignore"):  # a weight of 0 is a posterior of 0
        offset = np.log(weights) - 0.5 * np.log(variances)
        joint = [
            offset[group, c] - 0.5 * (values - means[group, c]) ** 2 / variances[group, c]
            for c in (0, 1)
        ]
        return 1.0 / (1.0 + np.exp(joint[1] - joint[0]))
