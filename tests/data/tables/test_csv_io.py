"""Text that a spreadsheet would run is made harmless, and comes back whole otherwise."""

import csv
import pathlib
import unicodedata

import numpy as np
import pytest

from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError


@pytest.mark.parametrize("text", ["plain", "it's", "'", "'quoted'", "=1", "'=1", "''-1", "\t", ""])
def test_a_cell_gives_its_text_back(text):
    assert csv_io.plain(csv_io.cell(text)) == text and not csv_io.cell(text).startswith(
        tuple("=-\t")
    )


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"]
)
def test_formulas_become_text(text):
    assert csv_io.cell(text) == "'" + text


def test_whatever_is_in_a_name(tmp_path):
    rows = [["a,b", 'say "x"', -3], ["two\nlines", "grün ✓", 0.5], ["=1", "", "x\udcff"]]
    rows.append(["mac\rline", "", 1])
    csv_io.write(tmp_path / "out.csv", ("one", "two", "three"), rows)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["one", "two", "three"],
            ["a,b", 'say "x"', "-3"],
            ["two\nlines", "grün ✓", "0.5"],
            ["'=1", "", "x\\udcff"],
            ["mac\rline", "", "1"],
        ]
    assert csv_io.plain("x\\udcff\\udc7f") == "x\udcff\\udc7f"


@pytest.mark.parametrize("mark", ",;\t|")
def test_columns_are_found_by_the_header(tmp_path, mark):
    rows = [["Note", " B ", "a"], ['"x,;|"', "'=1", ""], ["", "two", "1"]]
    text = "\r\n\r\n".join(mark.join(row) for row in rows)
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = csv_io.read(tmp_path / "in.csv", ("a",), ("b", "c"))
    assert found.columns == {"a": ["", "1"], "b": ["=1", "two"]} and found.lines == [3, 5]


def test_what_was_written_is_read(tmp_path):
    texts = ["=1", "'=1", "a;b|c,d", "x\udcff", "two\nlines", "mac\rline", ' "q" ']
    csv_io.write(tmp_path / "out.csv", ("n", "text"), enumerate(texts))
    assert csv_io.read(tmp_path / "out.csv", ("text",)).columns["text"] == texts


def test_a_place_that_cannot_be_written():
    with pytest.raises(UserError, match="cannot be written"):
        csv_io.write(pathlib.Path("/nowhere/out.csv"), ["a"], [])


