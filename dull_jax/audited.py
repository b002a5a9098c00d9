"""What an audit looks at: labels, predictions that have not seen them, and names for both."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.data import sources
from dull_jax.data.dataset import Dataset
from dull_jax.data.own.duplicates import Duplicate
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.prepare import prepare
from dull_jax.data.tables import class_labels, csv_io, given_labels
from dull_jax.errors import UserError, reason
from dull_jax.files import Path
from dull_jax.names import composed, printable, shown
from dull_jax.report.folder import read_recipe
from dull_jax.stats import column_order
from dull_jax.train import out_of_fold, workdir

Say = Callable[[str], None]


class Other(NamedTuple):
    """A file whose label is not audited."""

    id: str
    path: str
    label: str
    split: str
    status: str = "not audited"  # or "duplicate", "left out"
    twin: int = -1  # position of the audited label that a duplicate shares


@dataclasses.dataclass(frozen=True)
class Samples:
    """N labels in doubt; what is not known is None or empty."""

    ids: np.ndarray  # str [N]
    paths: np.ndarray  # str objects [N], "" where there is no file
    given: np.ndarray  # int32 [N]
    probs: np.ndarray  # [N, K] p(given | sample), out of fold
    class_names: tuple[str, ...]
    clean: np.ndarray | None = None  # [N], where the noise was simulated
    images: np.ndarray | ImageFiles | None = None
    duplicates: tuple[Duplicate, ...] = ()
    others: tuple[Other, ...] = ()  # the rest of the files: test part, duplicates, left out
    notes: tuple[str, ...] = ()  # what was made of the input
    splits: np.ndarray | None = None  # str objects [N], as a table had them
    predicted: np.ndarray | None = None  # [K, K] of `column_order.predicted`, where it is known


def of_run(
    folder: Path,
    folds: int,
    epochs: int,
    keep: Path,
    say: Say,
    devices: int = 0,
    data_dir: str = "",
    data_file: str = "",
) -> Samples:
    """The labels that a run was trained on, predicted by cross-validation.

    Images that are gone are left out, which is said.

    Args:
      folder: the run's workdir.
      folds: networks trained.
      epochs: of each; 0 means as many as the run's.
      keep: folder for the folds' predictions.
      devices: as `config.train.devices`, in place of the run's.
      data_dir, data_file: where the images, or their table, are now; the run remembers it. "":
        where they were.

    Raises:
      UserError: no run, one of another version, or most of its images are gone or changed.
    """
    config = _recipe(folder)
    with _fields_of(folder / "config.json"):
        config.method, config.train.devices = "ce", devices
        config.train.epochs = epochs or config.train.epochs
        moved = _moved(folder, config.data, data_dir, data_file)
        config, dataset = prepare(config, say, labels=folder / "labels.npz", audit=True)
        if moved:
            workdir.moved(folder, config.data.dir, config.data.file)
        return _of_run(config, dataset, folds, keep, say)


def _moved(folder: Path, options: ConfigDict, data_dir: str, data_file: str) -> bool:
    """Puts the new places into `options`, config.data; whether there are any.

    Raises:
      UserError: one is not there, and its flag is named; or the run has no such place.
    """
    if data_file and options.name != "csv":
        raise UserError(
            "--data_file: this run was not told of its images by a table; use --data_dir"
        )
    for field, text in (("dir", data_dir), ("file", data_file)):
        if text:
            options[field] = os.path.abspath(files.expanded(text, f"--data_{field}"))
        where = options[field] if sources.is_own(options.name) else ""
        if where and not os.path.exists(where):
            raise UserError(
                f"{folder}: {shown(where)}, where the images of this run should be, is not there; "
                f"name the place where they are now: --data_{field}=NEW"
            )
    return bool(data_dir or data_file)


def _of_run(config: ConfigDict, dataset: Dataset, folds: int, keep: Path, say: Say) -> Samples:
    make(keep)
    train, manifest = dataset.train, dataset.manifest
    paths, contents, others = np.full(len(train.ids), "", object), train.ids, ()
    if manifest is not None:
        places = {name: n for n, name in enumerate(manifest.ids)}
        rows = np.array([places[name] for name in train.ids])
        paths, contents = manifest.paths[rows], manifest.contents[rows]
        others = _others(manifest, rows)
    say(
        f"predicting each of {len(train.ids):,} labels by networks that have not seen it: "
        f"{folds} folds of {config.train.epochs} epochs"
    )
    if config.init:
        say(f"they start from the backbone of {config.init}; it should not have seen the labels")
    probs = out_of_fold.predictions(config, dataset, contents, folds, keep, say)
    return Samples(
        ids=train.ids,
        paths=paths,
        given=train.given,
        probs=probs,
        class_names=train.class_names,
        clean=dataset.clean if dataset.truth_known else None,
        images=train.images,
        duplicates=() if manifest is None else manifest.duplicates,
        others=others,
    )


def _recipe(folder: Path) -> ConfigDict:
    config = read_recipe(folder / "config.json")
    if not config or not (folder / "labels.npz").exists():
        raise UserError(f"{folder}: there is no run in this folder (config.json and labels.npz)")
    return config


@contextmanager
def _fields_of(path: Path) -> Iterator[None]:
    """A field that is looked for in vain is a matter of versions, not a bug."""
    try:
        yield
    except AttributeError as error:
        if not (error.args and isinstance(error.args[0], KeyError)):  # ml_collections' way
            raise
        raise UserError(
            f"{path} is damaged or of another version ({error} is not there); train again"
        ) from None


def _others(manifest: Manifest, rows: np.ndarray) -> tuple[Other, ...]:
    """All files but those at `rows`, which are audited."""
    rest = np.setdiff1d(np.arange(len(manifest.ids)), rows)
    names = [manifest.class_names[k] for k in manifest.labels[rest]]
    columns = (manifest.ids[rest].tolist(), manifest.paths[rest], names, manifest.splits[rest])
    found = [Other(*map(str, row)) for row in zip(*columns, strict=True)]
    audited = {
        (str(manifest.contents[row]), manifest.class_names[manifest.labels[row]]): n
        for n, row in enumerate(rows.tolist())
    }
    for file in manifest.unused():
        twin = audited.get((file.content, file.label), -1) if file.content else -1
        found.append(Other(file.id, file.path, file.label, file.split, file.status, twin))
    return tuple(found)


def make(folder: Path) -> None:
    """Makes the folder of results. Raises UserError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output={folder} cannot be made: {error.strerror}") from None


