"""The images of a run that was begun, among those that are there now.

A run remembers in labels.npz what it was begun with. Images are found again by their id, so one
that was moved or renamed is the same, what was added is no part of the run, and no split is drawn
anew.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dull_jax.data.own import sheet
from dull_jax.data.own.listing import Problem
from dull_jax.data.own.manifest import Manifest
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.run_dir import layout

COLUMNS = ("class_names", "train_ids", "test_ids")  # in labels.npz, of your own images
_NEW = "new since this run began, no part of it"
_ARRAYS = ("ids", "paths", "labels", "splits", "heights", "widths", "contents", "notes")


class Begun(NamedTuple):
    """What is left of a run's images.

    manifest: those that are there, in the run's order, with its classes and its split.
    gone: str [n], ids of those that it is trained or tested on and that are not there.
    gone_paths: n paths, where they were; ids, where that is not known.
    new: how many there are that were not there when it began.
    """

    manifest: Manifest
    gone: np.ndarray
    gone_paths: list[str]
    new: int


class _Memory(NamedTuple):
    """str arrays: names of the run's classes; ids it uses, left out of the long tail, tests on."""

    class_names: np.ndarray
    used: np.ndarray
    left: np.ndarray
    test: np.ndarray


def columns(manifest: Manifest) -> dict[str, np.ndarray]:
    """What a run remembers: str arrays, the names of its classes and the ids of each part."""
    parts = (manifest.ids[manifest.splits == part] for part in ("train", "test"))
    return dict(zip(COLUMNS, (np.array(manifest.class_names, str), *parts), strict=True))


def found_again(manifest: Manifest, labels: Mapping[str, np.ndarray], folder: Path) -> Begun:
    """A run's images among those of `manifest`.

    An image whose class is none of the run's counts as gone.

    Args:
      manifest: what is there now.
      labels: of the run's labels.npz; that of an older run has none of `COLUMNS`.
      folder: the run's; its manifest.csv, where there is one, knows where the images were.
    """
    was = _manifest_csv(folder)
    memory = _memory(manifest, labels, was)
    number = {name: k for k, name in enumerate(memory.class_names.tolist())}
    now = np.array([number.get(name, -1) for name in manifest.class_names], np.int32)
    places = {k: n for n, k in enumerate(manifest.ids.tolist()) if now[manifest.labels[n]] >= 0}
    wanted = np.concatenate([memory.used, memory.left, memory.test]).tolist()
    rows = np.array([places[key] for key in wanted if key in places], np.int64)
    mine = _rows_of(manifest, rows)
    mine = dataclasses.replace(
        mine,
        class_names=tuple(number),
        labels=now[mine.labels],
        splits=np.where(np.isin(mine.ids, memory.test), "test", "train"),
    )
    needed = np.concatenate([memory.used, memory.test])
    gone = needed[[key not in places for key in needed.tolist()]]
    paths = [was[key].path if key in was else key for key in gone.tolist()]
    return Begun(mine, gone, paths, len(manifest.ids) - len(rows))


def _memory(
    manifest: Manifest, labels: Mapping[str, np.ndarray], was: Mapping[str, "_Was"]
) -> _Memory:
    used = np.concatenate([labels["ids"], labels["holdout_ids"]])
    if "test_ids" in labels:
        names, train, test = (labels[name] for name in COLUMNS)
    else:  # an older run: manifest.csv knows; without it, all that is not trained on was held out
        names = np.array(manifest.class_names, str)
        train = np.array([key for key, row in was.items() if row.split == "train"], str)
        test = np.array([key for key, row in was.items() if row.split == "test"], str)
        test = test if was else np.setdiff1d(manifest.ids, used)
    return _Memory(names, used, np.setdiff1d(train, used), test)


def _rows_of(manifest: Manifest, rows: np.ndarray) -> Manifest:
    """These rows; the others are problems."""
    others = np.setdiff1d(np.arange(len(manifest.ids)), rows)
    new = [
        Problem(manifest.paths[row], _NEW, manifest.class_names[manifest.labels[row]], is_file=True)
        for row in others
    ]
    arrays = {name: getattr(manifest, name)[rows] for name in _ARRAYS}
    return dataclasses.replace(manifest, **arrays, problems=(*manifest.problems, *new))


class _Was(NamedTuple):
    path: str
    split: str


def _manifest_csv(folder: Path) -> dict[str, _Was]:
    """Id -> where the image was when the run was last started; {} where nothing can be read."""
    try:
        table = sheet.read(folder / layout.MANIFEST, ("id", "path", "split", "status")).columns
    except UserError:
        return {}
    rows = zip(table["id"], table["path"], table["split"], table["status"], strict=True)
    return {key: _Was(path, split) for key, path, split, status in rows if status == "used"}
