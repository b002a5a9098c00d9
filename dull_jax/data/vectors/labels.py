"""The labels of embeddings: from their own file, or from a table joined by id or path.

Rows are joined by position only where there is nothing else, and that is said: labels that are off
by one train without an error.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.data.own.image_index import listed
from dull_jax.data.own.manifest import Unused
from dull_jax.data.tables import class_labels, corrected, csv_io, left_out, table_paths
from dull_jax.data.vectors.columns import Embeddings
from dull_jax.errors import UserError
from dull_jax.names import composed, shown


class Labelled(NamedTuple):
    """Of each of N vectors; notices: what was made of the files, a line each.

    labels: "" of what a table of ours leaves out.
    left_out: why it does, its `status`; "" of the others.  given: its label before, if known.
    corrected: whether a table of ours says that an audit changed the label.
    where: what `splits` is of, for messages.
    """

    ids: list[str]
    labels: list[str]
    splits: list[str] | None
    where: str
    corrected: list[bool]
    left_out: list[str]
    given: list[str]
    notices: tuple[str, ...] = ()
    paths: list[str] | None = None  # of the images, for people
    without_vectors: tuple[Unused, ...] = ()  # what the table leaves out, and no vector is of


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
            f"{found.name}: has no labels; name a table with the columns label and id, or path "
            "(--config.data.labels=FILE.csv, of an audit --labels=FILE.csv)"
        )
    rows = csv_io.Table({"label": found.labels}, range(len(found)))
    labels = class_labels.read(found.rows, rows)
    unchanged, none = [False] * len(found), [""] * len(found)
    return Labelled(
        _ids(found), labels, found.splits, found.rows, unchanged, none, none, paths=found.paths
    )


def _ids(found: Embeddings) -> list[str]:
    """Those of the file, else the numbers of the rows."""
    if found.ids is None:
        return list(map(str, range(len(found))))
    return [composed(key.strip()) for key in found.ids]


def _of_table(found: Embeddings, path: str) -> Labelled:
    name = shown(str(path))
    table = csv_io.read(path, ("label",), ("id", "split", "path", "status", "given"))
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
    changed = corrected.rows(table)
    left = left_out.statuses(table)
    before = [composed(cell.strip()) for cell in table.columns.get("given", [""] * len(labels))]
    given = [cell if why else "" for cell, why in zip(before, left, strict=True)]
    others = tuple(_left_out(table, n, left[n], given[n]) for n in _rest(order, left))
    columns = ([column[n] for n in order] for column in (labels, changed, left, given))
    labels, changed, left, given = columns
    return Labelled(
        _ids(found), labels, splits, where, changed, left, given, notices, paths, others
    )


def _rest(order: Sequence[int], left: Sequence[str]) -> list[int]:
    """Rows of a table that no vector has and that are left out there."""
    joined = set(order)
    return [n for n, why in enumerate(left) if why and n not in joined]


def _left_out(table: csv_io.Table, row: int, status: str, given: str) -> Unused:
    cells = {name: column[row].strip() for name, column in table.columns.items()}
    key, path, split = (cells.get(name, "") for name in ("id", "path", "split"))
    return Unused(
        composed(key) or f"row-{row}", path, "", split or "train", status, "no vector", given=given
    )


def _joined(found: Embeddings, name: str, table: csv_io.Table) -> tuple[list[int], tuple[str, ...]]:
    """(the row of the table that each vector has, what was made of it)."""
    column, of_vectors, of_rows = _keys(found, table)
    if not column:
        return _by_position(found, name, table)
    csv_io.check_ids(name, csv_io.Table({column: of_rows}, table.lines), column)
    row_of = {key: n for n, key in enumerate(of_rows)}
    if missing := [key for key in of_vectors if key not in row_of]:
        raise UserError(
            f"{name}: {len(missing):,} of {len(found):,} vectors of {found.name} have no label in "
            f"it (their {column}s: {listed(missing)})"
        )
    told = []
    if column == "id" and found.ids is None:
        told.append(f"{found.name} has no ids: row n, from 0, is joined to the id n of {name}")
    if unused := sorted(row_of.keys() - set(of_vectors)) if len(row_of) > len(found) else []:
        some = listed(unused)
        told.append(f"{name}: {len(unused):,} {column}s have no vector in {found.name} ({some})")
    return [row_of[key] for key in of_vectors], tuple(told)


def _keys(found: Embeddings, table: csv_io.Table) -> tuple[str, list[str], list[str]]:
    """(the column to join by, its cells of the vectors, of the table); "": there is none.

    "id" where both have ids. Vectors without them take the numbers of their rows, if the table has
    just these: so do audits, which write tables of them. "path" where the table has no ids.
    """
    if "id" in table.columns:
        ids, column = _ids(found), [composed(key.strip()) for key in table.columns["id"]]
        if found.ids is not None or sorted(column) == sorted(ids):
            return "id", ids, column
    elif "path" in table.columns:
        paths = [table_paths.normal(path) for path in found.paths or ()]
        if len(set(paths)) == len(found):
            return "path", paths, [table_paths.normal(path) for path in table.columns["path"]]
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
