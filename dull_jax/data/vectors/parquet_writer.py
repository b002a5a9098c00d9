"""Embeddings as a parquet table: id, vector, and path, label and split where they are known.

A vector is a list of fixed size, `[D]`, or with several views a list of lists, `[V, D]`. pandas,
polars and DuckDB read it; `formats.parquet` does, bit for bit.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import quoted

_GROUP = 8192  # rows of a row group: what a reader has to unpack at least


def write(
    path: Path,
    ids: Sequence[str] | np.ndarray,
    vectors: np.ndarray,
    labels: Sequence[str] | np.ndarray | None = None,
    splits: Sequence[str] | np.ndarray | None = None,
    paths: Sequence[str] | np.ndarray | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a table of N rows, whole or not at all.

    Args:
      ids: str `[N]`.
      vectors: float16 `[N, V, D]`.
      labels: `[N]` class names; None: the table has no such column.
      splits: `[N]` 'train', 'test' or 'val'; None as above.
      paths: `[N]` files, for people; None as above.
      metadata: of the file: what made the vectors.

    Raises:
      UserError: a vector is not finite (embeddings beyond 65,504 overflow float16), or the file
        cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if vectors.dtype != np.float16 or vectors.ndim != 3 or not vectors.size:
        raise ValueError(f"vectors must be float16 [N, V, D], not {vectors.dtype} {vectors.shape}")
    texts = {"id": ids, "path": paths, "label": labels, "split": splits}
    texts = {key: np.asarray(column, object) for key, column in texts.items() if column is not None}
    kind = _kind(vectors.shape[1:])
    table = pa.schema([*((key, pa.string()) for key in texts), ("vector", kind)])
    schema = table.with_metadata(dict(metadata or {}))
    options = {
        "use_dictionary": ["label", "split"],
        "write_page_checksum": True,
        "compression": {key: "ZSTD" for key in texts} | {_leaf(vectors): "NONE"},
    }
    with files.whole(path) as file, pq.ParquetWriter(file, schema, **options) as writer:
        for start in range(0, len(vectors), _GROUP):
            block = vectors[start : start + _GROUP]
            _check(ids, block, start)
            columns = [pa.array(column[start : start + _GROUP]) for column in texts.values()]
            writer.write_table(pa.table([*columns, _lists(block, kind)], schema), _GROUP)


def _kind(shape: tuple[int, ...]):
    """The type of a vector `[V, D]`."""
    import pyarrow as pa

    views, size = shape
    one = pa.list_(pa.float16(), size)
    return one if views == 1 else pa.list_(one, views)


def _leaf(vectors: np.ndarray) -> str:
    """How parquet calls the numbers of the column, for their options."""
    return "vector" + ".list.element" * (1 if vectors.shape[1] == 1 else 2)


def _lists(block: np.ndarray, kind):
    import pyarrow as pa

    numbers = pa.array(np.ascontiguousarray(block).ravel())
    one = pa.FixedSizeListArray.from_arrays(numbers, block.shape[2])
    return one if block.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(one, block.shape[1])


def _check(ids: Sequence[str] | np.ndarray, block: np.ndarray, start: int) -> None:
    bad = np.flatnonzero(~np.isfinite(block).all((1, 2)))
    if len(bad):
        key = quoted(str(ids[start + bad[0]]))
        raise UserError(f"the vector of {key} is not finite in float16; nothing was written")
