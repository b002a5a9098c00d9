"""Damaged and hostile files: every reader accepts what is sound and refuses the rest in one line.

Sixty inputs a reader, the same each time; DULL_JAX_FUZZ=5000 draws so many, others each time.
"""

import os
import pathlib
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import binaries
import decision_files
import embeddings
import mutations
import pytest
import run_files
import tables
from hypothesis import HealthCheck, given, settings
from watch import watched

from dull_jax.errors import UserError

INPUTS = int(os.environ.get("DULL_JAX_FUZZ", "0"))
SAMPLE = 60


class Reader(NamedTuple):
    """`read` takes the mutated `file`, and what `prepare` put beside it, or raises UserError."""

    file: str
    valid: Callable[[], tuple[bytes, ...]]
    read: Callable[[pathlib.Path], None]
    prepare: Callable[[pathlib.Path], None] = lambda folder: None
    unpickles: bool = False


def always(files: tuple[bytes, ...]) -> Callable[[], tuple[bytes, ...]]:
    return lambda: files


READERS = {
    "table of images": Reader("file.csv", always(tables.CSV), tables.image_table),
    "table to predict": Reader("file.csv", always(tables.CSV), tables.wanted_images),
    "array to predict": Reader("file.npy", always(tables.ARRAYS), tables.wanted_array),
    "published list": Reader("file.txt", always(tables.LISTS), tables.published_list),
    "labels .csv": Reader("file.csv", always(tables.LABEL_CSV), tables.labels_by_both),
    "labels .json": Reader("file.json", always(tables.LABEL_JSON), tables.labels_by_both),
    "labels .npy": Reader("file.npy", always(tables.LABEL_NPY), tables.labels_by_both),
    "audit: probabilities": Reader(
        "p.npy", always(tables.PROBS), tables.audit_input, tables.prepare_audit
    ),
    "audit: labels": Reader(
        "l.csv", always(tables.AUDIT_LABELS), tables.audit_input, tables.prepare_audit
    ),
    "audit: class names": Reader(
        "c.txt", always(tables.CLASSES), tables.audit_input, tables.prepare_audit
    ),
    "decisions .csv": Reader("decisions.csv", always(decision_files.CSV), decision_files.table),
    "decisions .json": Reader("export.json", always(decision_files.JSON), decision_files.export),
    "CIFAR archive": Reader("file.tar", always(binaries.ARCHIVES), binaries.archive),
    "CIFAR pickle": Reader(
        "file.pickle", always(binaries.PICKLES), binaries.cifar_pickle, unpickles=True
    ),
    "image": Reader("file.img", always(binaries.IMAGES), binaries.image),
    "pretrained weights": Reader("file.safetensors", binaries.weights, binaries.pretrained_weights),
    "PyTorch's tensors": Reader(
        "file.pth", always(binaries.TORCH_FILES), binaries.torch_tensors, unpickles=True
    ),
    "embeddings .npz": Reader("file.npz", always(embeddings.NPZ), embeddings.source(".npz")),
    "embeddings .safetensors": Reader(
        "file.safetensors", always(embeddings.SAFETENSORS), embeddings.source(".safetensors")
    ),
    "embeddings .parquet": Reader("file.parquet", embeddings.parquet, embeddings.parquet_source),
    "run: JSON": Reader("file.json", always(run_files.JSON), run_files.run_json),
    "run: metrics": Reader("metrics.jsonl", always(run_files.JSON), run_files.metrics),
    "run: recipe": Reader(
        "config.json", run_files.recipes, run_files.recipe, run_files.prepare_recipe
    ),
    "run: description": Reader(
        "data.json", always(run_files.ABOUT), run_files.recipe, run_files.prepare_recipe
    ),
    "run: workdir": Reader("file.json", always(run_files.JSON), run_files.recipe_or_result),
    "run: labels.npz": Reader("file.npz", always(run_files.LABELS_NPZ), run_files.labels_npz),
    "audit: fold": Reader("file.npy", always(run_files.FOLDS), run_files.fold),
    "findings of a scan": Reader(run_files.SCAN, run_files.cached_scan, run_files.scan),
    "checkpoint: digests, to start from": Reader(
        "digests/1.json",
        run_files.digests,
        run_files.checkpoint_digests,
        run_files.prepare_checkpoint,
    ),
    "checkpoint: digests, to continue": Reader(
        "digests/1.json",
        run_files.digests,
        run_files.checkpoint_fault,
        run_files.prepare_checkpoint,
    ),
    "checkpoint: sealed damage": Reader(
        "checkpoints/1/state/_METADATA",
        run_files.sealed_files,
        run_files.resealed,
        run_files.prepare_checkpoint,
    ),
}


def outcome(reader: Reader, folder: pathlib.Path, data: bytes) -> str:
    """'accepted' or 'refused'; whatever else the reader does goes up."""
    (folder / reader.file).write_bytes(data)
    try:
        with watched(reader.unpickles):
            reader.read(folder)
    except UserError as error:
        assert tables.one_line(error), str(error)[:300]
        return "refused"
    return "accepted"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_no_file_breaks_a_reader(name, tmp_path, monkeypatch):
    reader, seen = READERS[name], Counter()
    binaries.small_weights(monkeypatch)
    reader.prepare(tmp_path)

    @settings(
        max_examples=INPUTS or SAMPLE,
        derandomize=not INPUTS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=mutations.files(reader.valid()))
    def reads(data):
        seen["tried"] += 1
        seen[outcome(reader, tmp_path, data)] += 1

    reads()
    print(f"| {name} | {seen['tried']:,} | {seen['accepted']:,} | {seen['refused']:,} |")
    assert seen["accepted"] and seen["refused"]
