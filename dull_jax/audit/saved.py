"""An audit as it lies in its folder: what a review of it needs, beyond the list of suspects."""

import hashlib
import json
import os
from typing import Any, NamedTuple

import numpy as np

from dull_jax import files
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.verdicts import Listed
from dull_jax.data.groups import group_of
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.errors import UserError, reason
from dull_jax.names import shown
from dull_jax.run_dir import layout
from dull_jax.stats import neighbour_graph, opinion_pool
from dull_jax.stats.label_audit import LabelAudit

CANDIDATES, NEIGHBOURS, EXAMPLES = 5, 5, 12  # of a sample, of a sample, of a class
ABSENT = -1  # in place of a row or class
DIGEST = 12  # hex digits


class SavedAudit(NamedTuple):
    """N labels of K classes, of which M are listed. Rows are positions among the N."""

    ids: np.ndarray  # str [N]
    paths: np.ndarray  # str [N], as people know them; "" where there is no file
    files: np.ndarray  # str [N], where the image is, absolute; "" where that is unknown
    given: np.ndarray  # int32 [N]
    suggested: np.ndarray  # int32 [N]
    p_wrong: np.ndarray  # float32 [N]
    flagged: np.ndarray  # bool [N]
    groups: np.ndarray  # str [N]: head, medium or tail, of the given class
    candidates: np.ndarray  # int32 [N, 5], the likeliest classes, the likeliest first
    neighbours: np.ndarray  # int32 [N, 5] rows, the nearest first; [N, 0] without embeddings
    examples: np.ndarray  # int32 [K, 12] rows whose label is surely right, the surest first
    listed: np.ndarray  # int32 [M] rows, in the order of the list
    verdicts: np.ndarray  # str [M]
    twins: np.ndarray  # int32 [M] row of the copy that a sample has
    twin_files: np.ndarray  # str [M], the file of that copy, which may be a test image
    class_names: tuple[str, ...]
    summary: dict[str, Any]  # audit.json
    digest: str  # of audit.npz
    pictures: np.ndarray | None  # uint8 [N, H, W, C] on disk, where images have no files


def write(
    folder: files.Path,
    samples: AuditInput,
    audit: LabelAudit,
    listed: Listed,
    features: np.ndarray | None = None,
) -> None:
    """Writes the arrays of every label, flagged or not."""
    arrays = _arrays(samples, audit, listed, features)
    with files.whole(folder / layout.AUDIT_ARRAYS) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    path = folder / layout.AUDIT_PICTURES
    if isinstance(samples.images, np.ndarray):
        with files.whole(path) as file:
            np.save(file, samples.images, allow_pickle=False)
    else:
        path.unlink(missing_ok=True)


def _arrays(
    samples: AuditInput, audit: LabelAudit, listed: Listed, features: np.ndarray | None
) -> dict[str, np.ndarray]:
    groups = np.array(group_of(audit.groups, len(samples.class_names)), str)
    twins = [listed.twins.get(int(n)) for n in listed.rows]
    places = image_files(samples.images, samples.paths)
    test, in_test = samples.test, any(t is not None and t.in_test for t in twins)
    test_places = image_files(test.images, test.paths) if test and in_test else None
    return {
        "ids": samples.ids,
        "paths": samples.paths.astype(str),
        "files": places,
        "given": samples.given,
        "suggested": audit.suggested,
        "p_wrong": audit.wrong,
        "flagged": audit.flagged,
        "transition": audit.transition,
        "groups": groups[samples.given],
        "candidates": audit.candidates,
        "neighbours": _neighbours(features, len(samples.given)),
        "examples": examples(samples.given, audit.wrong, len(samples.class_names)),
        "listed": listed.rows.astype(np.int32),
        "verdicts": listed.verdicts.astype(str),
        "twins": np.array([ABSENT if t is None or t.in_test else t.row for t in twins], np.int32),
        "twin_files": np.array([_twin_file(places, test_places, t) for t in twins], str),
    }


def image_files(images: object, paths: np.ndarray) -> np.ndarray:
    """str `[N]`: where each image is; "" where no file of it is known."""
    if isinstance(images, ImageFiles):
        places = (os.path.abspath(images.root / path) if path else "" for path in images.paths)
        return np.array(list(places), str)
    there = [os.path.abspath(path) if path and os.path.isfile(path) else "" for path in paths]
    return np.array(there, str)


def _twin_file(places: np.ndarray, test_places: np.ndarray | None, twin: Any) -> str:
    if twin is None:
        return ""
    if twin.in_test and test_places is not None:
        return str(test_places[twin.row])
    return str(places[twin.row])


def _neighbours(features: np.ndarray | None, size: int) -> np.ndarray:
    if features is None or size < 2:
        return np.zeros((size, 0), np.int32)
    graph = neighbour_graph.of_same_features(features, opinion_pool.NEIGHBOURS)
    return graph.indices[:, :NEIGHBOURS].astype(np.int32)


def examples(given: np.ndarray, wrong: np.ndarray, num_classes: int) -> np.ndarray:
    """int32 `[K, 12]`: rows of each class that are the least likely to be wrong, or `ABSENT`."""
    rows = np.full((num_classes, EXAMPLES), ABSENT, np.int32)
    order = np.lexsort((wrong, given))
    first = np.searchsorted(given[order], np.arange(num_classes + 1))
    for k in range(num_classes):
        best = order[first[k] : first[k + 1]][:EXAMPLES]
        rows[k, : len(best)] = best
    return rows


def read(folder: files.Path) -> SavedAudit:
    """What `write`, and `outputs.write` beside it, left in the folder.

    Raises:
      UserError: there is no audit, or one of an older version.
    """
    if not layout.is_audit(folder):
        raise UserError(f"{shown(str(folder))}: there is no audit in this folder; run one first")
    path = folder / layout.AUDIT_ARRAYS
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST]
        with np.load(path, allow_pickle=False) as arrays:
            fields = {name: arrays[name] for name in SavedAudit._fields[:-4]}
        summary = json.loads((folder / layout.AUDIT_SUMMARY).read_text())
        names = tuple(summary["class_names"])
        pictures = folder / layout.AUDIT_PICTURES
        there = pictures.is_file()
        shots = np.load(pictures, mmap_mode="r", allow_pickle=False) if there else None
    except Exception as error:  # a damaged archive fails in many ways; none of them runs code
        raise UserError(
            f"{shown(str(folder))}: damaged, or written by an older version ({reason(error)}); "
            "audit again"
        ) from None
    return SavedAudit(**fields, class_names=names, summary=summary, digest=digest, pictures=shots)
