"""The labels of embeddings: from their own file, or from a table joined by id.

Without ids they are joined by paths. Rows are joined by position only where nobody has either, and
that is said: labels that are off by one train without an error.
"""

from typing import NamedTuple

import numpy as np

from dull_jax.data.own.image_index import listed
from dull_jax.data.tables import class_labels, csv_io, left_out
from dull_jax.data.vectors.columns import Embeddings
from dull_jax.errors import UserError
from dull_jax.names import composed, shown


class Labelled(NamedTuple):
    """Of each of N vectors; notices: what was made of the files, a line each.

    labels: "" of what a table of ours leaves out.
    where: what `splits` is of, for messages.
    """

    ids: list[str]
    labels: list[str]
    splits: list[str] | None
    where: str
    notices: tuple[str, ...] = ()
    paths: list[str] | None = None  # of the images, for people


def of(found: Embeddings, table: str) -> Labelled:
    """What a file and a table of ids, labels and, maybe, splits say of its vectors.

    Args:
      table: its path; "": the file has the labels.

    Raises:
      UserError: no labels, ids that are there twice, or that do not meet the table's.
    """
    if found.ids is not None:
        rows = csv_io.Table({"id": found.ids}, range(len(found)))
        csv_io.check_ids(found.rows, rows)
    if table:
        return _of_table(found, table)
    if found.labels is None:
        raise UserError(
            f"{found.name}: has no labels; name a table with the columns id and label "
            "(--config.data.labels=FILE.csv, of an audit --labels=FILE.csv)"
        )
    rows = csv_io.Table({"label": found.labels}, range(len(found)))
    labels = class_labels.read(found.rows, rows)
    return Labelled(_ids(found), labels, found.splits, found.rows, paths=found.paths)


def _ids(found: Embeddings) -> list[str]:
    """Those of the file, else the numbers of the rows."""
    if found.ids is None:
        return list(map(str, range(len(found))))
    return [composed(key.strip()) for key in found.ids]


def _of_table(found: Embeddings, path: str) -> Labelled:
    name = shown(str(path))
    table = csv_io.read(path, ("label",), ("id", "split", "path", "status"))
    labels = left_out.labels(name, table)
    order, notices = _joined(found, name, table)
    if found.labels is not None:
        notices = (*notices, f"labels are those of {name}, not those in {found.name}")
    splits, where = found.splits, found.rows
    if "split" in table.columns:
        splits, where = [table.columns["split"][n] for n in order], name
    paths = found.paths
    if "path" in table.columns:
        paths = [table.columns["path"][n] for n in order]
    return Labelled(_ids(found), [labels[n] for n in order], splits, where, notices, paths)


def _joined(found: Embeddings, name: str, table: csv_io.Table) -> tuple[list[int], tuple[str, ...]]:
    """(the row of the table that each vector has, what was made of it)."""
    what, of_vectors, of_rows = _keys(found, table)
    if not what:
        return _by_position(found, name, table)
    csv_io.check_ids(name, csv_io.Table({"id": of_rows}, table.lines))
    row_of = {composed(key.strip()): n for n, key in enumerate(of_rows)}
    if missing := [key for key in of_vectors if key not in row_of]:
        raise UserError(
            f"{name}: {len(missing):,} of {len(found):,} vectors of {found.name} have no label in "
            f"it (their {what}: {listed(missing)})"
        )
    unused = sorted(row_of.keys() - set(of_vectors)) if len(row_of) > len(found) else []
    told = f"{name}: {len(unused):,} {what} have no vector in {found.name} ({listed(unused)})"
    return [row_of[key] for key in of_vectors], (told,) if unused else ()


def _keys(found: Embeddings, table: csv_io.Table) -> tuple[str, list[str], list[str]]:
    """(what vectors and rows are joined by, that of the vectors, of the rows); "": by nothing.

    By ids, where both have them; audits name vectors without ids by the numbers of the rows, and
    write tables with these. A table with paths alone is joined by paths.
    """
    ids, column = _ids(found), table.columns.get("id")
    if column is None:
        paths = [composed(path.strip()) for path in found.paths or ()]
        if paths and "path" in table.columns and len(set(paths)) == len(found):
            return "paths", paths, table.columns["path"]
    elif found.ids is not None or sorted(key.strip() for key in column) == sorted(ids):
        return "ids", ids, column
    return "", [], []


def _by_position(
    found: Embeddings, name: str, table: csv_io.Table
) -> tuple[list[int], tuple[str, ...]]:
    if found.ids is not None:
        raise UserError(f"{name}: has no column id, and {found.name} has ids; add it, to be joined")
    if "id" in table.columns:
        raise UserError(
            f"{found.name}: has no ids for those of {name} to be joined to; add ids to it, or, if "
            "row n of the table is vector n, leave its column id out"
        )
    if len(table.lines) != len(found):
        raise UserError(f"{name}: {len(table.lines):,} labels for the {len(found):,} vectors of "
                        f"{found.name}, and no ids to join them by")  # fmt: skip
    told = f"there are no ids: row n of {name} is taken for the label of vector n of {found.name}"
    return np.arange(len(found)).tolist(), (told,)
