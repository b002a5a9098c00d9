"""The files of vectors that are written, one a process, and whether they are there already."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax import files
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.vectors import parquet_writer
from dull_jax.embed import inputs
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import shown
from dull_jax.run_dir import overwrite

SUFFIXES = (".parquet", ".npz")  # of one file; without a suffix it is a folder of shards


class Rows(NamedTuple):
    """What is known of N images beside their vectors: texts `[N]`; None: nothing."""

    ids: Sequence[str]
    paths: Sequence[str]
    labels: Sequence[str] | None
    splits: Sequence[str] | None

    def digest(self, contents: Sequence[str]) -> str:
        """Of all of it, and of the images' contents; hexadecimal."""
        text = json.dumps([*self, list(contents)])
        return hashlib.sha256(text.encode()).hexdigest()


def rows_of(manifest: Manifest, rows: np.ndarray) -> Rows:
    """Rows of a manifest; undecodable bytes in paths are replaced."""
    paths = [os.fsencode(path).decode(errors="replace") for path in manifest.paths[rows]]
    labels, splits = None, None
    if inputs.is_labelled(manifest):
        labels = [manifest.class_names[label] for label in manifest.labels[rows]]
    if any(manifest.splits):
        splits = manifest.splits[rows].tolist()
    return Rows(manifest.ids[rows].tolist(), paths, labels, splits)


def path_of(output: Path, number: int, count: int) -> Path:
    """Where shard `number` of `count` lies: the output itself, or in it where it is a folder."""
    if count == 1 and output.suffix and not output.is_dir():
        return output
    return output / f"part-{number:05}-of-{count:05}.parquet"


def prepare(output: Path, count: int, read: Sequence[Path]) -> None:
    """Makes the folder of `count` shards, where there is one to be.

    Args:
      read: files and folders that the command reads.

    Raises:
      UserError: the output cannot be written, is an input, or holds shards of another set.
    """
    first = path_of(output, 0, count)
    if first == output:
        overwrite.check_output("output", output, SUFFIXES, read)
        return
    name = f"--output={shown(str(output))}"
    if output.suffix not in ("", ".parquet"):
        raise UserError(f"{name}: shards are written to a folder; name one without a suffix")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{name} cannot be made: {error.strerror or error}") from None
    known = {path_of(output, n, count) for n in range(count)}
    others = sorted(p.name for p in output.iterdir() if p.suffix == ".parquet" and p not in known)
    if others:
        raise UserError(
            f"{name} holds {shown(others[0])}, which is no shard of {count}; name another folder, "
            "or remove it"
        )
    overwrite.check_output("output", first, (), read)


def write(path: Path, rows: Rows, vectors: np.ndarray, about: Mapping[str, str]) -> None:
    """Writes a shard, whole or not at all.

    Args:
      vectors: float16 `[N, V, D]`.
      about: what made them.

    Raises:
      UserError: it cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        parquet_writer.write(
            path, rows.ids, vectors, rows.labels, rows.splits, rows.paths, metadata=about
        )
        return
    columns = {key: np.array(texts, str) for key, texts in rows._asdict().items() if texts}
    with files.whole(path) as file:
        columns |= {"vectors": vectors, "about": np.array(json.dumps(about))}
        np.savez(file, allow_pickle=False, **columns)


def is_whole(path: Path, about: Mapping[str, str], size: int) -> bool:
    """Whether a shard of `size` rows is there that was made so."""
    try:
        known, count = (_of_parquet if path.suffix.lower() == ".parquet" else _of_npz)(path)
        return count == size and about.items() <= known.items()
    except Exception:  # damage has a dozen types in each library: it is made again
        return False


def _of_parquet(path: Path) -> tuple[dict[str, str], int]:
    import pyarrow.parquet as pq  # here: it takes a third of a second to import

    with path.open("rb") as file:
        table = pq.ParquetFile(file)
        metadata = table.schema_arrow.metadata or {}
        return {k.decode(): v.decode() for k, v in metadata.items()}, table.metadata.num_rows


def _of_npz(path: Path) -> tuple[dict[str, str], int]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return json.loads(str(archive["about"])), len(archive["ids"])
