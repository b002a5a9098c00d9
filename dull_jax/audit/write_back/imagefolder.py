"""Hugging Face's imagefolder: TARGET/<split>/metadata.csv with file_name and label, and images.

datasets.load_dataset("imagefolder", data_dir=TARGET)
"""

import csv
import pathlib

from dull_jax.audit.corrections import Corrections
from dull_jax.audit.write_back import folders

SUFFIXES = ()
SPLITS = {"train": "train", "test": "test", "val": "validation"}  # as the library calls them


def write(target: pathlib.Path, corrections: Corrections, copy: bool) -> None:
    """The columns given and p_wrong are there too. Raises UserError: as `folders.write`."""
    rows = folders.with_files(target, corrections)
    splits = [SPLITS[folders.part_of(row)] for row in rows]
    places = list(folders.named(rows, [pathlib.Path(split) for split in splits]))
    folders.put(target, rows, places, copy)
    for split in dict.fromkeys(splits):
        with (target / split / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file_name", "label", "id", "given", "p_wrong"))
            for row, place, part in zip(rows, places, splits, strict=True):
                if part == split:
                    p = "" if row.p_wrong != row.p_wrong else f"{row.p_wrong:.4f}"
                    writer.writerow((place.name, row.label, row.id, row.given, p))
