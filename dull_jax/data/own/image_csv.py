"""A CSV file of paths and labels, as a `Listing`."""

import os
import pathlib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from dull_jax import files
from dull_jax.data.own import image_folder, sheet, table_paths
from dull_jax.data.own.listing import HELD_OUT, Entry, Listing, Problem, from_entries
from dull_jax.errors import UserError
from dull_jax.names import quoted, shown

_ROOT = "--config.data.dir"
_NAN = (
    "stands for a label that is missing: give one or remove the row; a class of this name must be "
    "called otherwise, 'class nan', say"
)
_NUMBERS = (
    "is no class beside whole numbers, which count from 0; if these are names, let them be words: "
    "'minus one', say"
)


def read(path: str | pathlib.Path, root: str | pathlib.Path = "") -> Listing:
    """Reads the columns `path` and `label`, and `split` and `id` where they are there.

    The suffix is free. The delimiter (comma, semicolon, tab or |) is found from the header. The
    header may be missing only if a row is two fields, the name of an image file and its label. A
    label is the name of its class, numbers too; classes are sorted by name, or by value if all are
    whole numbers. A split is train, or else test, val, valid or validation. Text is UTF-8; an
    apostrophe that keeps a spreadsheet from taking a cell for a formula (`sheet.cell`) is no part
    of it.

    Args:
      root: where the paths start; "" means the folder of the CSV file. None may leave it. For
        their spelling see `table_paths.column`.

    Raises:
      UserError: naming the file and the row.
    """
    name = shown(str(path))
    text = sheet.text_of(name, path)
    table = headless(name, text) or sheet.table(name, text, ("path", "label"), ("split", "id"))
    folder = pathlib.Path(root).expanduser() if str(root) else pathlib.Path(path).parent
    base = pathlib.Path(files.on_disk(os.path.abspath(folder.expanduser())))
    paths = table_paths.column(name, table, str(base), _ROOT)
    entries = list(_entries(name, table, paths, str(base)))
    if not entries:
        raise UserError(f"{name}: no rows; a row names a file and its label")
    if "id" in table.columns:
        sheet.check_ids(name, table)
    _check_numbers(name, entries)
    entries, problems = _with_splits(name, entries)
    return from_entries(base, entries, problems, _by_value_if_numbers)


def headless(name: str, text: str) -> sheet.Table | None:
    """A table without a header: the first field of two is the name of an image file."""
    for mark in sheet.delimiters(text):
        _, row = sheet.first_row(name, text, mark)
        if sheet.width(row) == 2 and names_image(row[0]):
            rows = sheet.rows_of(name, text, mark)
            return sheet.columns_of(name, rows, {"path": 0, "label": 1}, ("path", "label"))
    return None


def names_image(text: str) -> bool:
    return os.path.splitext(text.strip().lower())[1] in image_folder.SUFFIXES


def _entries(name: str, table: sheet.Table, paths: Sequence[str], root: str) -> Iterator[Entry]:
    columns, blank = table.columns, [""] * len(table.lines)
    splits, ids = columns.get("split"), columns.get("id", blank)
    rows = zip(table.lines, paths, columns["label"], splits or blank, ids, strict=True)
    for row, path, label, split, key in rows:
        if not (text := label.strip()):
            raise UserError(f"{name}, row {row}: the label is empty")
        where = table_paths.inside(path, root)
        if where is None:
            what = f"path {quoted(path)} is outside of {shown(root)}"
            raise UserError(f"{name}, row {row}: {what}; {_way_out(paths)}")
        part = "" if splits is None else _split_word(name, row, split)
        yield Entry(where, text, part, row, key.strip())


def _way_out(paths: Sequence[str]) -> str:
    """What helps where one of the `paths` leaves the root."""
    if all(map(os.path.isabs, paths)):
        folder = os.path.commonpath([os.path.dirname(os.path.normpath(path)) for path in paths])
        if os.path.isdir(folder):  # else they are paths of another machine
            return f"{_ROOT}={shlex.quote(shown(folder))} names the folder that holds them all"
    return f"write all paths relative to one folder above the images; {_ROOT} names it"


def _split_word(name: str, row: int, text: str) -> str:
    word = text.strip().lower()
    if word != "train" and word not in HELD_OUT:
        words = ", ".join(("train", *HELD_OUT))
        raise UserError(f"{name}, row {row}: split {quoted(text)} is none of {words}")
    return word


def _check_numbers(name: str, entries: list[Entry]) -> None:
    """Where a label is a whole number, all numbers must be; 'nan' is what pandas makes of none."""
    labels = {entry.label for entry in entries}
    numbered = any(map(_is_whole, labels))
    reasons = {text: _NUMBERS for text in labels if numbered and _is_odd(text)}
    reasons |= {text: _NAN for text in labels if text.lower() == "nan"}
    for entry in entries if reasons else ():
        if entry.label in reasons:
            what = reasons[entry.label]
            raise UserError(f"{name}, row {entry.row}: label {quoted(entry.label)} {what}")


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


def _is_odd(text: str) -> bool:
    """A number such as -1, 2.0, 1e3, inf."""
    try:
        float(text)
    except ValueError:
        return False
    return not _is_whole(text)


def _with_splits(name: str, entries: list[Entry]) -> tuple[list[Entry], list[Problem]]:
    """Held-out words become "test"; of several the first of `HELD_OUT` is used."""
    counts = Counter(entry.split for entry in entries)
    held_out = next((word for word in HELD_OUT if word in counts), None)
    unused = [word for word in HELD_OUT if word in counts and word != held_out]
    problems = [
        Problem(name, f"{counts[word]:,} rows of split {word} are not used: there is {held_out}")
        for word in unused
    ]
    if held_out is None:
        return entries, problems
    kept = [entry for entry in entries if entry.split not in unused]
    return [e._replace(split="test") if e.split == held_out else e for e in kept], problems


def _by_value_if_numbers(names: Iterable[str]) -> list[str]:
    names = sorted(names)
    return sorted(names, key=int) if all(map(_is_whole, names)) else names
