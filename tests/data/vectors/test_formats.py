"""Files of embeddings: every format gives the same arrays; what is wrong is said in one line."""

import io
import json
import os
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from dull_jax import memory
from dull_jax.data.vectors import checks, formats, parquet_writer, scratch
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import UserError

IDS = [f"ü/{n}.png" for n in range(20)]
NAMES = [("cat", "dög")[n % 2] for n in range(20)]


def vectors(views=1, kind=np.float16):
    return np.random.default_rng(views).normal(size=(20, views, 6)).astype(kind)


def lists(array, kind=None):
    """An arrow array of fixed-size lists, nested where there are views."""
    values = pa.array(array.reshape(-1), kind)
    for size in array.shape[:0:-1]:
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values


def write_npy(path, x):
    np.save(path, x)


def write_npz(path, x):
    np.savez(path, vectors=x, ids=np.array(IDS), labels=np.array(NAMES))


def write_compressed(path, x):
    np.savez_compressed(path, Features=x, id=np.array([i.encode() for i in IDS]), label=NAMES)


def write_safetensors(path, x):
    texts = {"ids": json.dumps(IDS), "labels": json.dumps(NAMES)}
    save_file({"other": np.zeros(3), "embeddings": np.ascontiguousarray(x)}, path, texts)


def write_parquet(path, x):
    parquet_writer.write(path, IDS, x.reshape(20, -1, 6), NAMES, metadata={"model": "m"})


def write_foreign(path, x):
    """As pandas writes it: lists of no fixed size, categories, an index."""
    kind = pa.list_(pa.float32()) if x.ndim == 2 else pa.list_(pa.list_(pa.float32()))
    labels = pa.array(NAMES).dictionary_encode()
    table = {"embedding": pa.array(x.tolist(), kind), "id": IDS, "label": labels, "n": range(20)}
    pq.write_table(pa.table(table), path, row_group_size=7)


WRITERS = {
    "a.npy": write_npy,
    "a.npz": write_npz,
    "c.npz": write_compressed,
    "a.safetensors": write_safetensors,
    "a.parquet": write_parquet,
    "b.PARQUET": write_foreign,
}


@pytest.mark.parametrize("views", [0, 1, 3])
@pytest.mark.parametrize("file", WRITERS)
def test_every_format_gives_the_same(file, views, tmp_path):
    x = vectors(views or 1)
    WRITERS[file](tmp_path / file, x if views else x[:, 0])
    found = formats.read(tmp_path / file)
    np.testing.assert_array_equal(VectorFiles(found.parts).in_memory(), x)
    assert len(found) == 20 and found.splits is None
    if file != "a.npy":
        assert (found.ids, found.labels) == (IDS, NAMES)
    assert all(isinstance(part, np.memmap) for part in found.parts) == (file != "c.npz")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("file", ["a.npy", "a.npz", "c.npz", "a.safetensors"])
def test_types_are_kept(file, kind, tmp_path):
    x = vectors(2, kind)
    WRITERS[file](tmp_path / file, np.asfortranarray(x) if "npy" in file else x)
    (part,) = formats.read(tmp_path / file).parts
    assert part.dtype == kind
    np.testing.assert_array_equal(part, x)


