"""A table of all files: configs/csv.py trains on it; people edit it."""

import io
from typing import Any

from dull_jax import files
from dull_jax.audit.corrections import Corrections
from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError

SUFFIXES = (".csv", ".tsv", ".parquet")
COLUMNS = ("id", "path", "label", "split", "given", "status")


def write(target: files.Path, corrections: Corrections, copy: bool) -> tuple[str, ...]:
    """CSV, TSV, or parquet with the same columns as strings; `copy` does not matter."""
    if target.suffix.lower() == ".parquet":
        _write_parquet(target, corrections)
        return ()
    labels = (label for row in corrections.rows for label in (row.label, row.given))
    names = class_labels.every(corrections.class_names, labels)
    cells = dict(zip(names, class_labels.cells(names), strict=True)) | {"": ""}
    rows = (
        (
            row.id,
            row.path,
            cells[row.label],
            row.split,
            cells[row.given],
            row.status,
        )
        for row in corrections.rows
    )
    csv_io.write(target, COLUMNS, rows, "\t" if target.suffix.lower() == ".tsv" else ",")
    return ()


def _write_parquet(target: files.Path, corrections: Corrections) -> None:
    arrow, parquet = _pyarrow()
    columns = {
        name: arrow.array([_utf8(getattr(row, name)) for row in corrections.rows], arrow.string())
        for name in COLUMNS
    }
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(columns), buffer)
    with files.whole(target) as file:
        file.write(buffer.getvalue())


def _utf8(text: str) -> str:
    """Names of files need not be UTF-8; strings of parquet must be."""
    return text.encode("utf-8", "backslashreplace").decode()


def needs(target: files.Path) -> None:
    """Before the work. Raises UserError where what writes parquet is not installed."""
    if target.suffix.lower() == ".parquet":
        _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError("parquet needs pyarrow: pip install pyarrow, or name a .csv file") from None
    return pyarrow, parquet
