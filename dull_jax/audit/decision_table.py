"""decisions.csv as text: what its cells say, and what a spreadsheet or a crash makes of it.

Whoever edits the file may choose another delimiter, order of columns or line end; rows that are
added keep them. A crash may leave part of a row, or zeros, behind the last line break. That was
never acknowledged to anybody: readers leave it out and say so, and the next row takes its place.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted

NONE, REMOVE, SKIP, UNDO = "[none of the classes]", "[remove]", "[skip]", "[undo]"
SPECIAL = (NONE, REMOVE, SKIP, UNDO)
COLUMNS = ("id", "given", "decision", "when", "audit")
NEEDED = ("id", "decision")
HEADER = 1 << 16  # bytes in which the first row of a file ends
_REFUSED = (*csv_io.WORKBOOKS, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # by readers of tables
_NEW = ",".join(COLUMNS).encode()  # the header of a new file


class Shape(NamedTuple):
    """How a file is written. least: fields that each row has."""

    delimiter: str = ","
    columns: tuple[str, ...] = COLUMNS
    line_end: str = "\n"
    least: int = len(COLUMNS)


def shape(name: str, first: bytes) -> Shape:
    """That of a file which begins with these bytes.

    Raises:
      UserError: the header has no columns id and decision.
    """
    if not begun(first):
        return Shape()
    text = first.decode("utf-8-sig", "replace")
    line_end = next((end for end in ("\r\n", "\n", "\r") if end in text), "\n")
    for mark in csv_io.delimiters(text):
        header = csv_io.first_row(name, text, mark)[1]
        columns = tuple(field.strip().lower() for field in header)
        if set(NEEDED) <= set(columns):
            return Shape(mark, columns, line_end, csv_io.width(header))
    raise UserError(f"{name}: the header needs the columns {' and '.join(NEEDED)}")


def begun(data: bytes) -> bool:
    """Whether anything stands there but the torn header of a new file."""
    bare = data.rstrip(b"\0")
    return bool(bare.strip()) and not (_NEW.startswith(bare) and data != _NEW)


def whole(data: bytes, form: Shape) -> int:
    """Bytes of the file without part of a row at its end."""
    start = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    torn = bool(data[start:].strip()) and _is_torn(data[start:], form)
    # A line break inside of quotes ends no row: what follows is then left to the reader of tables.
    return start if torn and data.count(b'"', 0, start) % 2 == 0 else len(data)


def _is_torn(tail: bytes, form: Shape) -> bool:
    """Whether what stands behind the last line break is part of a row, and not just unended."""
    try:
        text = csv_io.decoded("", tail)
        row = next(csv.reader([text], delimiter=form.delimiter, strict=True), [])
    except (UserError, csv.Error):
        return True
    return len(row) < form.least


def read(name: str, data: bytes) -> tuple[csv_io.Table, tuple[str, ...]]:
    """(the columns that are there of `COLUMNS`, a line for what was left out).

    Raises:
      UserError: no text, or no such table; names the row.
    """
    if not begun(data):  # before the first row, if not before the header, was written
        return csv_io.Table({column: [] for column in NEEDED}, []), ()
    size = len(data)
    if not data.startswith(_REFUSED):
        size = whole(data, shape(name, data[:HEADER]))
    more = [column for column in COLUMNS if column not in NEEDED]
    table = csv_io.table(name, csv_io.decoded(name, data[:size]), NEEDED, more)
    if size == len(data):
        return table, ()
    row = len(data[:size].splitlines()) + 1
    rest = quoted(data[size:].decode("utf-8", "replace"))
    return table, (f"{name}, row {row}: was cut off, and is left out: {rest}",)


def text_of(cell: str) -> str:
    """A cell without what does not matter; "" where nothing is decided. Of ids: `id_of`."""
    text = composed(cell.strip())
    if not isinstance(cell, csv_io.Text) and text.lower() in (*SPECIAL, *csv_io.MISSING):
        return text.lower() if text.lower() in SPECIAL else ""
    return text


def id_of(cell: str) -> str:
    """The id that a cell names, which may look like a missing value or a decision."""
    return composed(cell.strip())


def added(name: str, data: bytes, rows: Iterable[Mapping[str, str]]) -> tuple[int, bytes]:
    """(bytes of the file that stay, what follows them) where rows are added.

    They have the columns of the file; what these have no value for is blank. A last line without
    its end is finished first; part of a row does not stay.

    Raises:
      UserError: as `shape`.
    """
    form = shape(name, data[:HEADER])
    size = whole(data, form) if begun(data) else 0
    text = _written(form, rows)
    if not size:
        text = ",".join(COLUMNS) + "\n" + text
    elif data[size - 1 : size] not in (b"\n", b"\r"):
        text = form.line_end + text
    return size, text.encode("utf-8", "backslashreplace")


def _written(form: Shape, rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO(newline="")
    for row in rows:
        cells = [csv_io.cell(row.get(column, "")) for column in form.columns]
        quoting: Literal[0, 1] = csv.QUOTE_ALL if "\r" in "".join(cells) else csv.QUOTE_MINIMAL
        csv.writer(
            text, delimiter=form.delimiter, quoting=quoting, lineterminator=form.line_end
        ).writerow(cells)
    return text.getvalue()
