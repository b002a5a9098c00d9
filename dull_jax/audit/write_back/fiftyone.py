"""FiftyOne's image classification format: labels.json, and the images in TARGET/data.

fiftyone.Dataset.from_dir(TARGET, fiftyone.types.FiftyOneImageClassificationDataset)
"""

import json
import pathlib

from dull_jax.audit.corrections import Correction, Corrections
from dull_jax.audit.write_back import folders

SUFFIXES = ()


def write(target: pathlib.Path, corrections: Corrections, copy: bool) -> None:
    """Raises UserError: as `folders.write`."""
    rows = folders.with_files(target, corrections)
    keys = [f"{number:07}" for number in range(len(rows))]
    places = [
        pathlib.Path("data", key + pathlib.PurePath(row.file).suffix.lower())
        for key, row in zip(keys, rows, strict=True)
    ]
    folders.put(target, rows, places, copy)
    labels = {key: _label(row) for key, row in zip(keys, rows, strict=True)}
    text = json.dumps({"classes": None, "labels": labels}, indent=1)
    (target / "labels.json").write_text(text)


def _label(row: Correction) -> dict:
    # A classification has an id of its own.
    attributes = {"source_id": row.id, "given": row.given, "split": row.split, "status": row.status}
    if row.p_wrong == row.p_wrong:
        attributes["p_wrong"] = round(row.p_wrong, 4)
        attributes["suggested"] = row.suggested
    return {"label": row.label, "attributes": attributes}
