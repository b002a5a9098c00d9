"""Rows of mapped arrays are those of the arrays, whatever the order, in the type of the whole."""

import numpy as np
import pytest

from dull_jax.data.own import image_files
from dull_jax.data.pipeline import channel_statistics
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.train.image_store import ImageStore
from dull_jax.train.parallel import Devices


@pytest.fixture
def arrays(tmp_path):
    """Three mapped parts, float16 `[n, 2, 3]`, and their concatenation."""
    whole = np.random.default_rng(0).normal(size=(11, 2, 3)).astype(np.float16)
    parts = []
    for n, part in enumerate(np.split(whole, [4, 5])):
        np.save(tmp_path / f"{n}.npy", part)
        parts.append(np.load(tmp_path / f"{n}.npy", mmap_mode="r"))
    return parts, whole


def test_rows_are_those_of_the_concatenation(arrays):
    parts, whole = arrays
    files = VectorFiles(parts)
    assert files.shape == (11, 2, 3) and len(files) == 11 and files.dtype == np.float16
    assert files.nbytes == whole.nbytes
    for rows in (
        slice(2, 9),
        np.array([10, 0, 4, 4, 7]),
        np.arange(11) % 2 == 0,
        np.array([], int),
    ):
        np.testing.assert_array_equal(files[rows], whole[rows])
    np.testing.assert_array_equal(files.in_memory(), whole)
    some = files.subset(np.array([9, 3, 4])).subset(np.array([2, 0]))
    np.testing.assert_array_equal(some.in_memory(), whole[[4, 9]])
    np.testing.assert_array_equal(image_files.subset(files, np.array([5])).in_memory(), whole[[5]])


def test_blocks_are_all_rows_in_order(arrays, monkeypatch):
    from dull_jax.data.vectors import vector_files

    monkeypatch.setattr(vector_files, "_BLOCK", 3 * 12)  # bytes: three rows
    blocks = list(VectorFiles(arrays[0]).blocks())
    assert [len(block) for block in blocks] == [3, 3, 3, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), arrays[1])


@pytest.mark.parametrize("kinds, wanted", [("ee", "e"), ("ef", "f"), ("fd", "f"), (">f<d", "f")])
def test_the_type_is_half_or_single(kinds, wanted):
    kinds = [">f", "<d"] if ">" in kinds else list(kinds)
    parts = [np.full((2, 1, 2), n + 0.5, kind) for n, kind in enumerate(kinds)]
    taken = VectorFiles(parts)[np.array([3, 0])]
    assert taken.dtype == np.dtype(wanted) and taken.dtype.isnative
    assert taken[:, 0, 0].tolist() == [1.5, 0.5]


def test_a_double_beyond_single_is_infinite():
    assert np.isinf(VectorFiles([np.full((1, 1, 1), 1e300)])[:]).all()


def test_programs_get_rows_in_the_order_of_the_requests(arrays):
    parts, whole = arrays
    requests = [{"main": np.array([[3, 9, 0, 9]])}, {"main": np.array([[1, 1, 10, 2]])}]
    found = list(ImageStore(VectorFiles(parts), Devices(1)).rows(requests, axis=1))
    for request, rows in zip(requests, found, strict=True):
        np.testing.assert_array_equal(rows["main"].images[0], whole[request["main"]])


def test_statistics_are_those_of_the_array(arrays):
    assert channel_statistics(VectorFiles(arrays[0])) == channel_statistics(arrays[1])
