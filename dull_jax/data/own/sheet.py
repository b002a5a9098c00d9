"""CSV files that people make and open in spreadsheets: read and written."""

import csv
import io
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import quoted, shown

DELIMITERS = ",;\t|"

_MAX_ID = 500
Row = tuple[int, list[str]]  # the line it ends at, its fields
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # full-width marks count in some languages
_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")  # of a file name that is no UTF-8


class Table(NamedTuple):
    """Columns of text, all of one length, and the line of the file at which each row ends."""

    columns: dict[str, list[str]]
    lines: list[int]


def read(path: str | os.PathLike, wanted: Sequence[str], more: Sequence[str] = ()) -> Table:
    """The columns `wanted` of a table with a header, and those of `more` that are there.

    Raises:
      UserError: unreadable, no UTF-8, or see `table`.
    """
    name = shown(str(path))
    return table(name, text_of(name, path), wanted, more)


def text_of(name: str, path: str | os.PathLike) -> str:
    """The text of the file at `path`, called `name` in messages."""
    try:
        return decoded(name, files.read(path))
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None


def decoded(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")  # Spreadsheets write a byte-order mark.
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, row {row}: not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{name}, row {row}: a NUL byte; this is no text file, or a damaged one")
    return text


def table(name: str, text: str, wanted: Sequence[str], more: Sequence[str] = ()) -> Table:
    """As `read`. The delimiter is the one that makes `wanted` columns of the header.

    Raises:
      UserError: no such header, a column twice, a row of another length, or no CSV; names the row.
    """
    headers = {
        mark: [field.strip().lower() for field in first_row(name, text, mark)]
        for mark in DELIMITERS
    }
    for mark, header in headers.items():
        if set(wanted) <= set(header):
            there = [column for column in (*wanted, *more) if column in header]
            if double := [column for column in there if header.count(column) > 1]:
                raise UserError(f"{name}, row 1: the header has column {double[0]!r} twice")
            rows = rows_of(name, text, mark)
            next(rows)
            return columns_of(name, rows, {c: header.index(c) for c in there}, len(header))
    found, needed = quoted(max(headers.values(), key=len)), " and ".join(wanted)
    plural = "s" * (len(wanted) > 1)
    raise UserError(f"{name}, row 1: the header needs the column{plural} {needed}, has {found}")


def first_row(name: str, text: str, delimiter: str) -> list[str]:
    return next(rows_of(name, text, delimiter, strict=False), (1, []))[1]


def rows_of(name: str, text: str, delimiter: str, strict: bool = True) -> Iterator[Row]:
    """The rows that are not blank. Raises UserError: not valid CSV."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        raise UserError(f"{name}, row {rows.line_num}: not valid CSV ({error})") from None


def columns_of(name: str, rows: Iterable[Row], places: dict[str, int], width: int) -> Table:
    """The columns at `places` of rows of `width` fields, as they were before `cell`."""
    found = Table({column: [] for column in places}, [])
    wanted = [(found.columns[column], place) for column, place in places.items()]
    for line, fields in rows:
        if len(fields) != width:
            raise UserError(f"{name}, row {line}: {len(fields)} fields instead of {width}")
        found.lines.append(line)
        for column, place in wanted:
            column.append(plain(fields[place]))
    return found


def check_ids(name: str, table: Table) -> None:
    """Raises UserError unless each id of the column `id` is there once; names the row."""
    seen: set[str] = set()
    for line, text in zip(table.lines, table.columns["id"], strict=True):
        key = text.strip()
        if not key or key in seen or len(key) > _MAX_ID:
            long = f"the id has {len(key):,} characters, {_MAX_ID} are allowed"  # all take as many
            wrong = (
                f"id {quoted(key)} is there twice"
                if key in seen
                else long
                if key
                else "the id is empty"
            )
            raise UserError(f"{name}, row {line}: {wrong}; mend it, or leave the column out")
        seen.add(key)


def write(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """UTF-8, whole or not at all; text is made safe by `cell`, numbers are as `str` has them.

    Undecodable bytes of file names are written as \\udcXX.

    Raises:
      UserError: it cannot be written.
    """
    with files.whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        for row in rows:
            cells = [cell(x) if isinstance(x, str) else x for x in row]
            returns = any("\r" in x for x in cells if isinstance(x, str))
            (quoting if returns else writer).writerow(cells)  # a bare \r would end the row
        text.detach()  # flushes; closing is up to `files.whole`


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a leading apostrophe where it could.

    >>> cell("=HYPERLINK(1)"), cell("plain = text"), cell("'=1")
    ("'=HYPERLINK(1)", 'plain = text', "''=1")
    """
    return "'" + text if _FORMULA.match(text) else text


def plain(text: str) -> str:
    """What `write` was given as text, undecodable bytes of file names too.

    >>> plain(cell("=HYPERLINK(1)")), plain("plain = text"), plain("'quoted'")
    ('=HYPERLINK(1)', 'plain = text', "'quoted'")
    """
    text = text[1:] if text.startswith("'") and _FORMULA.match(text) else text
    return _BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)
