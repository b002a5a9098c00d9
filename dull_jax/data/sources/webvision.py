"""WebVision 1.0, its Google part, as people have it on disk.

W. Li, L. Wang, W. Li, E. Agustsson and L. Van Gool, "WebVision Database: Visual Learning and
Understanding from Web Data", arXiv:1708.02862. Images that Google found for ImageNet's classes.
WebVision-50 (mini-WebVision) is its first 50 classes. Below the folder:

    info/train_filelist_google.txt, info/val_filelist.txt
    info/synsets.txt (may be missing: the names of the classes)
    google/...
    val_images_256/... or val_images/...

A folder with `train/<class>` instead is read as any other folder of images.
"""

import os
import pathlib
from collections import Counter
from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data.own.image_index import ImageIndex, count_problem, named_folder, on_disk
from dull_jax.data.sources import folder as image_folder
from dull_jax.data.tables import published_list
from dull_jax.errors import UserError
from dull_jax.names import shown

TITLE = "WebVision"

_ALL = 1000
_TRAIN, _VAL = "info/train_filelist_google.txt", "info/val_filelist.txt"
_VAL_FOLDERS = ("val_images_256", "val_images")
# Classes -> images of the train part and of the validation part; None is not checked.
COUNTS = {50: (65_944, 2_500), _ALL: (None, 50_000)}

Row = tuple[str, int, int]  # path, label, row of the list


def index(options: ConfigDict) -> ImageIndex:
    """What is below config.data.dir; see `read`."""
    return read(named_folder(options.name, options.dir))


def read(
    root: str | pathlib.Path,
    classes: int = 50,
    counts: Mapping[int, tuple[int | None, int | None]] = COUNTS,
) -> ImageIndex:
    """The Google images as train part, the validation images as test part.

    Args:
      classes: the first so many of the 1,000.
      counts: how many images there should be; a difference is a problem of the index.

    Raises:
      UserError: naming all that is missing, or the file and row that is wrong.
    """
    root = pathlib.Path(os.path.abspath(pathlib.Path(root).expanduser()))
    if not 2 <= classes <= _ALL:
        raise UserError(f"WebVision has 2 to {_ALL} classes to choose, not {classes}")
    if not (root / "info").exists() and (root / "train").is_dir():
        return image_folder.read(root)
    val = next((name for name in _VAL_FOLDERS if (root / name).is_dir()), _VAL_FOLDERS[0])
    published_list.require("WebVision", root, [_TRAIN, _VAL, "google", val])
    train = _part(root / _TRAIN, "", classes)
    test = _part(root / _VAL, f"{val}/", classes)
    expected = counts.get(classes, (None, None))
    return ImageIndex(
        root,
        _class_names(root / "info/synsets.txt", classes),
        [on_disk(path, root) for path, _, _ in train + test],
        np.array([label for _, label, _ in train + test], np.int32),
        np.repeat(["train", "test"], [len(train), len(test)]),
        (
            *count_problem(_TRAIN, len(train), expected[0]),
            *count_problem(_VAL, len(test), expected[1]),
        ),
        np.array([row for _, _, row in train + test]),
    )


def _part(path: pathlib.Path, folder: str, classes: int) -> list[Row]:
    entries = published_list.labelled(path, _ALL).items()
    return [(folder + key, label, row) for key, (label, row) in entries if label < classes]


def _class_names(path: pathlib.Path, classes: int) -> tuple[str, ...]:
    """'tench, Tinca tinca'; where two classes have the same words, with the synset in brackets."""
    if not path.exists():
        return tuple(map(str, range(classes)))
    pairs = [line.partition(" ")[::2] for line in published_list.lines(path) if line][:classes]
    if len(pairs) < classes:
        raise UserError(f"{shown(str(path))}: {len(pairs)} classes instead of {classes} or more")
    seen = Counter(words.strip() for _, words in pairs)
    return tuple(
        words.strip() if words.strip() and seen[words.strip()] == 1 else f"{words} ({synset})"
        for synset, words in pairs
    )
