"""Clothing1M as people have it on disk.

T. Xiao, T. Xia, Y. Yang, C. Huang and X. Wang, "Learning from Massive Noisy Labeled Data for Image
Classification", CVPR 2015. A million images from shops, labelled from the text around them; tens of
thousands labelled by hand. Below the folder:

    images/0..9/...
    noisy_train_key_list.txt, noisy_label_kv.txt
    clean_val_key_list.txt, clean_test_key_list.txt, clean_label_kv.txt
    category_names_eng.txt (may be missing)

The text files may also lie in `annotations/`. An image that the noisy and the clean list share is
found by its content when the files are read, and taken out of train.
"""

import os
import pathlib
from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data.own.image_index import ImageIndex, count_problem, named_folder, on_disk
from dull_jax.data.tables import published_list
from dull_jax.errors import UserError
from dull_jax.names import composed, shown

TITLE = "Clothing1M"

CLASS_NAMES = (
    "T-Shirt",
    "Shirt",
    "Knitwear",
    "Chiffon",
    "Sweater",
    "Hoodie",
    "Windbreaker",
    "Jacket",
    "Down Coat",
    "Suit",
    "Shawl",
    "Dress",
    "Vest",
    "Underwear",
)
COUNTS = {"noisy_train": 1_000_000, "clean_val": 14_313, "clean_test": 10_526}

Row = tuple[str, int, int]  # path, label, row of the key list


def index(options: ConfigDict) -> ImageIndex:
    """What is below config.data.dir; see `read`."""
    return read(named_folder(options.name, options.dir))


def read(
    root: str | pathlib.Path, held_out: str = "test", counts: Mapping[str, int] = COUNTS
) -> ImageIndex:
    """The noisy images as train part, the clean ones as test part.

    Args:
      held_out: the clean part to test on, "test", or "val" to choose settings by.
      counts: how many images each part should have; a difference is a problem of the index.

    Raises:
      UserError: naming all that is missing, or the file and row that is wrong.
    """
    root = pathlib.Path(os.path.abspath(pathlib.Path(root).expanduser()))
    inner = "annotations/" if (root / "annotations" / "noisy_train_key_list.txt").exists() else ""
    parts = {"train": "noisy_train", "test": f"clean_{held_out}"}
    keys = {split: f"{inner}{part}_key_list.txt" for split, part in parts.items()}
    kinds = {"train": f"{inner}noisy_label_kv.txt", "test": f"{inner}clean_label_kv.txt"}
    published_list.require("Clothing1M", root, ["images", *keys.values(), *kinds.values()])
    rows = {split: _part(root / keys[split], root / kinds[split]) for split in parts}
    problems = [
        problem
        for split, part in parts.items()
        for problem in count_problem(keys[split], len(rows[split]), counts[part])
    ]
    both = rows["train"] + rows["test"]
    return ImageIndex(
        root,
        _class_names(root / f"{inner}category_names_eng.txt"),
        [on_disk(path, root) for path, _, _ in both],
        np.array([label for _, label, _ in both], np.int32),
        np.repeat(["train", "test"], [len(rows["train"]), len(rows["test"])]),
        tuple(problems),
        np.array([row for _, _, row in both]),
    )


def _part(keys: pathlib.Path, labels: pathlib.Path) -> list[Row]:
    labelled, rows = published_list.labelled(labels, len(CLASS_NAMES)), []
    known = {composed(key): label for key, (label, _) in labelled.items()}
    for row, key in enumerate(published_list.lines(keys), 1):
        if key and composed(key) not in known:
            raise UserError(f"{shown(str(keys))}, row {row}: no label for it in {labels.name}")
        if key:
            rows.append((key, known[composed(key)], row))
    return rows


def _class_names(path: pathlib.Path) -> tuple[str, ...]:
    if not path.exists():
        return CLASS_NAMES
    names = tuple(line for line in published_list.lines(path) if line)
    if len(set(map(composed, names))) != len(CLASS_NAMES):
        raise UserError(f"{shown(str(path))}: {len(names)} class names instead of 14")
    return names