@pytest.mark.parametrize("text,words", [
    ("x" * 100_000 + "\n", "the header needs the column id, has"),
    ("id\n" + "x" * 501 + "\n", "row 2: the id has 501 characters, 500 are allowed"),
])  # fmt: skip
def test_long_fields_make_no_long_messages(tmp_path, text, words):
    """An array of ids has room for the longest in every row."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        csv_io.check_ids("t.csv", csv_io.read(tmp_path / "t.csv", ("id",)))
    assert len(str(refused.value)) < 400


LEFTOVERS = {
    "blank rows": "path,label\na,x\n,\n\nb,y\n , \n,\u00a0\n\n",
    "blank rows first": ",\n\n,,\npath,label\na,x\nb,y\n",
    "commas behind the rows": "path,label\na,x,\nb,y,,, ,\n",
    "commas behind the header": "path,label,,\na,x\nb,y,\n",
    "commas behind both": "path,label,,\na,x,,\nb,y,,\n,,,\n",
    "a column without a name": "path,label,\na,x,looks odd\nb,y,\n",
    "an index without a name": ",path,label\n0,a,x\n1,b,y\n",
    "sep=": "sep=;\npath;label\na;x\nb;y\n",
    "SEP= of other marks": "SEP=:\r\npath:label\r\na:x\r\nb:y\r\n",
    "sep= in quotes": '"sep=;"\npath;label\na;x\nb;y\n',
    "sep= with a mark of its own": "sep=;;\npath;label;\na;x;\nb;y;\n;;\n",
    "sep= saved again as cells": '"sep=,",\npath,label\na,x\nb,y\n',
    "sep=<tab>": "\ufeffsep=\t\npath\tlabel\na\tx\nb\ty\n",
    "sep= that is no longer true": "sep=;\npath,label\na,x\nb,y\n",
    "blanks before quotes": '"path", "label"\n"a", "x"\nb, "y"\n',
    "one row, no line break": "path;label\na;x\nb;y",
}


@pytest.mark.parametrize("case", LEFTOVERS)
def test_what_spreadsheets_leave(case):
    found = csv_io.table("t.csv", csv_io.decoded("t.csv", LEFTOVERS[case].encode()), ("path",))
    assert found.columns == {"path": ["a", "b"]}
    lines = LEFTOVERS[case].splitlines()
    assert ["a" in lines[n - 1] for n in found.lines] == [True, False], "rows are the file's"
    both = csv_io.table("t.csv", LEFTOVERS[case].lstrip("\ufeff"), ("label", "path"))
    assert both.columns == {"path": ["a", "b"], "label": ["x", "y"]}


def test_an_empty_cell_of_the_only_column_is_a_row():
    found = csv_io.table("t.csv", 'label\nx\n\n""\n  \ny\n', ("label",))
    assert found.columns == {"label": ["x", "", "y"]} and found.lines == [2, 4, 6]


@pytest.mark.parametrize(("text", "words"), [
    ("path,label\na,x,,z\n", "row 2: 4 fields instead of 2; quote what has the separator in it"),
    ("path,label\na,b,x,,\n", "row 2: 3 fields instead of 2; quote"),
    ("sep=;\npath;label\n\na;b;x\n", "row 4: 3 fields instead of 2"),
    ("path,label\n,\na\n", "row 3: 1 fields instead of 2; complete the row"),
    (",,\n\nname,kind\na,x\n", r"row 3: the header needs .* has \['name', 'kind'\]"),
    ("sep=;\nPath;path\n", "row 2: the header has column 'path' twice"),
    ("sep=;\n", "row 1: the header needs the column path"),
    (",,\n \n", "row 1: the header needs the column path"),
    ('path\tlabel\n"a"b\tx\n', r"row 2: not valid CSV \('\\t' expected after"),
    ('sep=\x1b\npath\x1blabel\n"a"b\x1bx\n', r"row 3: not valid CSV \('\\x1b' expected after"),
    pytest.param("sep=" + ";" * 100_000 + "x", "row 1: the header needs", id="long"),
])  # fmt: skip
def test_what_has_no_plain_meaning_is_refused(text, words):
    with pytest.raises(UserError, match=words) as refused:
        csv_io.table("t.csv", text, ("path",))
    assert str(refused.value).isprintable()


def test_an_array_is_no_table(tmp_path):
    (tmp_path / "labels.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<i8'}")
    np.savez(tmp_path / "labels.npz", labels=np.arange(3))
    for name in ("labels.npy", "labels.npz"):
        with pytest.raises(UserError, match=rf"{name}: a NumPy array; a table is needed"):
            csv_io.read(tmp_path / name, ("label",))


def test_a_damaged_archive_is_still_a_workbook(tmp_path):
    np.savez(tmp_path / "labels.npz", labels=np.arange(3))
    whole = (tmp_path / "labels.npz").read_bytes()
    for place in range(4, len(whole), 3):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        with pytest.raises(UserError, match=r"a workbook|a NumPy array"):
            csv_io.decoded("labels.csv", damaged)


@pytest.mark.parametrize("head", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_a_workbook_is_no_table(tmp_path, head):
    (tmp_path / "t.csv").write_bytes(head)
    with pytest.raises(UserError, match=r"t\.csv: a workbook .* save the sheet as CSV in UTF-8"):
        csv_io.read(tmp_path / "t.csv", ("id",))


@pytest.mark.parametrize(("here", "named"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_table_whose_name_is_in_the_other_form(tmp_path, here, named):
    here, named = (unicodedata.normalize(form, "é.csv") for form in (here, named))
    (tmp_path / here).write_text("id\n1\n")
    assert csv_io.read(tmp_path / named, ("id",)).columns == {"id": ["1"]}
