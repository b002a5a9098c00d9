"""Which file a cell of a table means: blanks, backslashes, accents, links, other machines."""

import os
import unicodedata

import pytest

from dull_jax.data.tables import table_paths
from dull_jax.data.tables.csv_io import Table
from dull_jax.errors import UserError

ACCENTS = "Grün/né à la crème.png"


def column(root, *cells):
    table = Table({"path": list(cells)}, list(range(2, len(cells) + 2)))
    return table_paths.column("t.csv", table, str(root), "--root")


def put(root, path):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    return file


@pytest.mark.parametrize("cell", [
    " cat/a b.png", "cat/a b.png ", "\tcat/a b.png\u00a0", "cat\\a b.png", " .\\cat\\a b.png\r",
    "cat\\\\a b.png", "cat/a b.png",
])  # fmt: skip
def test_one_file_however_it_is_written(tmp_path, cell):
    put(tmp_path, "cat/a b.png")
    (found,) = column(tmp_path, cell)
    assert os.path.normpath(found) == "cat/a b.png"
    put(tmp_path, cell)
    assert column(tmp_path, cell) == [cell], "as it stands where there is such a file"


@pytest.mark.parametrize("there", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_accents_are_found_in_either_form(tmp_path, there, typed):
    there, typed = (unicodedata.normalize(form, ACCENTS) for form in (there, typed))
    put(tmp_path / "ö", there)
    assert column(tmp_path / "ö", typed, typed.replace("/", "\\") + " ") == [there, there]
    assert column(tmp_path / "ö", f"{tmp_path}/ö/{typed}") == [f"{tmp_path}/ö/{there}"]


def test_what_is_not_there_is_named_as_it_would_be_sought(tmp_path):
    assert column(tmp_path, "a\\b.png ", "é.png", "12:30.png") == ["a/b.png", "é.png", "12:30.png"]


@pytest.mark.parametrize(("cell", "words"), [
    ("C:\\photos\\a.png", "Windows"),
    ("d:/photos/a.png", "Windows"),
    (" \\\\server\\photos\\a.png", "Windows"),
    ("https://example.org/a.png", "address"),
    ("gs://bucket/a.png", "address"),
    ("file:///photos/a.png", "address"),
])  # fmt: skip
def test_paths_of_other_machines_are_refused(tmp_path, cell, words):
    with pytest.raises(UserError, match=f"t.csv, row 3: path .* {words}.* name that by --root"):
        column(tmp_path, "a.png", cell)
    put(tmp_path, cell)
    assert column(tmp_path, cell), "a file may be called so"


@pytest.mark.parametrize("cell", ["", " ", "\u00a0"])
def test_empty_paths_are_refused(tmp_path, cell):
    with pytest.raises(UserError, match="row 3: the path is empty"):
        column(tmp_path, "a.png", cell)


def test_plain_paths_cost_no_look_at_the_disk(tmp_path, monkeypatch):
    """A million of them are common."""
    monkeypatch.setattr(os.path, "lexists", lambda path: pytest.fail(path))
    assert column(tmp_path, "cat/a b.png", "/x/a.png") == ["cat/a b.png", "/x/a.png"]


@pytest.mark.parametrize("path", [
    "..", ".", "../x", "a/../../x", "/etc/passwd", "/database/x", "/data", "/data/..", "/data/../x",
    "//etc/passwd", "/",
])  # fmt: skip
def test_paths_that_leave(path):
    assert table_paths.inside(path, "/data") is None


@pytest.mark.parametrize(("path", "root", "found"), [
    ("//data//a/b.png", "/data", "a/b.png"),
    ("/a.png", "/", "a.png"),
    ("//a.png", "/", "a.png"),
    ("/data/x/../b.png", "/data", "b.png"),
])  # fmt: skip
def test_absolute_paths_that_stay(path, root, found):
    assert table_paths.inside(path, root) == found


def test_a_link_to_the_root_is_the_root(tmp_path):
    put(tmp_path, "real/cat/a.png")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "chain").symlink_to("link")
    names = ("real", "link", "chain")
    found = {
        table_paths.inside(f"{tmp_path}/{one}/cat/a.png", f"{tmp_path}/{other}")
        for one in names
        for other in names
    }
    assert found == {"cat/a.png"}
    for path in ("link/..", "link/../x.png", "other/a.png", "link"):
        assert table_paths.inside(f"{tmp_path}/{path}", f"{tmp_path}/real") is None
