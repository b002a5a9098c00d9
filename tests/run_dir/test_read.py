"""The files of a run's folder, damaged in ways that the standard library has many names for."""

import io
import json
import zipfile

import numpy as np
import pytest

from dull_jax.errors import UserError
from dull_jax.run_dir import read


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "nul", "{" + "9" * 5000 + ": 1}", "\udc00"])
def test_json_that_is_none(tmp_path, text):
    path = tmp_path / "data.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"data\.json: (not readable|expected)") as refused:
        read.read_json(path)
    assert str(refused.value).isprintable()


def test_a_recipe_with_a_name_that_cannot_be_a_field(tmp_path):
    (tmp_path / "config.json").write_text('{"a.b": 1}')
    with pytest.raises(UserError, match=r"config\.json is damaged or of another version"):
        read.read_recipe(tmp_path)


def test_broken_lines_are_counted(tmp_path):
    lines = ["[" * 100_000, f'{{"epoch": {"9" * 400}}}', '{"epoch": NaN}', '{"epoch": null}', "[1]"]
    (tmp_path / "metrics.jsonl").write_text("\n".join(['{"epoch": 2}', *lines, '{"epoch": 1}']))
    epochs, broken = read.read_metrics(tmp_path)
    assert [line["epoch"] for line in epochs] == [1, 2] and broken == len(lines)


def _with(place: int, value: int) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.arange(50))
    data = bytearray(file.getvalue())
    data[place % len(data)] = value
    return bytes(data)


def test_archives_of_arrays_damaged_at_each_byte(tmp_path):
    """zlib.error, NotImplementedError, BadZipFile, …: all are one line, or the arrays are whole."""
    path = tmp_path / "labels.npz"
    for place in range(len(_with(0, 0))):
        path.write_bytes(_with(place, 0x55))
        try:
            assert all(isinstance(array, np.ndarray) for array in read.read_arrays(path).values())
        except UserError as error:
            assert "not readable as .npz" in str(error) and str(error).isprintable()


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "labels.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x10\x00{((((((((((((((\n")
    with pytest.raises(UserError, match="not readable as"):
        read.read_arrays(tmp_path / "labels.npz")


def test_damaged_lines_are_passed_over(tmp_path):
    bad = [b"\xff\xfe{", b"[" * 100_000, b"[1]", b"7", b'{"loss": 1}', b'{"epoch": "2"}', b""]
    good = [json.dumps({"epoch": n, "loss": n / 2}).encode() for n in range(1, 9)]
    lines = [line for pair in zip(good, bad, strict=False) for line in pair]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join([*lines, good[-1], good[0][:9]]))
    assert [row["epoch"] for row in read.read_metrics(tmp_path)[0]] == list(range(1, 9))
