"""The files of a run's folder, damaged in ways that the standard library has many names for."""

import io
import zipfile

import numpy as np
import pytest

from dull_jax.errors import UserError
from dull_jax.report import folder


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "nul", "{" + "9" * 5000 + ": 1}", "\udc00"])
def test_json_that_is_none(tmp_path, text):
    path = tmp_path / "data.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"data\.json: (not readable|expected)") as refused:
        folder.read_json(path)
    assert str(refused.value).isprintable()


def test_a_recipe_with_a_name_that_cannot_be_a_field(tmp_path):
    (tmp_path / "config.json").write_text('{"a.b": 1}')
    with pytest.raises(UserError, match=r"config\.json is damaged or of another version"):
        folder.read_recipe(tmp_path / "config.json")


def test_broken_lines_are_counted(tmp_path):
    lines = ["[" * 100_000, f'{{"epoch": {"9" * 400}}}', '{"epoch": NaN}', '{"epoch": null}', "[1]"]
    (tmp_path / "metrics.jsonl").write_text("\n".join(['{"epoch": 2}', *lines, '{"epoch": 1}']))
    epochs, broken = folder.read_lines(tmp_path / "metrics.jsonl")
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
            assert all(isinstance(array, np.ndarray) for array in folder.read_arrays(path).values())
        except UserError as error:
            assert "not readable as .npz" in str(error) and str(error).isprintable()


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "labels.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x10\x00{((((((((((((((\n")
    with pytest.raises(UserError, match="not readable as"):
        folder.read_arrays(tmp_path / "labels.npz")
