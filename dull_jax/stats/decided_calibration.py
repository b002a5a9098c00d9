"""Calibration of P(wrong) by labels that a person has decided.

Decided labels are not drawn at random: people look at the most doubtful first. What is fitted is
P(wrong | score), on which that choice has no effect, as it looked at scores alone:

    logit p' = e^c logit p + a + b_group.

a, b and c have Gaussian priors around 0, so that few decisions move little (Platt 1999 is without
groups and priors). Arrays in, arrays out; N labels, n of them decided, G groups.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

SPREADS = {"slope": 0.3, "shift": 1.5, "group": 0.5}  # standard deviations of c, a and b
_EDGE = 1e-4  # a score is no nearer to 0 and 1


class Calibration(NamedTuple):
    """slope: e^c. shifts: float64 [G], a + b of each group."""

    slope: float
    shifts: np.ndarray

    def apply(self, score: np.ndarray, group: np.ndarray) -> np.ndarray:
        """float32 `[N]`: calibrated P(wrong).

        Args:
          score: `[N]` P(wrong) before.  group: int `[N]`, number of the group of each label.
        """
        return expit(self.slope * _logit(score) + self.shifts[group]).astype(np.float32)


def fit(score: np.ndarray, wrong: np.ndarray, group: np.ndarray, num_groups: int) -> Calibration:
    """Maximum a posteriori from decided labels.

    Args:
      score: `[n]` P(wrong), made without knowing the decision.
      wrong: bool `[n]`, whether the given label was decided to be wrong.
      group: int `[n]` below `num_groups`.

    >>> fit(np.full(50, 0.5), np.arange(50) < 40, np.zeros(50, int), 1).apply(
    ...     np.array([0.5]), np.array([0])).round(2)
    array([0.78], dtype=float32)
    """
    x, y = _logit(score), np.asarray(wrong, np.float64)
    scales = [SPREADS["slope"], SPREADS["shift"], *[SPREADS["group"]] * num_groups]
    precision = 1 / np.square(scales)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.exp(values[0])
        z = slope * x + values[1] + values[2:][group]
        off = expit(z) - y
        by_group = np.bincount(group, off, num_groups)
        gradient = np.concatenate([[slope * off @ x, off.sum()], by_group])
        total = np.sum(np.logaddexp(0, z) - y * z) + precision @ values**2 / 2
        return float(total), gradient + precision * values

    best = minimize(loss, np.zeros(2 + num_groups), jac=True, method="L-BFGS-B").x
    return Calibration(float(np.exp(best[0])), best[1] + best[2:])


def _logit(score: np.ndarray) -> np.ndarray:
    return logit(np.clip(np.asarray(score, np.float64), _EDGE, 1 - _EDGE))
