"""Eigenvectors against their definition, all of them and the first few."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from dull_jax.stats import eigenvectors


@pytest.mark.parametrize("top", [None, 1, 4, 9])
def test_they_are_what_they_are_called(top):
    half = np.random.default_rng(0).normal(size=(9, 9))
    matrix = half + half.T
    values, vectors = eigenvectors.of_symmetric(matrix, top)
    assert vectors.shape == (9, top or 9) and np.all(np.diff(values) > 0)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(top or 9), atol=1e-12)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[-len(values) :], atol=1e-12)


def test_one_thread_and_then_as_many_as_before(monkeypatch):
    seen = []

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def eigh(matrix):
        seen.append(threads())
        return np.ones(1), np.ones((1, 1))

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    before = threads()
    eigenvectors.of_symmetric(np.ones((1, 1)))
    assert set(seen[0]) == {1} and threads() == before
