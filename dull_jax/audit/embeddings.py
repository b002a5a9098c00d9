"""An audit's input from somebody's embeddings: predictions by a linear head, and the vectors.

With labels only, the head is cross-validated here, in seconds a fold. With probabilities too, the
vectors join them, row by row.
"""

import dataclasses

import numpy as np

from dull_jax import files, recipe_files
from dull_jax.audit import inputs
from dull_jax.audit.decisions import DecisionFile
from dull_jax.audit.inputs import AuditInput
from dull_jax.data import auto, dataset
from dull_jax.data.sources import embeddings
from dull_jax.data.tables import csv_io
from dull_jax.data.vectors import checks, formats
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import composed, shown
from dull_jax.stats import neighbour_graph

_EPOCHS, _SEEN = (3, 30), 1_500_000  # of a head: fewer of a large set, which sees as many samples


def head_epochs(size: int) -> int:
    """Passes of a linear head over so many samples.

    >>> [head_epochs(size) for size in (1_000, 100_000, 10**6)]
    [30, 15, 3]
    """
    return int(np.clip(round(_SEEN / size), *_EPOCHS))


def of_files(
    file: str,
    labels: str,
    folds: int,
    epochs: int,
    keep: Path,
    say: inputs.Say,
    devices: int = 0,
    decisions: DecisionFile | None = None,
) -> AuditInput:
    """Embeddings and their labels, which a linear head predicts out of fold.

    Args:
      file: as `formats.read` takes it.  labels: a table, see `data.sources.embeddings.read`; "":
        the file has them.
      folds, epochs, keep, devices, decisions: as of `inputs.of_run`; epochs 0: by the number of
        samples.

    Raises:
      UserError: see `data.sources.embeddings.read`.
    """
    files.check_local("--embeddings", file)
    files.check_local("--labels", labels)
    source = embeddings.read(file, labels, share=0)  # no test part that nobody named
    for notice in source.notices:
        say(notice)
    config = recipe_files.load("embeddings:method=ce")
    config.data.file, config.data.labels, config.train.devices = file, labels, devices
    data = dataset.of_source(config, source)
    config = auto.resolve_for_vectors(config, data.train.vector_size, say)
    config.train.epochs = epochs or head_epochs(len(data.train.ids) + len(data.test.ids))
    return inputs.of_dataset(config, data, folds, keep, say, decisions=decisions)


def joined(samples: AuditInput, file: str) -> AuditInput:
    """Samples with probabilities, and vectors of `file`: by id where both name ids, else by row.

    Raises:
      UserError: see `formats.read`; another number of rows, or an id without a vector.
    """
    found = formats.read(file)
    vectors = checks.check(found)
    size, name = len(samples.given), shown(file)
    if found.ids is None or samples.row_numbers:
        if len(vectors) != size:
            raise UserError(f"{name}: {len(vectors):,} vectors for {size:,} labels; one for each")
        note = f"vectors of {name} and labels are joined by row, as the probabilities are"
        return dataclasses.replace(samples, vectors=vectors, notes=(*samples.notes, note))
    csv_io.check_ids(found.rows, csv_io.Table({"id": found.ids}, range(len(found))))
    row_of = {composed(key.strip()): row for row, key in enumerate(found.ids)}
    ids = [composed(key.strip()) for key in samples.ids.tolist()]
    missing = [key for key in ids if key not in row_of]
    if missing:
        raise UserError(
            f"{name}: no vector has the id {shown(missing[0])} ({len(missing):,} labels without)"
        )
    rows = np.array([row_of[key] for key in ids])
    return dataclasses.replace(samples, vectors=vectors.subset(rows))


def features(vectors: np.ndarray | VectorFiles | None, say: inputs.Say) -> np.ndarray | None:
    """float32 `[N, D]` whose directions are compared: plain vectors, centred. None without any.

    None, too, where so many are searched with a package that is not installed; that is said.
    """
    if vectors is None:
        return None
    try:
        neighbour_graph.check(len(vectors))
    except UserError:
        say(
            f"neighbours of {len(vectors):,} samples are left out of the audit: pip install "
            "faiss-cpu to have them"
        )
        return None
    found = plain(vectors)
    found -= found.mean(0, dtype=np.float64).astype(np.float32)
    return found


def plain(vectors: np.ndarray | VectorFiles) -> np.ndarray:
    """float32 `[N, D]`: the plain vectors of `[N, V, D]`."""
    blocks = vectors.blocks() if isinstance(vectors, VectorFiles) else (vectors,)
    found, done = np.empty((len(vectors), vectors.shape[2]), np.float32), 0
    for block in blocks:
        found[done : done + len(block)] = block[:, 0]
        done += len(block)
    return found
