"""The corrected table of an audit, which people edit: what they changed since is not written over.

The audit keeps the digest of each table it wrote, beside its list, and replaces a table only if
that is as it was written.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence

import numpy as np

from dull_jax import files
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.verdicts import OUTSIDE, Listed
from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.run_dir import layout, overwrite
from dull_jax.run_dir.read import read_json
from dull_jax.stats.label_audit import LabelAudit


def check(path: files.Path, folder: files.Path, inputs: Sequence[files.Path], force: bool) -> None:
    """Raises UserError where the corrected table may not be written to `path`.

    Args:
      folder: of the audit's results.
      force: a table that was edited since, or that no audit wrote, may be replaced.
    """
    written = [folder / name for name in layout.AUDIT_FILES]
    overwrite.check_output("apply", path, (".csv",), inputs, written)
    if force or not path.exists():
        return
    known = _known(folder).get(_key(path))
    if known is not None and known == _digest(path):
        return
    raise UserError(
        f"--apply={shown(str(path))} was edited since an audit wrote it, or none wrote it; name "
        "another file, or add --force to replace it"
    )


def write(path: files.Path, samples: AuditInput, verdict: LabelAudit, listed: Listed) -> None:
    """Writes all files of the data set, wrong labels replaced: configs/csv.py trains on it.

    Labels stay that are ambiguous; those of rare classes, where an audit errs most and each label
    counts; those of images that are like nothing else; and those of images to test on, which would
    score a model better than it is if corrected by what a model thinks of them. A copy of an
    audited image takes the same label: else the table would contradict itself. Images that cannot
    be read stay what they are.
    """
    header = ("id", "path", "label", "split", "given", "status")
    csv_io.write(path, header, _corrected(samples, verdict, listed))


def _corrected(samples: AuditInput, verdict: LabelAudit, listed: Listed) -> Iterator[tuple]:
    names = class_labels.cells(samples.class_names)
    cells = dict(zip(samples.class_names, names, strict=True))
    replaced = verdict.replaceable & ~samples.held_out
    replaced[listed.of(OUTSIDE)] = False
    better = np.where(replaced, verdict.suggested, samples.given)
    splits = np.full(len(better), "train", object) if samples.splits is None else samples.splits
    columns = (samples.ids, samples.paths, better, samples.given, splits)
    for key, place, new, old, split in zip(*columns, strict=True):
        status = "corrected" if new != old else "kept"
        yield str(key), place, names[new], split, names[old], status
    for other in samples.others:
        old = cells.get(other.label, other.label)
        new = names[better[other.twin]] if other.twin >= 0 else old
        yield other.id, other.path, new, other.split, old, other.status


def remember(path: files.Path, folder: files.Path) -> None:
    """Keeps the digest of the corrected table that was written to `path`."""
    known = _known(folder) | {_key(path): _digest(path)}
    files.write_text(folder / layout.APPLIED, json.dumps(known, indent=1))


def _known(folder: files.Path) -> dict[str, str]:
    return read_json(folder / layout.APPLIED) or {}


def _key(path: files.Path) -> str:
    return os.fspath(path) if files.is_remote(path) else os.path.realpath(path)


def _digest(path: files.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
