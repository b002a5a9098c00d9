"""Vectors as points of a plane, to be looked at: PCA, or UMAP where that is installed.

Only the direction of a vector counts, as for its nearest neighbours.
"""

import importlib.util
import warnings
from typing import NamedTuple

import numpy as np

from dull_jax.stats import eigenvectors
from dull_jax.stats.neighbour_graph import unit_rows

_LEAST = 50  # vectors that UMAP needs for its start; fewer are drawn by PCA


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
    """The two directions of greatest variance (Pearson, 1901), by the smaller Gram matrix.

    vectors: finite `[N, D]`. Where N or D is 1 the second axis, or both, are zero. Time is
    O(N D min(N, D)).
    """
    centred = np.asarray(vectors, np.float64)
    centred = centred - centred.mean(0)
    rows, columns = centred.shape
    points, rank = np.zeros((rows, 2)), min(2, rows, columns)
    gram = centred @ centred.T if rows < columns else centred.T @ centred
    variances, axes = (a[..., ::-1] for a in eigenvectors.of_symmetric(gram, rank))
    variances = np.maximum(variances, 0)
    points[:, :rank] = axes * np.sqrt(variances) if rows < columns else centred @ axes
    farthest = points[np.abs(points).argmax(0), (0, 1)]  # has no sign of its own otherwise
    points *= np.where(farthest < 0, -1, 1)
    total = np.trace(gram)
    explained = min(1.0, float(variances.sum() / total)) if total > 0 else 0.0
    return Projection(points.astype(np.float32), "PCA", explained)


def _umap(unit: np.ndarray) -> np.ndarray:
    """McInnes et al. (2018), with its defaults and a seed."""
    import umap  # here: an extra, which compiles for seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a seed costs threads, it says
        points = umap.UMAP(metric="cosine", random_state=0).fit_transform(unit)
    return np.asarray(points, np.float32)
