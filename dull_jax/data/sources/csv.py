"""A CSV file of paths and labels, and the images that it names."""

import io
import os
import pathlib
import shlex
from collections.abc import Iterator, Sequence

from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.data.own.image_index import (
    Aside,
    Entry,
    ImageIndex,
    from_entries,
    held_out_as_test,
    names_image,
    split_word,
    unlabelled,
)
from dull_jax.data.tables import class_labels, corrected, csv_io, left_out, table_paths
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted, shown

TITLE = "CSV"
PLACES = ("dir", "file")

_ROOT = "--config.data.dir"


def index(options: ConfigDict) -> ImageIndex:
    """The images that the table config.data.file names; see `read`."""
    files.check_local("config.data.dir", options.dir)
    files.check_local("config.data.file", options.file)
    if not options.file:
        raise UserError("config.data.file is needed: the table of paths and labels")
    return read(options.file, options.dir)


def read(
    path: str | pathlib.Path,
    root: str | os.PathLike = "",
    flag: str = _ROOT,
    labelled: bool = True,
) -> ImageIndex:
    """Reads the columns `path` and `label`, and `split` and `id` where they are there.

    The suffix is free. The delimiter (comma, semicolon, tab or |) is found from the header. The
    header may be missing only if a row is two fields, the name of an image file and its label. A
    label is the name of its class, numbers too; classes are sorted by name, or by value if all are
    whole numbers. A split is train, or else test, val, valid or validation. Text is UTF-8; an
    apostrophe that keeps a spreadsheet from taking a cell for a formula (`csv_io.cell`) is no part
    of it.

    Args:
      root: where the paths start; "" means the folder of the CSV file. None may leave it. For
        their spelling see `table_paths.column`.
      flag: which names `root`, for messages.
      labelled: whether there must be labels. Else the column may be missing, and a list of paths,
        one a line, will do.

    Raises:
      UserError: naming the file and the row.
    """
    name = shown(str(path))
    text = csv_io.text_of(name, path)
    needed, more = ("path", "label"), ("split", "id", "status", "given")
    if not labelled:
        needed, more = ("path",), ("label", *more)
    table = headless(name, text) or (not labelled and lines(text)) or None
    table = table or csv_io.table(name, text, needed, more)
    if "id" in table.columns:
        csv_io.check_ids(name, table, may_lack=[bool(why) for why in left_out.statuses(table)])
    left, table = left_out.divided(table)
    folder = pathlib.Path(root).expanduser() if str(root) else pathlib.Path(path).parent
    base = pathlib.Path(files.on_disk(os.path.abspath(folder.expanduser())))
    paths = table_paths.column(name, table, str(base), flag)
    entries = list(_entries(name, table, paths, str(base), flag))
    splits = held_out_as_test([entry.split for entry in entries])
    entries = [e._replace(split=split) for e, split in zip(entries, splits, strict=True)]
    if not entries:
        raise UserError(f"{name}: no rows; a row names a file and its label")
    if "label" not in table.columns:
        return unlabelled(base, entries)
    aside = list(_aside(left))
    notices = [f"{len(aside):,} rows without a label: left out before"] if aside else []
    order = class_labels.in_order
    return from_entries(base, entries, (), order, notices, aside, trained=labelled)


def _aside(left: csv_io.Table) -> Iterator[Aside]:
    """Rows of a table of ours that name what is not trained on: a table of it has them again."""
    columns, blank = left.columns, [""] * len(left.lines)
    cells = [columns.get(name, blank) for name in ("path", "split", "id", "status", "given")]
    reason = "without a label: left out before"
    for row in zip(*cells, strict=True):
        path, split, key, status, given = map(str.strip, row)
        yield Aside(path, "", split, reason, composed(key), status, composed(given))


def headless(name: str, text: str) -> csv_io.Table | None:
    """A table without a header: the first field of two is the name of an image file."""
    for mark in csv_io.delimiters(text):
        _, row = csv_io.first_row(name, text, mark)
        if csv_io.width(row) == 2 and names_image(row[0]):
            rows = csv_io.rows_of(name, text, mark)
            return csv_io.columns_of(name, rows, {"path": 0, "label": 1}, ("path", "label"))
    return None


def lines(text: str) -> csv_io.Table | None:
    """A list of images, one a line, as a table; None where the first line is no image."""
    found = [(n, line.strip()) for n, line in enumerate(io.StringIO(text, newline=None), 1)]
    found = [(n, line) for n, line in found if line]
    if not found or not names_image(found[0][1]):
        return None
    return csv_io.Table({"path": [line for _, line in found]}, [n for n, _ in found])


def _entries(
    name: str, table: csv_io.Table, paths: Sequence[str], root: str, flag: str
) -> Iterator[Entry]:
    columns, blank = table.columns, [""] * len(table.lines)
    splits, ids = columns.get("split"), columns.get("id", blank)
    labels = class_labels.read(name, table) if "label" in columns else blank
    changed = corrected.rows(table)
    rows = zip(table.lines, paths, labels, splits or blank, ids, changed, strict=True)
    for row, path, label, split, key, is_corrected in rows:
        where = table_paths.inside(path, root)
        if where is None:
            what = f"path {quoted(path)} is outside of {shown(root)}"
            raise UserError(f"{name}, row {row}: {what}; {_way_out(paths, flag)}")
        part = "" if splits is None else split_word(f"{name}, row {row}", split)
        yield Entry(where, label, part, row, composed(key.strip()), is_corrected)


def _way_out(paths: Sequence[str], flag: str) -> str:
    """What helps where one of the `paths` leaves the root."""
    if all(map(os.path.isabs, paths)):
        folder = os.path.commonpath([os.path.dirname(os.path.normpath(path)) for path in paths])
        if os.path.isdir(folder):  # else they are paths of another machine
            return f"{flag}={shlex.quote(shown(folder))} names the folder that holds them all"
    return f"write all paths relative to one folder above the images; {flag} names it"
