"""Wrong labels where noise depends on the image: how many there are, and which.

People err where an image is hard, between the classes it looks like. No transition between classes
describes that, and from labels and predictions alone it cannot be told from hard images that are
labelled rightly: p(given | x) is the same. So assumptions are made, and written down here.

  1. How many. Of the images that the predictions are sure of, those whose label disagrees are
     wrong, and among the rest as many are: the confident joint (Northcutt et al. 2021). Each image
     is counted for the class whose probability exceeds its mean among that class's given labels; of
     a class that no label names, the largest of these means. Shares of the true classes are those
     of the likeliest class, and not, as in the original, of the given label, which on long-tailed
     labels finds too many (`Confusions`).
  2. Which. The true class is p(given | x) sharpened, r^sharpness, so that its likeliest class is
     right as often as it can be (`accuracy`). It contradicts more labels than are wrong by 1: there
     it is wrong itself. And it is taken to be right no more often than two opinions name the same
     class, if there are two: a poor opinion makes the audit timid. Annotators see some of what the
     sharpened predictions see: the odds that label j is wrong are
     c_j ((1 - sharp_j) / sharp_j)^0.6. One c for all j would follow from 1; the confident joint
     also says how many of the labels j are wrong, and c_j gives the share half-way between the two
     (in log odds).
  3. A second round, where there are features. Neighbours and Gaussian classes that were fitted to
     wrong labels see rare classes poorly. So they are fitted again, to labels that are corrected
     where another class is likely (`LIKELY`): self-training. The predictions of 2 are then the
     geometric mean of both rounds'. How many labels are wrong, and how often the predictions are
     right, stays as it was found, since those of the second round would confirm themselves. Where
     they are surer than that all the same, they are not softened.

The exponent and `LIKELY` were chosen on human labels of CIFAR-10 (docs/audit.md). No truth is
needed otherwise. Arrays in, arrays out; N samples, K classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, logit, logsumexp, softmax

SHARPEST = 30.0
LIKELY = 0.6  # P(another class) above which the second round is fitted to that class
_LEAST = 1e-12  # no sharpened prediction is below it
SEEN = 0.6  # of the log odds of the sharpened predictions, by annotators
LOWEST, HIGHEST, HIGHEST_OF_CLASS = -50.0, 0.0, 2.0  # log odds of a wrong label at margin 0


class Confusions:
    """1. The confident joint, counted block by block: thresholds first, then the table."""

    def __init__(self, num_classes: int):
        self.own = np.zeros(num_classes)  # sums of p(given) over the samples of a given class
        self.given = np.zeros(num_classes)
        self.table = np.zeros((num_classes, num_classes))  # sure of i, given j
        self.likeliest = np.zeros(num_classes)

    def add_to_thresholds(self, probs: np.ndarray, given: np.ndarray) -> None:
        """First pass. probs `[n, K]`, given `[n]`."""
        size = len(self.own)
        self.own += np.bincount(given, probs[np.arange(len(given)), given], size)
        self.given += np.bincount(given, minlength=size)

    def add(self, probs: np.ndarray, given: np.ndarray) -> None:
        """Second pass."""
        size = len(self.own)
        threshold = self.own / np.maximum(self.given, 1)
        threshold[self.given == 0] = threshold.max()  # of a class that no label names
        above = np.where(probs >= threshold, probs, -1)
        sure = above.max(1) > 0
        cells = above.argmax(1)[sure] * size + given[sure]
        self.table += np.bincount(cells, minlength=size * size).reshape(size, size)
        self.likeliest += np.bincount(probs.argmax(1), minlength=size)

    @property
    def transition(self) -> np.ndarray:
        """float64 `[K, K]`, rows sum to 1: P(given j | true i)."""
        table = self.table + 1e-3 * np.eye(len(self.table))  # a class that nothing looks like
        return table / table.sum(1, keepdims=True)

    @property
    def prior(self) -> np.ndarray:
        """float64 `[K]`: shares of the true classes."""
        return self.likeliest / self.likeliest.sum()

    @property
    def rate(self) -> float:
        """Share of wrong labels."""
        away = self.transition * (1 - np.eye(len(self.table)))
        return float(self.prior @ away.sum(1))  # 0 of right labels, where 1 - the rest is 1e-16

    @property
    def wrong_shares(self) -> np.ndarray:
        """float64 `[K]`, inside (0, 1): how many of the labels j are wrong."""
        labels = self.likeliest[:, None] * self.transition
        total = labels.sum(0)
        return (total - labels.diagonal() + 0.5) / (total + 1)


def counted(probs: np.ndarray, given: np.ndarray) -> Confusions:
    """1. of probabilities `[n, K]` in memory.

    >>> counted(np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]), np.array([0, 1, 0])).table
    array([[1., 0.],
           [1., 1.]])
    """
    confusions = Confusions(probs.shape[1])
    confusions.add_to_thresholds(probs, given)
    confusions.add(probs, given)
    return confusions


class Model(NamedTuple):
    """2. log odds of a wrong label j = log_odds_j + `doubts` of the sharpened predictions."""

    sharpness: float
    log_odds: np.ndarray  # [K]

    def label_error_prob(self, scores: np.ndarray, given: np.ndarray) -> np.ndarray:
        """float32 `[N]` of scores `[N]`, as of `doubts`, and given labels `[N]`."""
        return expit(self.log_odds[given] + scores).astype(np.float32)

    def posterior(self, probs: np.ndarray, given: np.ndarray) -> np.ndarray:
        """float32 `[n, K]`: P(true | x, given); the wrong part is spread as r^sharpness is."""
        rows = np.arange(len(given))
        wrong = self.label_error_prob(doubts(probs, given, self.sharpness)[0], given)
        scores = self.sharpness * np.log(probs.astype(np.float64))
        scores[rows, given] = -np.inf
        spread = np.exp(scores - np.maximum(logsumexp(scores, axis=1, keepdims=True), -1e300))
        posterior = wrong[:, None] * spread
        posterior[rows, given] = 1 - wrong
        return posterior.astype(np.float32)


def doubts(
    probs: np.ndarray, given: np.ndarray, power: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What annotators see of the log odds against the given label, and the likeliest other class.

    Returns:
      (`SEEN` log(sum_{k != j} r_k^power / r_j^power) float32 `[n]`, -inf where there is no other
      class; the likeliest other class int32 `[n]`; its part of that sum float32 `[n]`).
    """
    rows = np.arange(len(given))
    others = power * np.log(probs)
    own = others[rows, given]
    others[rows, given] = -np.inf
    runner_up = others.argmax(1).astype(np.int32)
    largest = np.maximum(others[rows, runner_up], -1e30)
    with np.errstate(divide="ignore"):
        rest = np.log(np.exp(others - largest[:, None]).sum(1))
    return (SEEN * (rest + largest - own)).astype(np.float32), runner_up, np.exp(-np.abs(rest))