def test_a_flipped_bit_of_ours_is_found(tmp_path):
    x = vectors(3)
    write_parquet(path := tmp_path / "x.parquet", x)
    data = bytearray(path.read_bytes())
    data[data.index(x[11].tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"cannot be read.*CRC"):
        formats.read(path)


@pytest.mark.parametrize("views", [1, 3])
def test_half_precision_goes_through_parquet_bit_for_bit(views, tmp_path):
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = np.resize(every[np.isfinite(every)], (9000, views, 6))
    ids = [str(n) for n in range(len(x))]
    parquet_writer.write(tmp_path / "x.parquet", ids, x, metadata={"model": "m"})
    (part,) = formats.read(tmp_path / "x.parquet").parts
    assert part.dtype == np.float16
    np.testing.assert_array_equal(np.array(part).view(np.uint16), x.view(np.uint16))
    about = pq.ParquetFile(tmp_path / "x.parquet")
    assert about.num_row_groups == 2 and about.schema_arrow.metadata[b"model"] == b"m"


def test_views_in_the_metadata(tmp_path):
    x = vectors(3)
    flat = lists(x.reshape(20, 18))
    pq.write_table(pa.table({"vector": flat}).replace_schema_metadata({"views": "3"}),
                   tmp_path / "x.parquet")  # fmt: skip
    np.testing.assert_array_equal(formats.read(tmp_path / "x.parquet").parts[0], x)


def shard(folder, number, total, rows=slice(None), **options):
    path = folder / f"part-{number:05}-of-{total:05}.parquet"
    parquet_writer.write(path, IDS[rows], vectors(2)[rows], NAMES[rows], **options)
    return path


def test_a_folder_of_shards_is_one_table(tmp_path):
    for number, rows in enumerate([slice(0, 3), slice(3, 12), slice(12, 20)]):
        shard(tmp_path, number, 3, rows)
    (tmp_path / "notes.txt").write_text("not read")
    found = formats.read(tmp_path)
    np.testing.assert_array_equal(VectorFiles(found.parts).in_memory(), vectors(2))
    assert (found.ids, found.labels) == (IDS, NAMES)


@pytest.mark.parametrize("pattern", ["part-{}-of-12", "shard_{}", "part-{:05}-of-00012", "s.{}.x"])
def test_shards_are_read_in_order_of_their_numbers(pattern, tmp_path):
    """Numbers without leading zeros too: rows are joined to a table by their place."""
    for number in range(12):
        column = lists(np.full((2, 1), number, np.float32))
        pq.write_table(pa.table({"vector": column}), tmp_path / f"{pattern.format(number)}.parquet")
    found = VectorFiles(formats.read(tmp_path).parts).in_memory()
    assert found.ravel().tolist() == np.repeat(np.arange(12), 2).tolist()


def test_a_file_without_a_number_comes_first(tmp_path):
    for number, name in enumerate(["data", "data1", "data2", "data10"]):
        column = lists(np.full((1, 1), number, np.float32))
        pq.write_table(pa.table({"vector": column}), tmp_path / f"{name}.parquet")
    assert formats.read(tmp_path).parts[0].ravel().tolist() == [0, 1, 2, 3]


def test_shards_that_do_not_fit(tmp_path):
    with pytest.raises(UserError, match=r"no \.parquet file in this folder"):
        formats.read(tmp_path)
    shard(tmp_path, 0, 4)
    shard(tmp_path, 3, 4)
    with pytest.raises(UserError, match="2 of 4 shards are missing, the first is part-00001-of-0"):
        formats.read(tmp_path)
    shard(tmp_path, 0, 5)
    with pytest.raises(UserError, match="shards of different sets"):
        formats.read(tmp_path)
    (tmp_path / "short").mkdir()
    write_parquet(tmp_path / "short/part-0-of-2.parquet", vectors())
    with pytest.raises(UserError, match=r"1 of 2 shards are missing, .* part-1-of-2\.parquet"):
        formats.read(tmp_path / "short")


def test_shards_of_another_width_or_other_columns(tmp_path):
    shard(tmp_path, 0, 2)
    other = tmp_path / "part-00001-of-00002.parquet"
    parquet_writer.write(other, IDS, vectors(3), NAMES)
    with pytest.raises(UserError, match=r"\[2, 6\] float16, from row 20 on \[3, 6\] float16"):
        formats.read(tmp_path)
    parquet_writer.write(other, IDS, vectors(2))
    with pytest.raises(UserError, match=r"part-00001-of-00002\.parquet has other columns"):
        formats.read(tmp_path)


def parquet(**columns):
    return lambda path: pq.write_table(pa.table(columns), path)


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def npy(array):
    return lambda path: np.save(path, array, allow_pickle=True)


def tensors(**arrays):
    return lambda path: save_file(arrays, path)


X, RAGGED = vectors()[:, 0], [[1.0, 2.0]] * 5 + [[1.0]] + [[1.0, 2.0]]
BAD = {
    "another suffix": (
        "x.txt",
        lambda p: p.write_bytes(b"1"),
        r"embeddings are read from \.npy, \.npz, \.parquet, \.saf",
    ),
    "objects": ("x.npy", npy(np.array([{}, []], object)), "not readable as a plain .npy array"),
    "an archive": ("x.npy", lambda p: p.write_bytes(_npz(vectors=X)), "an archive; call it .npz"),
    "numbers": ("x.npy", npy(np.zeros((3, 2), int)), "must be float16, float32 or float64, not in"),
    "one row": ("x.npy", npy(np.zeros(3)), r"must be \[N, D\], or \[N, V, D\] with views, not \[3"),
    "images": ("x.npy", npy(np.zeros((3, 2, 2, 3))), r"with views, not \[3, 2, 2, 3\]"),
    "no rows": ("x.npy", npy(np.zeros((0, 3))), r"no vectors in an array \[0, 3\]"),
    "no width": ("x.npy", npy(np.zeros((3, 0))), r"no vectors in an array \[3, 0\]"),
    "nothing": ("x.npy", lambda p: p.write_bytes(b""), "not readable as a plain .npy array"),
    "no such member": ("x.npz", npz(arr_0=X, ids=IDS), "needs vectors.*has 'arr_0', 'ids'"),
    "two of them": ("x.npz", npz(vectors=X, features=X), "both 'vectors' and 'features'; keep one"),
    "objects within": ("x.npz", npz(vectors=np.array([{}], object)), "vectors are Python objects"),
    "labels as objects": (
        "x.npz",
        npz(vectors=X, labels=np.array(NAMES, object)),
        r"labels are Python objects.*np\.array\(labels, dtype=str\)",
    ),
    "labels as floats": (
        "x.npz",
        npz(vectors=X, labels=X[:, 0]),
        "labels must be texts or whole n",
    ),
    "labels in a matrix": (
        "x.npz",
        npz(vectors=X, labels=np.zeros((20, 1), int)),
        r"not int64 \[20",
    ),
    "ids too few": ("x.npz", npz(vectors=X, ids=IDS[1:]), "19 ids for 20 vectors"),
    "not a zip": ("x.npz", lambda p: p.write_bytes(b"x" * 40), "not readable as an .npz archive"),
    "whole tensors": ("x.safetensors", tensors(vectors=X.astype(int)), "vectors is I64, which Num"),
    "no tensor": ("x.safetensors", tensors(weights=X), "needs vectors under one of.*has 'weights'"),
    "not safetensors": (
        "x.safetensors",
        lambda p: p.write_bytes(b"x" * 40),
        "not readable as a sa",
    ),
    "no column": ("x.parquet", parquet(a=[1], b=[2]), "needs vectors under one of.*has 'a', 'b'"),
    "ragged": ("x.parquet", parquet(vector=RAGGED), r"row 5 \(counted from 0\): vector has 1 entr"),
    "a null row": ("x.parquet", parquet(vector=[[1.0], None]), "row 1 .*: vector has 0 entries"),
    "a null": ("x.parquet", parquet(vector=[[1.0, 2.0], [3.0, None]]), "row 1 .* an empty entry"),
    "whole numbers": ("x.parquet", parquet(vector=[[1], [2]]), "must be float16.*not int64"),
    "no lists": ("x.parquet", parquet(vector=[1.0, 2.0]), "holds double, not lists of numbers"),
    "an empty table": (
        "x.parquet",
        parquet(vector=pa.array([], pa.list_(pa.float32()))),
        "no rows",
    ),
    "no label": (
        "x.parquet",
        parquet(vector=[[1.0], [2.0]], label=["a", None]),
        r"row 1 \(counted from 0\): label is empty",
    ),
    "float labels": (
        "x.parquet",
        parquet(vector=[[1.0]], label=[0.5]),
        "labels must be texts or wh",
    ),
    "not parquet": ("x.parquet", lambda p: p.write_bytes(b"PAR1" * 5), "not readable as parquet"),
}


def _npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said(case, tmp_path):
    name, write, message = BAD[case]
    write(tmp_path / name)
    with pytest.raises(UserError, match=message) as raised:
        formats.read(tmp_path / name)
    assert "\n" not in str(raised.value) and name in str(raised.value)


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_said(file, share, tmp_path):
    path = tmp_path / file
    WRITERS[file](path, vectors())
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(UserError, match=f"{file}: (not readable as|cannot be read)"):
        formats.read(path)


@pytest.mark.parametrize("file", WRITERS)
def test_a_missing_file_and_a_pipe(file, tmp_path):
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        formats.read(tmp_path / file)
    os.mkfifo(tmp_path / file)
    with pytest.raises(UserError, match="a pipe or device, not a regular file"):
        formats.read(tmp_path / file)


def test_a_compressed_member_larger_than_memory_is_not_unpacked(tmp_path, monkeypatch):
    write_compressed(tmp_path / "x.npz", vectors())
    monkeypatch.setattr(memory, "free", lambda: 100)
    with pytest.raises(UserError, match=r"Features\.npy is compressed and takes 0\.0 GB of memory"):
        formats.read(tmp_path / "x.npz")


def test_a_member_that_claims_more_than_it_has_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
            archive.writestr("vectors.npy", head.getvalue() + bytes(64))
        with pytest.raises(UserError, match=r"vectors\.npy is not of the size that it claims"):
            formats.read(tmp_path / "x.npz")


def test_a_table_larger_than_the_disk_is_not_unpacked(tmp_path, monkeypatch):
    write_parquet(tmp_path / "x.parquet", vectors())
    usage = scratch.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(UserError, match=r"unpacked it takes 0\.0 GB.*another folder by TMPDIR"):
        formats.read(tmp_path / "x.parquet")


@pytest.mark.parametrize("value, kind", [(np.nan, "f2"), (np.inf, "f4"), (1e300, "f8")])
def test_rows_that_are_not_finite_are_counted(value, kind, tmp_path):
    x = vectors(2, kind)
    x[3, 1, 2] = x[3, 0, 0] = x[17, 1, 5] = value
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(UserError, match=r"2 of 20 vectors are not finite, the first is row 3 "):
        checks.check(formats.read(tmp_path / "x.npy"))


def test_rows_that_are_all_equal(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 3), np.float16))
    with pytest.raises(UserError, match="all 5 vectors are equal"):
        checks.check(formats.read(tmp_path / "x.npy"))


def test_what_overflowed_is_not_written(tmp_path):
    x = vectors()
    x[7, 0, 1] = np.float16(np.inf)
    with pytest.raises(UserError, match=r"the vector of 'ü/7\.png' is not finite in float16"):
        parquet_writer.write(tmp_path / "x.parquet", IDS, x)
    assert list(tmp_path.iterdir()) == []
