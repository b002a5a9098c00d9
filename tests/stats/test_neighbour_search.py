"""The approximate search against all pairs."""

import numpy as np
import pytest

from dull_jax.stats import neighbour_graph, neighbour_search

faiss = pytest.importorskip("faiss")


def clustered(size=3000, width=32):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, width))
    features = centres[rng.integers(0, 30, size)] + 0.5 * rng.normal(size=(size, width))
    return neighbour_graph.unit_rows(features)


def test_nearly_all_of_the_nearest_are_found(monkeypatch):
    monkeypatch.setattr(neighbour_search, "_CHUNK", 1000)  # the last is smaller
    unit, queries = clustered(), np.arange(0, 3000, 2)
    indices, cosine = neighbour_search.nearest(unit, queries, 20)
    exact = neighbour_graph.nearest(unit, 20, queries)
    found = [len(np.intersect1d(*rows)) for rows in zip(indices, exact.indices, strict=True)]
    assert np.mean(found) > 0.97 * 20
    assert not (indices == queries[:, None]).any() and (np.diff(cosine) <= 0).all()
    own = np.einsum("nc,nkc->nk", unit[queries], unit[indices])
    np.testing.assert_allclose(cosine, own, atol=1e-5)


def test_any_number_of_cores_finds_the_same():
    unit, results, before = clustered(), [], faiss.omp_get_max_threads()
    for threads in (1, 2, 3):
        faiss.omp_set_num_threads(threads)
        results.append(neighbour_search.nearest(unit, np.arange(3000), 10))
        assert faiss.omp_get_max_threads() == threads
    faiss.omp_set_num_threads(before)
    for indices, cosine in results[1:]:
        np.testing.assert_array_equal(indices, results[0][0])
        np.testing.assert_array_equal(cosine, results[0][1])


@pytest.mark.parametrize("value", [0, 1])
def test_rows_that_are_all_alike(value):
    """What cannot be found weighs nothing; of what is found nobody is themselves."""
    unit = neighbour_graph.unit_rows(np.full((500, 4), value, np.float32))
    indices, cosine = neighbour_search.nearest(unit, np.arange(500), 30)
    found = np.isfinite(cosine)
    np.testing.assert_allclose(cosine[found], value, atol=1e-6)
    assert not (indices == np.arange(500)[:, None])[found].any()
    assert (cosine[~found] == -np.inf).all() and not indices[~found].any()
