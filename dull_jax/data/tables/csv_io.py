"""CSV files that people make and open in spreadsheets: read and written."""

import csv
import io
import os
import pathlib
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import UNSAFE, composed, harmless, quoted, shown

DELIMITERS = ",;\t|"
SUFFIXES = (".csv", ".tsv", ".tab")  # of tables, where a suffix decides

_MAX_ID = 500
Row = tuple[int, list[str]]  # the line it ends at, its fields
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # full-width marks count in some languages
_SEP = re.compile(r'"?sep=([^\w"\r\n ])[^\w\r\n]*(?=[\r\n]|\Z)', re.IGNORECASE)  # Excel's own
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx, .ods, and .xls begin
ARRAY = b"\x93NUMPY"  # how .npy begins
# Cells that stand for a missing value. What pandas writes for one is refused in every column of
# labels. The words of other programs may be names, of a class `none`, say: they stand for a missing
# value only in a column whose other labels are numbers.
MISSING = ("nan", "<na>")
MISSING_NUMBER = ("none", "null", "na", "n/a", "nil", "#n/a", "#ref!", "#value!", "#name?")
# How `names.UNSAFE` characters are written, a carriage return apart; and the backslash of text that
# looks like it.
_SPELLING = re.compile(r"\\u(?:\{([0-9a-f]{1,4})\}|(dc[89a-f][0-9a-f]))")


class Table(NamedTuple):
    """Columns of text, all of one length, and the line of the file at which each row ends."""

    columns: dict[str, list[str]]
    lines: Sequence[int]


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
        here = path if files.is_remote(path) else files.on_disk(os.fspath(path))
        return decoded(name, files.read(here))
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None


def decoded(name: str, data: bytes) -> str:
    """The text of a table, UTF-8 with or without its mark.

    Raises:
      UserError: a workbook, arrays, or other bytes; names the row.
    """
    if data.startswith(ARRAY) or (data.startswith(WORKBOOKS) and _holds_arrays(data)):
        raise UserError(f"{name}: a NumPy array; a table is needed, CSV in UTF-8")
    if data.startswith(WORKBOOKS):
        raise UserError(f"{name}: a workbook (.xlsx, .ods, .xls); save the sheet as CSV in UTF-8")
    try:
        text = data.decode("utf-8-sig")  # Spreadsheets write a byte-order mark.
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, row {row}: not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{name}, row {row}: a NUL byte; this is no text file, or a damaged one")
    return text


