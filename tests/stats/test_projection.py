"""Points of a plane against a float64 SVD, and inputs with no plane in them."""

import importlib.util

import numpy as np
import pytest

from dull_jax.errors import UserError
from dull_jax.stats import projection
from dull_jax.stats.projection import pca, planar


@pytest.fixture(autouse=True)
def without_umap(monkeypatch):
    """As where it is not installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def _reference(vectors):
    """(points, share of the variance), float64."""
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :2] * scale[:2], (scale[:2] ** 2).sum() / (scale**2).sum()


@pytest.mark.parametrize("shape", [(300, 64), (40, 200), (5, 2)])
def test_pca_is_that_of_numpy(shape):
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=shape) * np.linspace(3, 0.5, shape[1])).astype(np.float32)
    drawn, (points, explained) = pca(vectors), _reference(vectors)
    signs = np.sign((drawn.points * points).sum(0))
    np.testing.assert_allclose(drawn.points * signs, points, rtol=1e-4, atol=1e-5)
    assert drawn.explained == pytest.approx(explained, rel=1e-6)
    assert drawn.method == "PCA" and drawn.points.dtype == np.float32


def test_only_the_direction_counts_and_the_same_comes_again():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 20)).astype(np.float16)
    lengths = 2.0 ** rng.integers(-3, 4, size=(60, 1))
    first, other = planar(vectors), planar(vectors.astype(np.float32) * lengths)
    np.testing.assert_allclose(first.points, other.points, atol=1e-6)
    np.testing.assert_array_equal(first.points, planar(vectors).points)


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 1), (2, 8)])
def test_few_vectors_or_numbers(shape):
    drawn = pca(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    assert drawn.points.shape == (shape[0], 2) and np.isfinite(drawn.points).all()
    assert 0 <= drawn.explained <= 1 + 1e-6


def test_all_equal():
    drawn = planar(np.ones((30, 4), np.float16))
    assert np.abs(drawn.points).max() < 1e-6 and np.isfinite(drawn.explained)


def test_not_finite():
    with pytest.raises(UserError, match="sample 2 are not finite"):
        planar(np.array([[1.0, 0], [0, 1], [np.nan, 1]]))


def test_umap_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "umap")
    monkeypatch.setattr(projection, "_umap", lambda unit: unit[:, :2])
    vectors = np.random.default_rng(2).normal(size=(50, 3))
    drawn = planar(vectors)
    assert drawn.method == "UMAP" and np.isnan(drawn.explained)
    np.testing.assert_allclose(
        drawn.points, (vectors / np.linalg.norm(vectors, axis=1)[:, None])[:, :2], rtol=1e-5
    )
    assert planar(vectors[:49]).method == "PCA"
