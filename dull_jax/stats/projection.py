"""Vectors as points of a plane, to be looked at: PCA, or UMAP where that is installed.

Only the direction of a vector counts, as for its nearest neighbours.
"""

import importlib.util
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

from dull_jax.stats.neighbour_graph import unit_rows

_LEAST = 50  # vectors that UMAP needs for its start; fewer are drawn by PCA
_ITERATIONS = 8  # of the randomised SVD: spectra of features fall slowly


class Projection(NamedTuple):
    """Where the vectors lie in the plane."""

    points: np.ndarray  # float32 [N, 2]
    method: str  # "PCA" or "UMAP"
    explained: float  # share of the variance that PCA's two axes have; nan of UMAP


def planar(vectors: np.ndarray) -> Projection:
    """`[N, D]` as points; the same for the same vectors. UMAP takes some ten seconds longer.

    Raises:
      UserError: a vector is not finite.
    """
    unit = unit_rows(vectors)
    if len(unit) >= _LEAST and importlib.util.find_spec("umap"):
        return Projection(_umap(unit), "UMAP", float("nan"))
    return pca(unit)


def pca(vectors: np.ndarray) -> Projection:
    """The two directions of greatest variance, by a randomised SVD (Halko et al., 2011).

    vectors: finite `[N, D]`. Where N or D is 1 the second axis, or both, are zero.
    """
    centred = np.asarray(vectors, np.float32)
    centred = centred - centred.mean(0, dtype=np.float64).astype(np.float32)
    points, rank = np.zeros((len(centred), 2), np.float32), min(2, *centred.shape)
    left, scale, _ = randomized_svd(centred, rank, n_iter=_ITERATIONS, random_state=0)
    points[:, :rank] = left * scale
    variance = float(np.square(centred, dtype=np.float64).sum())
    return Projection(points, "PCA", float(np.square(scale).sum() / variance) if variance else 0.0)


def _umap(unit: np.ndarray) -> np.ndarray:
    """McInnes et al. (2018), with its defaults and a seed."""
    import umap  # here: an extra, which compiles for seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a seed costs threads, it says
        points = umap.UMAP(metric="cosine", random_state=0).fit_transform(unit)
    return np.asarray(points, np.float32)