def _holds_arrays(data: bytes) -> bool:
    """Whether it is an .npz file, an archive as workbooks are too."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception:  # damage has many types
        return False


def table(name: str, text: str, wanted: Sequence[str], more: Sequence[str] = ()) -> Table:
    """As `read`. The delimiter is the one that makes `wanted` columns of the header.

    Raises:
      UserError: no such header, a column twice, a row of another length, or no CSV; names the row.
    """
    firsts = {mark: first_row(name, text, mark) for mark in delimiters(text)}
    for mark, (line, fields) in firsts.items():
        header = [field.strip().lower() for field in fields]
        if set(wanted) <= set(header):
            there = [column for column in (*wanted, *more) if column in header]
            if double := [column for column in there if header.count(column) > 1]:
                raise UserError(f"{name}, row {line}: the header has column {double[0]!r} twice")
            rows = rows_of(name, text, mark)
            next(rows)
            return columns_of(name, rows, {c: header.index(c) for c in there}, header)
    line, fields = max(firsts.values(), key=lambda first: len(first[1]))
    needed, plural = " and ".join(wanted), "s" * (len(wanted) > 1)
    has = quoted([field.strip().lower() for field in fields])
    raise UserError(f"{name}, row {line}: the header needs the column{plural} {needed}, has {has}")


def delimiters(text: str) -> Iterable[str]:
    """Those to be tried, in this order: what a first line 'sep=;' names comes first."""
    named = _SEP.match(text)
    return dict.fromkeys((named[1] if named else "") + DELIMITERS)


def first_row(name: str, text: str, delimiter: str) -> Row:
    """The first of `rows_of`, which need not be valid CSV; without fields where there is none."""
    return next(rows_of(name, text, delimiter, strict=False), (1, []))


def rows_of(name: str, text: str, delimiter: str, strict: bool = True) -> Iterator[Row]:
    """The rows in which something stands, without the first line 'sep=;' of a spreadsheet.

    Raises:
      UserError: not valid CSV.
    """
    if named := _SEP.match(text):
        text = text[named.end() :]  # its line break stays: rows are counted from it
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        strict=strict,
        # Only where a quote follows the blank: else it may belong to a file's name.
        skipinitialspace=f'{delimiter} "' in text,
    )
    try:
        for row in rows:
            # '""' alone is how an empty cell of a table of one column is written.
            if any(map(str.strip, row)) or row == [""]:
                yield rows.line_num, row
    except csv.Error as error:
        why = harmless(str(error)).replace("\t", "\\t")  # it quotes the delimiter
        raise UserError(f"{name}, row {rows.line_num}: not valid CSV ({why})") from None


def columns_of(
    name: str, rows: Iterable[Row], indices: dict[str, int], header: Sequence[str]
) -> Table:
    """The columns at `indices` of rows as long as `header`, as they were before `cell`.

    Blank fields at the end may be there or not, in the header as in the rows.

    Raises:
      UserError: a row is longer or shorter; names it.
    """
    table = Table({column: [] for column in indices}, [])
    wanted = [(table.columns[column], index) for column, index in indices.items()]
    least, most = width(header), len(header)
    for line, fields in rows:
        if len(fields) < least:
            have = f"{len(fields)} fields instead of {least}"
            raise UserError(f"{name}, row {line}: {have}; complete the row")
        if len(fields) > most and (count := width(fields)) > most:
            have = f"{count} fields instead of {least}"
            raise UserError(f"{name}, row {line}: {have}; quote what has the separator in it")
        table.lines.append(line)
        for column, index in wanted:
            column.append(plain(fields[index]))
    return table


def width(fields: Sequence[str]) -> int:
    """How many fields there are without the blank ones at the end.

    >>> width(["a", "", "b", " ", ""])
    3
    """
    return next((n for n in range(len(fields), 0, -1) if fields[n - 1].strip()), 0)


def check_ids(
    name: str, table: Table, column: str = "id", may_lack: Sequence[bool] | None = None
) -> None:
    """Raises UserError unless each id, or path, of the `column` is there once; names the row.

    Args:
      may_lack: of each row, whether it may be empty; None: of none.
    """
    seen: set[str] = set()
    lacking = may_lack or [False] * len(table.lines)
    for line, text, may in zip(table.lines, table.columns[column], lacking, strict=True):
        key = composed(text.strip())
        if not key and may:
            continue
        if not key or key in seen or len(key) > _MAX_ID:
            long = f"the {column} has {len(key):,} characters, {_MAX_ID} are allowed"
            wrong = (  # of a column all take as many characters
                f"{column} {quoted(key)} is there twice"
                if key in seen
                else long
                if key
                else f"the {column} is empty"
            )
            raise UserError(f"{name}, row {line}: {wrong}; fix it, or leave the column out")
        seen.add(key)


class Text(str):
    """A cell that is text, whatever it looks like: written with a leading apostrophe."""


def write(
    path: pathlib.Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    delimiter: str = ",",
) -> None:
    """UTF-8, whole or not at all; text is made safe by `cell`, numbers are as `str` has them.

    Raises:
      UserError: it cannot be written.
    """
    with files.whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
        form = {"delimiter": delimiter, "lineterminator": "\n"}
        writer, quoting = csv.writer(text, **form), csv.writer(text, **form, quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        for row in rows:
            cells = [cell(x) if isinstance(x, str) else x for x in row]
            returns = any("\r" in x for x in cells if isinstance(x, str))
            (quoting if returns else writer).writerow(cells)  # a bare \r would end the row
        text.detach()  # flushes; closing is up to `files.whole`


def cell(text: str) -> str:
    r"""Text that no spreadsheet takes for a formula and no terminal for a command.

    A leading apostrophe says that it is text; control characters are spelt out.

    >>> cell("=HYPERLINK(1)"), cell("plain = text"), cell("'=1"), cell(Text("2.5"))
    ("'=HYPERLINK(1)", 'plain = text', "''=1", "'2.5")
    >>> cell("a\x1b[2J")
    'a\\u{1b}[2J'
    """
    marked = _FORMULA.match(text) or _quotes_odd(text)
    marked = marked or (isinstance(text, Text) and looks_odd(text))
    # First what only looks like a spelling.
    spelt = _SPELLING.sub(lambda match: f"\\u{{5c}}{match[0][1:]}", text)
    spelt = UNSAFE.sub(lambda match: match[0] if match[0] == "\r" else _spelling(match[0]), spelt)
    return "'" + spelt if marked else spelt


def _spelling(mark: str) -> str:
    return f"\\u{ord(mark):04x}" if "\udc80" <= mark <= "\udcff" else f"\\u{{{ord(mark):x}}}"


def plain(text: str) -> str:
    r"""What `write` was given as text; a `Text` where it was marked as one.

    >>> plain(cell("=HYPERLINK(1)")), plain("plain = text"), plain("'quoted'"), plain("'2.5")
    ('=HYPERLINK(1)', 'plain = text', "'quoted'", '2.5')
    """
    bare = text[1:] if text.startswith("'") else ""
    marked = bool(bare) and bool(_FORMULA.match(bare) or looks_odd(bare) or _quotes_odd(bare))
    whole = _SPELLING.sub(
        lambda match: chr(int(match[1] or match[2], 16)), bare if marked else text
    )
    return Text(whole) if marked else whole


def looks_odd(text: str) -> bool:
    """Whether a reader would take it for a number or for a missing cell.

    >>> looks_odd("NaN"), looks_odd("2.5"), looks_odd("cat")
    (True, True, False)
    """
    return text.strip().casefold() in MISSING or is_number(text)


def _quotes_odd(text: str) -> bool:
    """An apostrophe in front of what looks odd would be lost."""
    return text.startswith("'") and looks_odd(text.lstrip("'"))


def is_number(text: str) -> bool:
    """Whether it is a number in any spelling: '3', '-1', '2.50', '1e3', 'inf'.

    >>> is_number("1e3"), is_number("1,000")
    (True, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True
