"""The images of a run that was begun, among those that are there now.

A run remembers in labels.npz what it was begun with. Images of the user's own are found again by
their id, so one that was moved or renamed is the same, what was added is no part of the run, and no
split is drawn anew.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from dull_jax import files
from dull_jax.data import labels_file
from dull_jax.data.labels_file import Labels
from dull_jax.data.own.image_index import Aside, listed
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.run_dir import layout

_NEW = "new since this run began, no part of it"
_ARRAYS = ("ids", "paths", "labels", "splits", "heights", "widths", "contents", "notes")


def columns(manifest: Manifest) -> Labels:
    """What a run remembers: str arrays, the names of its classes and the ids of each part."""
    parts = (manifest.ids[manifest.splits == part] for part in ("train", "test"))
    return dict(zip(labels_file.OWN, (np.array(manifest.class_names, str), *parts), strict=True))


def restore(
    manifest: Manifest,
    labels: Labels,
    path: files.Path,
    say: Callable[[str], None],
    partial: bool,
) -> tuple[Manifest, Labels]:
    """The run's images and labels among what is there now, those apart that are gone.

    Args:
      manifest: what is there now.
      labels: of the run.
      path: of its labels.npz.
      say: is told of images that are new, or gone.
      partial: go on without images that are gone.

    Raises:
      UserError: images are gone: any, or with `partial` more than half.
    """
    still = match_images(manifest, labels, path.parent)
    if still.new:
        say(
            f"{_images(still.new)} new since this run began and not part of it; a new workdir "
            "takes them in"
        )
    if not len(still.gone):
        return still.manifest, labels
    count, paths = len(still.gone), listed(still.gone_paths)
    total = len(labels["ids"]) + len(labels["holdout_ids"])
    left = [~np.isin(labels[f"{part}ids"], still.gone) for part in ("", "holdout_")]
    if not partial or 2 * sum(map(np.sum, left)) < total:
        remedy = "name where they are (--data_dir=NEW)" if partial else "put them back"
        raise UserError(
            f"{_images(count, 'of this run')} gone from {shown(str(manifest.root))} or changed "
            f"({paths}); {remedy}, or train in another workdir"
        )
    without = "it" if count == 1 else "them"
    say(f"{_images(count, 'of the run')} gone ({paths}): audited without {without}")
    kept = {
        f"{part}{name}": labels[f"{part}{name}"][rows]
        for part, rows in zip(("", "holdout_"), left, strict=True)
        for name in labels_file.COLUMNS
    }
    return still.manifest, labels | kept


def _images(count: int, whose: str = "") -> str:
    """'1 image is', '2 images of this run are'."""
    words = (f"{count:,} image" + "s" * (count > 1), whose, "are" if count > 1 else "is")
    return " ".join(filter(None, words))


class StillThere(NamedTuple):
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


def match_images(
    manifest: Manifest, labels: Mapping[str, np.ndarray], run: files.Path
) -> StillThere:
    """A run's images among those of `manifest`.

    An image whose class is none of the run's counts as gone.

    Args:
      manifest: what is there now.
      labels: of the run's labels.npz; that of an older run has none of `labels_file.OWN`.
      run: its folder; the manifest.csv there, if any, knows where the images were.
    """
    was = _manifest_csv(run)
    memory = _memory(manifest, labels, was)
    number = {name: k for k, name in enumerate(memory.class_names.tolist())}
    now = np.array([number.get(name, -1) for name in manifest.class_names], np.int32)
    row_of = {key: n for n, key in enumerate(manifest.ids.tolist()) if now[manifest.labels[n]] >= 0}
    wanted = np.concatenate([memory.used, memory.left, memory.test]).tolist()
    rows = np.array([row_of[key] for key in wanted if key in row_of], np.int64)
    mine = _rows_of(manifest, rows)
    mine = dataclasses.replace(
        mine,
        class_names=tuple(number),
        labels=now[mine.labels],
        splits=np.where(np.isin(mine.ids, memory.test), "test", "train"),
    )
    needed = np.concatenate([memory.used, memory.test])
    gone = needed[[key not in row_of for key in needed.tolist()]]
    paths = [was[key].path if key in was else key for key in gone.tolist()]
    return StillThere(mine, gone, paths, len(manifest.ids) - len(rows))


class _Memory(NamedTuple):
    """str arrays: names of the run's classes; ids it uses, left out of the long tail, tests on."""

    class_names: np.ndarray
    used: np.ndarray
    left: np.ndarray
    test: np.ndarray


def _memory(
    manifest: Manifest, labels: Mapping[str, np.ndarray], was: Mapping[str, "_Was"]
) -> _Memory:
    used = np.concatenate([labels["ids"], labels["holdout_ids"]])
    if "test_ids" in labels:
        names, train, test = (labels[name] for name in labels_file.OWN)
    else:  # an older run: manifest.csv knows; without it, all that is not trained on was held out
        names = np.array(manifest.class_names, str)
        train = np.array([key for key, row in was.items() if row.split == "train"], str)
        test = np.array([key for key, row in was.items() if row.split == "test"], str)
        test = test if was else np.setdiff1d(manifest.ids, used)
    return _Memory(names, used, np.setdiff1d(train, used), test)


def _rows_of(manifest: Manifest, rows: np.ndarray) -> Manifest:
    """These rows; the others are put aside."""
    new = [
        Aside(
            manifest.paths[row],
            manifest.class_names[manifest.labels[row]],
            str(manifest.splits[row]),
            _NEW,
            str(manifest.ids[row]),
        )
        for row in np.setdiff1d(np.arange(len(manifest.ids)), rows)
    ]
    arrays = {name: getattr(manifest, name)[rows] for name in _ARRAYS}
    return dataclasses.replace(manifest, **arrays, aside=(*manifest.aside, *new))


class _Was(NamedTuple):
    path: str
    split: str


def _manifest_csv(run: files.Path) -> dict[str, _Was]:
    """Id -> where the image was when the run was last started; {} where nothing can be read."""
    try:
        table = csv_io.read(run / layout.MANIFEST, ("id", "path", "split", "status")).columns
    except UserError:
        return {}
    rows = zip(table["id"], table["path"], table["split"], table["status"], strict=True)
    return {key: _Was(path, split) for key, path, split, status in rows if status == "used"}