def geometric_mean(first: np.ndarray, power: float, second: np.ndarray) -> np.ndarray:
    """3. Of the sharpened predictions of the first round, and those of the second.

    Args:
      first: positive `[n, K]`, p(given | x).  second: positive `[n, K]`, p(corrected | x).

    Returns:
      float32 `[n, K]`, positive; rows sum to 1.

    >>> geometric_mean(np.array([[0.8, 0.2]]), 2.0, np.array([[0.5, 0.5]]))
    array([[0.8, 0.2]], dtype=float32)
    """
    sharp = log_softmax(power * np.log(first.astype(np.float64)), axis=1)
    mean = softmax((sharp + np.log(second.astype(np.float64))) / 2, axis=1)
    return np.maximum(mean, _LEAST).astype(np.float32)


def accuracy(probs: np.ndarray, given: np.ndarray, rate: float, agreement: float) -> float:
    """How often the likeliest class is right: the lesser of a bound and of the agreement.

    Args:
      probs: `[n, K]`.  given: `[n]`.  rate: share of wrong labels.
      agreement: how often two opinions name the same class; 1 if there is one only.
    """
    contradicted = float(np.mean(probs.argmax(1) != given))
    return min(agreement, 1 - max(contradicted - rate, 0.0))


def sharpness(probs: np.ndarray, accuracy: float) -> float:
    """The power of r, from 1 to 30, under which the likeliest class is right so often.

    That is the mean of max_k r_k^power / sum_k r_k^power; where no power gives it, the nearer end.

    Args:
      probs: positive `[n, K]`, of as many samples as tell.
    """
    logs = np.log(probs.astype(np.float64))
    logs -= logs.max(1, keepdims=True)

    def excess(log_power: float) -> float:
        return float(np.mean(1 / np.exp(np.exp(log_power) * logs).sum(1))) - accuracy

    return float(np.exp(_root(excess, 0.0, np.log(SHARPEST))))


def fit(scores: np.ndarray, given: np.ndarray, power: float, found: Confusions) -> Model:
    """The model of as many wrong labels as were found, or fewer.

    The label that is likeliest is rather right than wrong, whatever was counted: `HIGHEST`.

    Args:
      scores: `[N]` of `doubts` with the same power.  given: `[N]`.
    """
    scores = scores.astype(np.float64)
    one = _log_odds(scores, np.zeros(len(scores), int), np.array([found.rate]), HIGHEST)[0]
    labels = np.bincount(given, minlength=len(found.own))
    shares = np.bincount(given, expit(one + scores), len(labels)) / np.maximum(labels, 1)
    middle = (logit(np.clip(shares, 1e-6, 1 - 1e-6)) + logit(found.wrong_shares)) / 2
    weights = labels / labels.sum()
    rate = min(found.rate, float(expit(one + scores).mean()))
    shift = _root(lambda x: float(weights @ expit(middle + x)) - rate, -30.0, 30.0)
    return Model(power, _log_odds(scores, given, expit(middle + shift), HIGHEST_OF_CLASS))


def _log_odds(
    scores: np.ndarray, given: np.ndarray, shares: np.ndarray, highest: float
) -> np.ndarray:
    """`[K]`: with them the mean P(wrong) of the labels j is shares_j; by bisection, all at once."""
    size = len(shares)
    labels = np.maximum(np.bincount(given, minlength=size), 1)
    low, high = np.full(size, LOWEST), np.full(size, highest)
    for _ in range(40):
        middle = (low + high) / 2
        mean = np.bincount(given, expit(middle[given] + scores), size) / labels
        low, high = np.where(mean < shares, middle, low), np.where(mean < shares, high, middle)
    return (low + high) / 2


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0; the end that is nearer where it is not."""
    if excess(low) >= 0:
        return low
    return high if excess(high) <= 0 else float(brentq(excess, low, high, xtol=1e-4))
