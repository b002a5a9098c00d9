"""The graph of nearest neighbours against a loop over samples in float64."""

import sys

import numpy as np
import pytest

from dull_jax.errors import UserError
from dull_jax.stats import neighbour_graph, neighbour_search


def naive(features, k, queries=None):
    """(indices, cosine), each `[n, k]`."""
    z = np.float64(features)
    z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-30)
    queries = range(len(z)) if queries is None else queries
    ranked = [sorted((-(z[i] @ z[j]), j) for j in range(len(z)) if j != i)[:k] for i in queries]
    return [[j for _, j in row] for row in ranked], [[-c for c, _ in row] for row in ranked]


def random(size, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(size, width)).astype(np.float32)


@pytest.mark.parametrize(("size", "k"), [(2, 5), (7, 3), (60, 10), (60, 59), (60, 200)])
@pytest.mark.parametrize("block", [1, 1000, 2**24], ids=["row by row", "some", "at once"])
def test_against_numpy(size, k, block, monkeypatch):
    monkeypatch.setitem(neighbour_graph._BLOCK, "cpu", block)
    monkeypatch.setattr(neighbour_graph, "_ROWS", 1)
    features = random(size) * np.random.default_rng(1).uniform(0.1, 9, (size, 1))
    graph = neighbour_graph.nearest(features, k)
    indices, cosine = naive(features, k)
    assert graph.indices.dtype == np.int32 and graph.cosine.dtype == np.float32
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.cosine, cosine, atol=1e-6)


def test_some_are_asked_of_all():
    features, asked = random(50), np.array([3, 3, 49, 0, 17])
    graph, whole = (neighbour_graph.nearest(features, 9, q) for q in (asked, None))
    np.testing.assert_array_equal(graph.indices, whole.indices[asked])


def test_an_accelerator_selects_the_same():
    block = next(neighbour_graph.cosines(neighbour_graph.unit_rows(random(40)), np.arange(40)))
    host, device = (
        select(block, 6)
        for select in (neighbour_graph._select_on_host, neighbour_graph._select_on_device)
    )
    for one, other in zip(host, device, strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_equals_the_first_come_first_and_a_twin_is_a_neighbour():
    graph = neighbour_graph.nearest(np.repeat(np.eye(2), 3, axis=0), 2)
    np.testing.assert_array_equal(graph.indices, [[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]])


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_only_the_direction_counts(scale):
    expected, graph = (neighbour_graph.nearest(s * random(20), 4) for s in (1, np.float32(scale)))
    np.testing.assert_array_equal(graph.indices, expected.indices)
    np.testing.assert_allclose(graph.cosine, expected.cosine, atol=1e-6)


def test_half_precision_and_rows_of_zeros():
    features = random(20).astype(np.float16)
    features[3] = 0
    graph = neighbour_graph.nearest(features, 19)
    assert not graph.cosine[3].any() and np.isfinite(graph.cosine).all()
    np.testing.assert_allclose(graph.cosine, naive(features, 19)[1], atol=1e-6)


@pytest.mark.parametrize("size", [0, 1])
def test_nobody_else(size):
    graph = neighbour_graph.nearest(random(size), 3)
    assert graph.indices.shape == graph.cosine.shape == (size, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(value):
    features = random(1500)
    features[1234, 2] = value
    with pytest.raises(UserError, match=r"^features of sample 1,234 are not finite$"):
        neighbour_graph.nearest(features, 3)


def test_the_same_features_are_compared_once(monkeypatch):
    sizes, original = [], neighbour_graph.nearest
    monkeypatch.setattr(
        neighbour_graph, "nearest", lambda x, k: sizes.append(len(x)) or original(x, k)
    )
    one, other = random(30, seed=2), random(31, seed=3)
    graphs = [neighbour_graph.of_same_features(x, 4) for x in (one, one.copy(), other, one)]
    assert sizes == [30, 31, 30]
    np.testing.assert_array_equal(graphs[0].indices, graphs[3].indices)


def test_too_many_pairs_are_searched(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbour_graph, "EXACT", 100 * 99)
    assert neighbour_graph.is_searched(100, 100) and not neighbour_graph.is_searched(99, 100)
    searched, features = [], random(100)
    original = neighbour_search.nearest
    monkeypatch.setattr(
        neighbour_search, "nearest", lambda *args: searched.append(1) or original(*args)
    )
    graph = neighbour_graph.nearest(features, 5)
    assert searched and graph.indices.dtype == np.int32
    np.testing.assert_array_equal(graph.indices, naive(features, 5)[0])


def test_what_is_not_installed_is_asked_for_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    neighbour_graph.check(100_000)
    with pytest.raises(UserError, match=r"neighbours of 100,001 samples .* pip install faiss-cpu"):
        neighbour_graph.check(100_001)
