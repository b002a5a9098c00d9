"""FiftyOne's image classification format: labels.json, and the images in TARGET/data.

fiftyone.Dataset.from_dir(TARGET, fiftyone.types.FiftyOneImageClassificationDataset)
"""

import json
import pathlib

from dull_jax import files
from dull_jax.audit import safe_names, written_folder
from dull_jax.audit.corrections import Correction, Corrections

SUFFIXES = ()


def write(target: files.Path, corrections: Corrections, copy: bool) -> tuple[str, ...]:
    """Raises UserError: as `folders.write`."""
    rows, notes = corrections.with_files(target)
    keys = [f"{number:07}" for number in range(len(rows))]  # of labels and of files' names
    suffixes = [pathlib.PurePath(row.file).suffix.lower() for row in rows]
    places = [
        pathlib.PurePath("data", safe_names.safe_file(key + suffix))
        for key, suffix in zip(keys, suffixes, strict=True)
    ]
    labels = {key: _label(row) for key, row in zip(keys, rows, strict=True)}
    text = json.dumps({"classes": None, "labels": labels}, indent=1)
    images = dict(zip(places, (row.file for row in rows), strict=True))
    written_folder.write(target, images, {pathlib.PurePath("labels.json"): text}, copy)
    return notes


def _label(row: Correction) -> dict:
    # A classification has an id of its own.
    attributes: dict[str, str | float] = {"source_id": row.id, "given": row.given}
    attributes |= {"split": row.split, "status": row.status}
    if row.audited:
        attributes["p_wrong"] = round(row.p_wrong, 4)
        attributes["suggested"] = row.suggested
    return {"label": row.label, "attributes": attributes}
