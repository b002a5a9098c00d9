"""Parquet: a table with a column of vectors; one file, or the shards of a folder.

Parquet cannot be mapped. Its vectors are unpacked, some thousand rows at a time, into a temporary
file, and mapped there; so they are never in memory twice.
"""

import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np

from dull_jax.data.tables import class_labels
from dull_jax.data.vectors import scratch
from dull_jax.data.vectors.columns import TEXTS, Embeddings, as_text, as_vectors, chosen, gathered
from dull_jax.errors import UserError
from dull_jax.names import composed, shown

TITLE, SUFFIX = "parquet", ".parquet"
VIEWS = "views"  # of the file's metadata: V, where a row's list has V * D numbers

_ROWS = 4096  # unpacked together
_SHARD = re.compile(r".*-(\d+)-of-(\d+)\.parquet")


def read(name: str, path: pathlib.Path) -> Embeddings:
    """Columns as `columns.chosen` names them; of a folder all shards, in order of their numbers.

    Raises:
      UserError: a shard is missing, a column is not as it must be; or as pyarrow does.
    """
    import pyarrow.parquet as pq  # here: it takes a third of a second to import

    paths = _shards(name, path) if path.is_dir() else [path]
    options = {"memory_map": True, "pre_buffer": False, "page_checksum_verification": True}
    tables = [pq.ParquetFile(p, **options) for p in paths]
    columns = [chosen(name, table.schema_arrow.names) for table in tables]
    if uneven := [p for p, c in zip(paths, columns, strict=True) if c != columns[0]]:
        raise UserError(f"{name}: {shown(uneven[0].name)} has other columns than the first shard")
    vectors = _vectors(name, tables, columns[0]["vectors"])
    texts = {
        what: [text for table in tables for text in _texts(name, table, what, columns[0][what])]
        for what in TEXTS
        if what in columns[0]
    }
    return gathered(name, vectors, texts, set.intersection(*map(_about, tables)))


def _shards(name: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """The shards of a folder; where they are numbered (part-00000-of-00002), all of them."""
    found = {p.stem: p for p in folder.glob("*.parquet") if not p.name.startswith((".", "_"))}
    if not found:
        raise UserError(f"{name}: no .parquet file in this folder")
    paths = [found[stem] for stem in class_labels.naturally(found)]  # part-2 before part-10
    numbered = [_SHARD.fullmatch(path.name) for path in paths]
    if not any(numbered):
        return paths
    totals = {int(match[2]) if match else None for match in numbered}
    if len(totals) > 1 or None in totals:
        raise UserError(f"{name}: shards of different sets; keep one set in the folder")
    (total,), there = totals, [int(match[1]) for match in numbered]
    if missing := sorted(set(range(total)) - set(there)):
        number = numbered[0][1]
        first = paths[0].name.replace(f"-{number}-of-", f"-{missing[0]:0{len(number)}}-of-")
        raise UserError(
            f"{name}: {len(missing)} of {total} shards are missing, the first is {shown(first)}"
        )
    return paths


def _vectors(name: str, tables: Sequence, column: str) -> np.ndarray:
    """Floating `[N, V, D]` of all shards, mapped."""
    total = sum(table.metadata.num_rows for table in tables)
    out, done = None, 0
    for table in tables:
        views = _views(name, table.schema_arrow.metadata or {})
        for batch in table.iter_batches(_ROWS, columns=[column]):
            block = _block(name, column, batch.column(0), done, views)
            if out is None:
                out = scratch.array(name, (total, *block.shape[1:]), block.dtype)
            if block.shape[1:] != out.shape[1:] or block.dtype != out.dtype:
                before, now = (f"{list(x.shape[1:])} {x.dtype}" for x in (out, block))
                raise UserError(f"{name}: vectors are {before}, from row {done:,} on {now}")
            out[done : done + len(block)] = block
            done += len(block)
    if out is None:
        raise UserError(f"{name}: no rows")
    if done < total:
        raise UserError(f"{name}: {done:,} rows instead of the {total:,} that it claims")
    return out


def _about(table) -> set[str]:
    """The keys of what a file says of itself."""
    return {key.decode(errors="replace") for key in table.schema_arrow.metadata or {}}


def _views(name: str, metadata: dict[bytes, bytes]) -> int:
    text = metadata.get(VIEWS.encode(), b"1").decode(errors="replace")
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise UserError(f"{name}: {VIEWS} in the metadata must be a whole number, not {text!r}")
    return int(text)


def _block(name: str, column: str, values, start: int, views: int) -> np.ndarray:
    """`[n, V, D]` of an arrow array of lists, or of lists of lists; `start`: its first row."""
    import pyarrow as pa

    shape = [len(values)]
    while _is_list(values.type):
        lengths = _lengths(values)
        uneven = np.flatnonzero((lengths != lengths[:1]) | (lengths < 1))
        if len(uneven):
            row = start + uneven[0] * shape[0] // len(values)
            raise UserError(
                f"{name}, row {row:,} (counted from 0): {column} has {max(lengths[uneven[0]], 0)} "
                f"entries; all rows need the same number"
            )
        shape.append(int(lengths[0]))
        values = values.flatten()
    if len(shape) == 1:
        raise UserError(f"{name}: column {column} holds {values.type}, not lists of numbers")
    if values.null_count:
        row = start + int(np.flatnonzero(values.is_null())[0]) * shape[0] // len(values)
        raise UserError(f"{name}, row {row:,} (counted from 0): {column} has an empty entry")
    if not pa.types.is_floating(values.type):
        raise UserError(f"{name}: {column} must be float16, float32 or float64, not {values.type}")
    if len(shape) == 2 and views > 1:
        if shape[1] % views:
            raise UserError(f"{name}: {shape[1]} numbers a row do not make {views} views")
        shape[1:] = [views, shape[1] // views]
    return as_vectors(name, values.to_numpy(zero_copy_only=False).reshape(shape))


def _is_list(kind) -> bool:
    import pyarrow as pa

    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _lengths(values) -> np.ndarray:
    """int `[n]`: how many entries each list has; -1 of one that is not there."""
    return values.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)


def _texts(name: str, table, what: str, column: str) -> Iterator[str]:
    import pyarrow as pa

    values = table.read(columns=[column]).column(0)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if values.null_count:
        row = int(np.flatnonzero(values.is_null())[0])
        raise UserError(f"{name}, row {row:,} (counted from 0): {column} is empty")
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return map(composed, values.to_pylist())
    return iter(as_text(name, what, values.to_numpy()))
