"""Text that a spreadsheet would run is made harmless, and comes back whole otherwise."""

import csv
import doctest
import pathlib

import pytest

from dull_jax.data.own import sheet
from dull_jax.errors import UserError


def test_examples_in_the_docstrings():
    assert doctest.testmod(sheet).failed == 0


@pytest.mark.parametrize("text", ["plain", "it's", "'", "'quoted'", "=1", "'=1", "''-1", "\t", ""])
def test_a_cell_gives_its_text_back(text):
    assert sheet.plain(sheet.cell(text)) == text and not sheet.cell(text).startswith(tuple("=-\t"))


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"]
)
def test_formulas_become_text(text):
    assert sheet.cell(text) == "'" + text


def test_whatever_is_in_a_name(tmp_path):
    rows = [["a,b", 'say "x"', -3], ["two\nlines", "grün ✓", 0.5], ["=1", "", "x\udcff"]]
    rows.append(["mac\rline", "", 1])
    sheet.write(tmp_path / "out.csv", ("one", "two", "three"), rows)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["one", "two", "three"],
            ["a,b", 'say "x"', "-3"],
            ["two\nlines", "grün ✓", "0.5"],
            ["'=1", "", "x\\udcff"],
            ["mac\rline", "", "1"],
        ]
    assert sheet.plain("x\\udcff\\udc7f") == "x\udcff\\udc7f"


@pytest.mark.parametrize("mark", ",;\t|")
def test_columns_are_found_by_the_header(tmp_path, mark):
    rows = [["Note", " B ", "a"], ['"x,;|"', "'=1", ""], ["", "two", "1"]]
    text = "\r\n\r\n".join(mark.join(row) for row in rows)
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = sheet.read(tmp_path / "in.csv", ("a",), ("b", "c"))
    assert found.columns == {"a": ["", "1"], "b": ["=1", "two"]} and found.lines == [3, 5]


def test_what_was_written_is_read(tmp_path):
    texts = ["=1", "'=1", "a;b|c,d", "x\udcff", "two\nlines", "mac\rline", ' "q" ']
    sheet.write(tmp_path / "out.csv", ("n", "text"), enumerate(texts))
    assert sheet.read(tmp_path / "out.csv", ("text",)).columns["text"] == texts


def test_a_place_that_cannot_be_written():
    with pytest.raises(UserError, match="cannot be written"):
        sheet.write(pathlib.Path("/nowhere/out.csv"), ["a"], [])


@pytest.mark.parametrize("text,words", [
    ("x" * 100_000 + "\n", "the header needs the column id, has"),
    ("id\n" + "x" * 501 + "\n", "row 2: the id has 501 characters, 500 are allowed"),
])  # fmt: skip
def test_long_fields_make_no_long_messages(tmp_path, text, words):
    """An array of ids has room for the longest in every row."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        sheet.check_ids("t.csv", sheet.read(tmp_path / "t.csv", ("id",)))
    assert len(str(refused.value)) < 400
