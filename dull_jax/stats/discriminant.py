"""p(given label | features) by discriminant analysis, each sample judged without itself.

Classes are Gaussian with one covariance W, which frequent classes lend to rare ones. Their means
are Gaussian, too, as wide in every direction as W is, times `between`: probabilistic linear
discriminant analysis (Ioffe 2006; Prince and Elder 2007). So a class of few samples is wide, since
little is known of where it lies. W is shrunk towards a multiple of the identity (Friedman 1989).

A sample is left out of its class and of W by the formula of Sherman and Morrison (1950), so one
decomposition of W serves all. Features are far from Gaussian and log likelihoods far too sure: a
temperature divides them. It and the shrinkage are those under which the labels are likeliest.

Cost: N D^2 + D^3 + N D K multiply-adds. Arrays in, arrays out; N samples, D features, K classes.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from dull_jax.stats import eigenvectors, neighbour_graph

SHRINKAGE = (0.1, 0.3, 0.6)  # tried: share of the identity in W
DIRECTIONS = 2048  # that W is estimated in; more features are reduced to them
_FITTED_NUMBERS = 2_000_000  # log likelihoods that shrinkage and temperature are chosen on
_HOTTEST = 1e6
_BLOCK = 2**14  # rows together
_LEAST_BETWEEN = 1e-3


class Discriminant(NamedTuple):
    """A model, whose predictions are of the samples that it was fitted to.

    Attributes:
      features: float32 `[N, D]`.
      given: int `[N]`.
      whitening: float32 `[D, D]`, W becomes the identity by it.
      means: float32 `[K, D]`, of whitened features.
      counts: float32 `[K]`, samples of each class.
      between: variance of the classes' means.
      lent: what a sample's own deviation, squared, is worth in W.
      temperature: of log likelihoods.
    """

    features: np.ndarray
    given: np.ndarray
    whitening: np.ndarray
    means: np.ndarray
    counts: np.ndarray
    between: float
    lent: float
    temperature: float = 1.0

    def probs(self, where: slice | np.ndarray) -> np.ndarray:
        """float32 `[n, K]` of the samples at `where`, each left out; rows sum to 1."""
        logits = self.log_likelihood(where) / self.temperature + self._log_prior
        return softmax(logits, axis=1).astype(np.float32)

    def calibrated(self, where: np.ndarray) -> tuple["Discriminant", float]:
        """(at the temperature under which the labels at `where` are likeliest, their mean log)."""
        scores, own = self.log_likelihood(where), (np.arange(len(where)), self.given[where])

        def loss(log_temperature: float) -> float:
            logits = scores / np.exp(log_temperature) + self._log_prior
            return -float(log_softmax(logits, axis=1)[own].mean())

        best = minimize_scalar(loss, bounds=(0, np.log(_HOTTEST)), method="bounded")
        return self._replace(temperature=float(np.exp(best.x))), -float(best.fun)

    @property
    def _log_prior(self) -> np.ndarray:
        return np.log((self.counts + 1) / (self.counts + 1).sum())

    def log_likelihood(self, where: slice | np.ndarray) -> np.ndarray:
        """float64 `[n, K]` of whitened features, each row up to a constant.

        A sample is no part of its own class, nor of W.
        """
        given = self.given[where]
        z = self.features[where] @ self.whitening
        left = self.counts[given] - 1
        known, variance = self._known(self.counts)
        own_known, own_variance = self._known(left)
        means = known[:, None] * self.means
        off = z - self.means[given]  # = left / (left + 1) (z - the mean of the others)
        own_mean = own_known[:, None] * (z - off * ((left + 1) / np.maximum(left, 1))[:, None])
        own = np.arange(len(z)), given

        along = _rows_dot(off, z)[:, None] - off @ means.T  # off (z - mean of k)
        along[own] = _rows_dot(off, z - own_mean)
        square = _rows_dot(z, z)[:, None] - 2 * z @ means.T + _rows_dot(means, means)
        square[own] = _rows_dot(z - own_mean, z - own_mean)
        lent = self.lent * (left + 1) / np.maximum(left, 1)
        lent /= np.maximum(1 - lent * _rows_dot(off, off), 1e-3)
        square = np.maximum(square, 0).astype(np.float64) + lent[:, None] * along**2

        found = -square / (2 * variance) - z.shape[1] / 2 * np.log(variance)
        found[own] = -square[own] / (2 * own_variance) - z.shape[1] / 2 * np.log(own_variance)
        return found

    def _known(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of classes of so many samples: (how far the mean is believed, variance in all)."""
        return counts / (counts + 1 / self.between), 1 + 1 / (counts + 1 / self.between)


