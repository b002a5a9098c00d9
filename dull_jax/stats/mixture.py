"""Two-component Gaussian mixtures in one dimension, one for each class, all fitted at once.

The split into probably right and probably wrong labels that DivideMix, RoLT, TABASCO, SFA and DaSC share:
the samples of a class are scored, the scores fall into two heaps. The iteration is that of scikit-learn's
`GaussianMixture(2)` with its k-means start, but the start is exact (the best split of the sorted values) and
so nothing is random, and all classes run in one compiled loop.

Layout: values sorted by group and cut into rows of `ROW`, padded; sums run along rows, then over the rows
of a group. Memory is O(N + num_groups * ROW) whatever the group sizes: a [num_groups, N] mask would take
4 GB for a million samples and a thousand classes.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

ROW = 128


class Mixture(NamedTuple):
    """Fitted mixtures of G groups; component 0 has the lower mean. float64 arrays.

    weights, means, variances: [G, 2], in the units of `posterior_low`'s input (after `normalize` if that was
    asked for). posterior_low: [N], probability that a value comes from its group's lower component.
    A group with fewer than two different values cannot be split: weights and posterior are 0.5, both means
    are its value (0 when empty) and both variances `reg`.
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
      group: int [N], in [0, num_groups).
      num_groups: G.
      reg: added to every variance, in squared units of the values (TABASCO 5e-4, scikit-learn 1e-6).
      max_iter: most iterations.
      tol: a group stops once its mean log-likelihood changes by less. 1e-6 agrees with a converged fit to
        about 2e-4 in the posterior; at 1e-2 several percent of the samples change sides.
      normalize: map each group to [0, 1] first (`normalize`).

    Raises:
      ValueError: a value is not finite or a group is out of range.
    """
    values, group = np.asarray(values, np.float64), np.asarray(group, np.int64)
    if not np.isfinite(values).all():
        raise ValueError(f"mixture.fit: value at {np.argmin(np.isfinite(values))} is not finite")
    if len(group) and not (0 <= group.min() and group.max() < num_groups):
        raise ValueError(f"mixture.fit: groups must be in 0..{num_groups - 1}")
    low, span = _range(values, group, num_groups)
    split = span > 0
    scale = np.where(split, span, 1.0)
    # The device sees values in [0, 1] whatever the units: float32 would lose 1000.001 against 1000.002.
    unit = (values - low[group]) / scale[group]
    unit_reg = np.clip(reg if normalize else reg / scale**2, 1e-10, 1e10) * np.ones(num_groups)
    rows = _rows(unit, group, num_groups)
    weights, means, variances = (
        np.asarray(a, np.float64) for a in _em(*rows, unit_reg.astype(np.float32), max_iter, tol)
    )
    order = np.argsort(means, axis=1, kind="stable")
    weights, means, variances = (
        np.take_along_axis(a, order, axis=1) for a in (weights, means, variances)
    )
    ...
