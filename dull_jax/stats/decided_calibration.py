"""Calibration of P(wrong) by labels that a person has decided.

Decided labels are not drawn at random: people look at the most doubtful first. What is fitted is
P(wrong | score), on which that choice has no effect, as it looked at scores alone:

    logit p' = z + f(z) + h_group(z),   z = logit p,

f and h are Gaussian processes of mean 0 (Rasmussen and Williams 2006, ch. 3), so a decision moves
scores near its own and leaves others as they are: where labels are surely wrong people find other
faults than where they are doubtful. Functions are linear between knots, and the likeliest is taken.
Arrays in, arrays out; N labels, n of them decided, G groups.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

SPREAD, GROUP_SPREAD = 1.5, 0.7  # standard deviations of f and h
LENGTH = 1.0  # of both, in logits
KNOTS = np.arange(-9.0, 10.0)


class Calibration(NamedTuple):
    """values: float64 [G, knots], f + h of each group."""

    values: np.ndarray

    def apply(self, score: np.ndarray, group: np.ndarray) -> np.ndarray:
        """float32 `[N]`: calibrated P(wrong).

        Args:
          score: `[N]` P(wrong) before.  group: int `[N]`, number of the group of each label.
        """
        z = _logit(score, float(np.finfo(np.float32).tiny))  # below the knots the order stays
        shift = np.empty(len(z))
        for number, values in enumerate(self.values):
            members = group == number
            shift[members] = np.interp(z[members], KNOTS, values)
        return expit(z + shift).astype(np.float32)


def fit(score: np.ndarray, wrong: np.ndarray, group: np.ndarray, num_groups: int) -> Calibration:
    """Maximum a posteriori from decided labels.

    Args:
      score: `[n]` P(wrong), made without knowing the decision.
      wrong: bool `[n]`, whether the given label was decided to be wrong.
      group: int `[n]` below `num_groups`.

    >>> scores, groups = np.full(50, 0.5), np.zeros(50, int)
    >>> found = fit(scores, np.arange(50) < 40, groups, 1)
    >>> found.apply(np.array([0.5, 0.001]), np.zeros(2, int)).round(3)
    array([0.79 , 0.001], dtype=float32)
    """
    z, y = _logit(score, expit(KNOTS[0])), np.asarray(wrong, np.float64)
    left = np.clip(np.searchsorted(KNOTS, z, "right") - 1, 0, len(KNOTS) - 2)
    share = z - KNOTS[left]
    rows = np.arange(len(z))
    hats = np.zeros((len(z), len(KNOTS)))  # each score between two knots
    hats[rows, left], hats[rows, left + 1] = 1 - share, share
    distance = np.subtract.outer(KNOTS, KNOTS) / LENGTH
    root = np.linalg.cholesky(np.exp(-(distance**2) / 2) + 1e-6 * np.eye(len(KNOTS)))

    def functions(whitened: np.ndarray) -> np.ndarray:
        common, *own = whitened.reshape(num_groups + 1, -1)
        return np.stack([root @ (SPREAD * common + GROUP_SPREAD * one) for one in own])

    def loss(whitened: np.ndarray) -> tuple[float, np.ndarray]:
        x = z + np.einsum("nk,nk->n", hats, functions(whitened)[group])
        pull = hats * (expit(x) - y)[:, None] @ root
        own = np.zeros((num_groups, len(KNOTS)))
        np.add.at(own, group, pull)
        gradient = np.concatenate([SPREAD * pull.sum(0), (GROUP_SPREAD * own).ravel()])
        total = np.sum(np.logaddexp(0, x) - y * x) + whitened @ whitened / 2
        return float(total), gradient + whitened

    start = np.zeros((num_groups + 1) * len(KNOTS))
    return Calibration(functions(minimize(loss, start, jac=True, method="L-BFGS-B").x))


def _logit(score: np.ndarray, least: float) -> np.ndarray:
    """Of scores of `least` or more, up to the last knot: what is decided there holds above it."""
    return logit(np.clip(np.asarray(score, np.float64), least, expit(KNOTS[-1])))