class Directions(NamedTuple):
    """Features as models read them, which no label has a part in.

    Attributes:
      unit: float32 `[N, D]`, of length 1 before their mean was taken off.
      products: float64 `[D, D]`, of all pairs of columns.
    """

    unit: np.ndarray
    products: np.ndarray


def directions(features: np.ndarray) -> Directions:
    """Of features `[N, D]`, whose length says nothing. Raises UserError for a row not finite."""
    unit = neighbour_graph.unit_rows(features)
    if unit.shape[1] > DIRECTIONS:
        from sklearn.decomposition import PCA  # here: a second that wrong flags need not wait for

        most = min(DIRECTIONS, len(unit))
        unit = PCA(most, svd_solver="randomized", random_state=0).fit_transform(unit)
    unit -= unit.mean(0, dtype=np.float64).astype(np.float32)
    products = np.zeros((unit.shape[1], unit.shape[1]))
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        products += block.T @ block
    return Directions(unit, products)


def fit(
    features: Directions, given: np.ndarray, num_classes: int, rows: np.ndarray
) -> Discriminant:
    """The model of the shrinkage under which the labels at `rows` are likeliest.

    Args:
      features: of N samples.  given: int `[N]`.
      rows: int `[n]`, positions; some of them, where they are many.
    """
    unit = features.unit
    counts = np.bincount(given, minlength=num_classes).astype(np.float32)
    sums = _sums(unit, given, len(counts))
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    scatter = features.products - sums.T @ means
    freedom = max(len(unit) - int(np.count_nonzero(counts)), 1)
    values, vectors = eigenvectors.of_symmetric(scatter / freedom)
    values = np.maximum(values, 0)
    rows = rows[:: max(1, len(rows) * num_classes // _FITTED_NUMBERS)]
    tried = []
    for shrinkage in SHRINKAGE:
        shrunk = (1 - shrinkage) * values + shrinkage * values.mean()
        whitening = (vectors / np.sqrt(shrunk if shrunk.any() else 1)).astype(np.float32)
        whitened = means @ whitening
        between, lent = _between(whitened, counts), (1 - shrinkage) / freedom
        model = Discriminant(unit, given, whitening, whitened, counts, between, lent)
        tried.append(model.calibrated(rows))
    return max(tried, key=lambda found: found[1])[0]


def _sums(unit: np.ndarray, given: np.ndarray, num_classes: int) -> np.ndarray:
    """float64 `[K, D]`, the sums of the samples of each class."""
    sums = np.zeros((num_classes, unit.shape[1]))
    for start in range(0, len(unit), _BLOCK):
        block, labels = unit[start : start + _BLOCK], given[start : start + _BLOCK]
        ones = np.ones(len(block), np.float32)
        members = sparse.csr_array(
            (ones, (labels, np.arange(len(block)))), (num_classes, len(block))
        )
        sums += members @ block
    return sums


def _between(means: np.ndarray, counts: np.ndarray) -> float:
    """Variance of the classes' means, that inside of classes being 1: of the analysis of variance
    (Searle 1971), a mean over directions."""
    classes, size = np.count_nonzero(counts), counts.sum()
    spread = float((counts @ means.astype(np.float64) ** 2).mean()) - (classes - 1)
    unequal = float(size - (counts**2).sum() / size)
    return max(spread / unequal, _LEAST_BETWEEN) if unequal > 0 else _LEAST_BETWEEN


def _rows_dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", a, b)
