"""What a run keeps for the map: which samples, whose neighbours, and how much of it."""

import numpy as np
import pytest

from dull_jax.train import embedding_map


@pytest.fixture
def vectors():
    """float16 `[40, 2, 6]`; view 1 is of another sample, so whoever reads it is wrong."""
    plain = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float16)
    return np.stack([plain, plain[::-1]], 1)


def test_neighbours_are_those_of_the_plain_vectors(vectors):
    suspects = np.array([7, 3, 39])
    unit = vectors[:, 0].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit[suspects] @ unit.T
    cosine[np.arange(3), suspects] = -np.inf
    found = embedding_map.neighbours(vectors, suspects)
    np.testing.assert_array_equal(found, np.argsort(-cosine, axis=1)[:, :5])
    assert found.dtype == np.int32


def test_a_large_set_is_searched_in_part(vectors, monkeypatch):
    monkeypatch.setattr(embedding_map, "_SEARCHED", 20)
    suspects = np.array([38, 1])
    found = embedding_map.neighbours(vectors, suspects)
    assert found.shape == (2, 5) and not (found == suspects[:, None]).any()
    assert set(found.ravel()) <= set(embedding_map.spaced(40, suspects, 20).tolist())


def test_spaced_rows():
    rows = embedding_map.spaced(1000, np.array([5, 3]), 12)
    assert rows[:2].tolist() == [5, 3] and len(set(rows.tolist())) == 12
    assert rows[2] == 0 and rows[-1] == 999 and (np.diff(rows[2:]) > 80).all()
    assert sorted(embedding_map.spaced(6, np.array([4]), 100).tolist()) == list(range(6))
    assert embedding_map.spaced(9, np.array([8, 7, 6]), 2).tolist() == [8, 7]


def test_everything_is_small(vectors, monkeypatch):
    monkeypatch.setattr(embedding_map, "_DRAWN", 10)
    pictures = np.random.default_rng(0).integers(0, 255, (40, 96, 64, 3), dtype=np.uint8)
    kept = embedding_map.arrays(vectors, pictures, np.array([7, 3]))
    assert kept["map_rows"].shape == (10,) and kept["map_rows"][:2].tolist() == [7, 3]
    assert kept["map_points"].shape == (10, 2) and str(kept["map_method"]) in ("PCA", "UMAP")
    assert kept["neighbour_pictures"].shape == (2, 5, 48, 32, 3)
    assert not any(array.dtype.hasobject for array in kept.values())


def test_without_pictures(vectors):
    kept = embedding_map.arrays(vectors, None, np.array([7]))
    assert "neighbour_pictures" not in kept and kept["neighbours"].shape == (1, 5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_of_very_few_samples(size):
    vectors = np.eye(3, dtype=np.float32)[:size, None]
    pictures = np.zeros((size, 8, 8, 1), np.uint8)
    kept = embedding_map.arrays(vectors, pictures, np.arange(size))
    assert kept["neighbours"].shape == (size, size - 1)
    assert kept["neighbour_pictures"].shape[:2] == (size, size - 1)


def test_pictures_of_any_kind():
    rows = np.array([[1, 0], [1, 1]])
    small = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1)
    np.testing.assert_array_equal(embedding_map.small(small, rows), small[rows])
    for channels, kept in ((1, 1), (3, 3), (5, 3)):
        large = np.full((2, 60, 120, channels), 9, np.uint8)
        found = embedding_map.small(large, rows)
        assert found.shape == (2, 2, 24, 48, kept) and (found == 9).all()