def of_files(probs: str, labels: str, classes: str = "") -> Samples:
    """Anybody's predictions, and the labels in the order of their rows.

    Args:
      probs: .npy file, floats `[N, K]`; it is not read into memory.
      labels: .csv (.tsv, .tab) with a column label and optional ones id and path, separated
        by commas, semicolons, tabs or bars; or .json, .npy: see `given_labels.read`.
      classes: text file, a class name a line, in the order of the columns of `probs`. "": the
        labels themselves say, if all K classes are among them (columns sorted by name, or by value)
        or if they are numbers that begin with 0.

    Raises:
      UserError: a file cannot be read, or they do not fit together.
    """
    array = _probabilities(probs)
    size, num_classes = array.shape
    numbers = np.arange(size).astype(str)
    if os.path.splitext(labels)[1].lower() not in csv_io.SUFFIXES:
        names = _class_names(classes, None, num_classes)
        given = given_labels.read(labels, numbers, names, by="position")
        shown_names = printable(classes, names)
        return Samples(numbers, np.full(size, "", object), given, array, shown_names)
    table = csv_io.read(labels, ("label",), ("id", "path", "split"))
    columns = table.columns
    names = _class_names(classes, class_labels.read(labels, table), num_classes)
    if "id" in columns:
        csv_io.check_ids(labels, table)
    given = given_labels.of_table(labels, table, size, names)
    counts, notes = column_order.predicted(array, given), ()
    if not classes:
        names, given, counts, notes = _as_the_columns_say(names, given, counts)
    return Samples(
        ids=np.array(columns.get("id", numbers)),
        paths=np.array(columns.get("path", [""] * size), object),
        given=given,
        probs=array,
        class_names=printable(classes or labels, names),
        notes=notes,
        splits=np.array(columns["split"], object) if "split" in columns else None,
        predicted=counts,
    )


def _as_the_columns_say(
    names: tuple[str, ...], given: np.ndarray, counts: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, tuple[str, ...]]:
    """Classes in natural order (class_2, class_10) where that is what the columns are in.

    Args:
      names: in the order of their text, or of their value.
      given: int `[N]`, numbers of `names`.
      counts: of `column_order.predicted`.

    Returns:
      (names, given, counts, notes) in the order that fits.
    """
    if all(map(class_labels.is_whole, names)):
        return names, given, counts, ()
    natural = tuple(class_labels.naturally(names))
    order = [names.index(name) for name in natural]
    others = counts[order]
    if natural == names or column_order.fits_better(counts, others):
        return names, given, counts, ()
    text, number = next(pair for pair in zip(names, natural, strict=True) if pair[0] != pair[1])
    if column_order.fits_better(others, counts):
        note = (
            f"CAUTION: columns taken in the order of the numbers in class names, {number!r} before "
            f"{text!r}: it fits the labels far better than text order. --classes=FILE settles it"
        )
        return natural, np.argsort(order)[given].astype(given.dtype), others, (note,)
    note = (
        f"CAUTION: the columns do not tell whether {text!r} or {number!r} comes first (by text, or "
        "by the numbers in it); taken by text. --classes=FILE settles it"
    )
    return names, given, counts, (note,)


def _probabilities(path: str) -> np.ndarray:
    try:
        files.check_regular(pathlib.Path(path))  # of any size: it is mapped
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # a damaged header fails in many ways; none of them runs code
        raise UserError(f"{path}: not a plain .npy array ({reason(error)})") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise UserError(f"{path}: probabilities must be floats [N, K], this is {found}")
    if not array.size:
        raise UserError(f"{path}: the probabilities {array.shape} are empty")
    return array


def _class_names(path: str, labels: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    if path:
        names = csv_io.text_of(path, path).splitlines()
        names = [composed(name.strip()) for name in names if name.strip()]
        if len(names) != num_classes or len(set(names)) != num_classes:
            raise UserError(
                f"{path}: {len(names)} class names ({len(set(names))} different ones), the "
                f"probabilities have {num_classes} columns"
            )
        return tuple(names)
    found = set(labels or ())
    if len(found) == num_classes:
        return tuple(class_labels.in_order(found))
    from_zero = labels is None or "0" in found  # else they could as well be counted from 1
    whole = all(map(class_labels.is_whole, found))
    if whole and from_zero and all(int(name) < num_classes for name in found):
        return tuple(str(n) for n in range(num_classes))
    raise UserError(
        f"{len(found)} different labels for {num_classes} columns of probabilities: which column "
        "is which? Give --classes=FILE, a class name a line in the order of the columns"
    )
