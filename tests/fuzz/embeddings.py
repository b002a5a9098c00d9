"""Readers of embeddings: as `tables`."""

import functools
import io
import json
import pathlib
import tempfile
from collections.abc import Callable
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import numpy as safetensors

from dull_jax.data.sources import embeddings
from dull_jax.data.vectors import parquet_writer, scratch

IDS, LABELS = [f"{n}.png" for n in range(12)], ["cat", "dog"] * 6
X = np.random.default_rng(0).normal(size=(12, 2, 3)).astype(np.float16)


def _saved(save: Callable, *args, **arrays) -> bytes:
    file = io.BytesIO()
    save(file, *args, **arrays)
    return file.getvalue()


NPZ = (
    _saved(np.savez, vectors=X, ids=IDS, labels=LABELS),
    _saved(np.savez_compressed, features=X[:, 0].astype(np.float32), labels=np.arange(12) % 2),
    _saved(np.savez, embeddings=X.astype(np.float64), label=LABELS, split=["train", "test"] * 6),
)
SAFETENSORS = (
    safetensors.save({"vectors": X, "labels": np.arange(12) % 2}),
    safetensors.save({"vectors": X[:, 0]}, {"ids": json.dumps(IDS), "labels": json.dumps(LABELS)}),
)


@functools.cache
def parquet() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        ours = pathlib.Path(folder) / "x.parquet"
        parquet_writer.write(ours, IDS, X, LABELS)
        lists = {"vector": X[:, 0].tolist(), "id": IDS, "label": pa.array(LABELS)}
        return ours.read_bytes(), _saved(lambda file: pq.write_table(pa.table(lists), file))


def source(suffix: str) -> Callable[[pathlib.Path], None]:
    """Of what is accepted every vector is finite and has one of the classes."""

    def read(folder: pathlib.Path) -> None:
        found = embeddings.read(folder / f"file{suffix}")
        for part in (found.train, found.test):
            assert np.isfinite(part.images[:]).all() and len(part.images) == len(part.ids)
            assert set(part.labels) <= set(range(len(found.class_names)))

    return read


def parquet_source(folder: pathlib.Path) -> None:
    """What is unpacked stays in memory: a reader is watched not to write anything."""
    with mock.patch.object(scratch, "array", lambda name, shape, dtype: np.zeros(shape, dtype)):
        source(".parquet")(folder)
