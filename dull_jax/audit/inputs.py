"""What an audit looks at: labels, predictions that have not seen them, and names for both.

Here of a run; `prediction_files` has the same of anybody's predictions.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import numpy as np
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import files
from dull_jax.audit import all_labels, crossval, eval_part
from dull_jax.audit.decisions import Decided, DecisionFile, check_names
from dull_jax.audit.eval_part import EvalPart
from dull_jax.data import sources
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.data.own.duplicates import Duplicate
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.image_index import HELD_OUT, split_of
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.prepare import prepare
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.embed.dataset import embedded
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import shown
from dull_jax.run_dir import layout
from dull_jax.run_dir.overwrite import make_audit
from dull_jax.run_dir.read import read_recipe
from dull_jax.train import identity
from dull_jax.train.parallel import Devices

Say = Callable[[str], None]
PAGE_SIDE = 224  # pixels that a page has of a side, of images that are in files


class Other(NamedTuple):
    """A file whose label is not audited."""

    id: str
    path: str
    label: str
    split: str
    status: str = "not audited"  # or as of `Unused`
    twin: int = -1  # position of the audited label that a duplicate shares
    given: str = ""  # before a person decided, where that is another than `label`


@dataclasses.dataclass(frozen=True)
class AuditInput:
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
    row_numbers: bool = False  # whether ids are the numbers of rows, for want of others
    predicted: np.ndarray | None = None  # [K, K] of `column_order.predicted`, where it is known
    vectors: np.ndarray | VectorFiles | None = None  # [N, V, D], where the run was trained on them
    test: EvalPart | None = None  # where there are vectors of it
    decided: Decided | None = None  # what a person has decided of them
    fold_key: str = ""  # of the files in which the folds of `probs` are kept, if they are

    @property
    def held_out(self) -> np.ndarray:
        """bool [N]: whether the sample is of a part that is not trained on."""
        if self.splits is None:
            return np.zeros(len(self.given), bool)
        return np.array([split_of(str(split)) in HELD_OUT for split in self.splits], bool)


def of_run(
    folder: Path,
    folds: int,
    epochs: int,
    keep: Path,
    say: Say,
    devices: int = 0,
    data_dir: str = "",
    data_file: str = "",
    decisions: DecisionFile | None = None,
) -> AuditInput:
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
      decisions: what a person has decided of these labels.

    Raises:
      UserError: no run, one of another version, or most of its images are gone or changed.
    """
    config = recipe.completed(_recipe(folder))
    with _fields_of(folder / layout.CONFIG):
        config.method, config.train.devices = "ce", devices
        config.train.epochs = epochs or config.train.epochs
        moved = _moved(folder, config.data, data_dir, data_file)
        config, dataset = prepare(config, say, labels=folder / layout.LABELS, audit=True)
        if moved:
            identity.remember_places(folder, config.data.dir, config.data.file)
        return of_dataset(config, dataset, folds, keep, say, folder, decisions)


def _moved(folder: Path, options: ConfigDict, data_dir: str, data_file: str) -> bool:
    """Puts the new places into `options`, config.data; whether there are any.

    Raises:
      UserError: one is not there, and its flag is named; or the run has no such place.
    """
    places = sources.places(options.name)
    if data_file and "file" not in places:
        raise UserError(
            "--data_file: this run was not told of its images by a table; use --data_dir"
        )
    for field, text in (("dir", data_dir), ("file", data_file)):
        if text:
            options[field] = os.path.abspath(files.expanded(text, f"--data_{field}"))
        where = options[field] if field in places else ""
        if where and not os.path.exists(where):
            raise UserError(
                f"{folder}: {shown(where)}, where the images or vectors of this run should be, is "
                f"not there; name the place where they are now: --data_{field}=NEW"
            )
    return bool(data_dir or data_file)


def of_dataset(
    config: ConfigDict,
    dataset: Dataset,
    folds: int,
    keep: Path,
    say: Say,
    folder: Path | None = None,
    decisions: DecisionFile | None = None,
) -> AuditInput:
    """All labels of a data set but those of a test part that its user named, out of fold.

    Heads of vectors are trained on what was decided. Networks that learn from images are not: that
    would take as long as the first audit, and what they predicted before is kept.

    Args: as of `of_run`; a recipe in which nothing is open; folder: of the run, if there is one.

    Raises:
      UserError: see `embedded`, `crossval` and `DecisionFile.of_samples`; of decisions, and of a
        class that is called as one, before anything is written.
    """
    dataset, splits = all_labels.merged(dataset)
    whole = dataset.train
    check_names(whole.class_names)
    decided = decisions.of_samples(whole.ids, whole.class_names, whole.given) if decisions else None
    make_audit(keep)
    test_images = dataset.test.images
    dataset = embedded(config, dataset, Devices(config.train.devices), folder or keep, say)
    train, manifest = dataset.train, dataset.manifest
    paths, contents = np.full(len(train.ids), "", object), train.ids
    others: tuple[Other, ...] = ()
    if manifest is None and dataset.pictures is None:
        contents, others = _contents(_vectors(train)), _others_of_vectors(dataset)
        paths = np.array([dataset.paths.get(key, "") for key in train.ids.tolist()], object)
    elif manifest is not None:
        rows_of = {name: n for n, name in enumerate(manifest.ids)}
        rows = np.array([rows_of[name] for name in train.ids])
        paths, contents = manifest.paths[rows], manifest.contents[rows]
        others = _others(manifest, rows)
    known = decided.label if decided and train.vector_size else None
    say(
        f"predicting each of {len(train.ids):,} labels by networks that have not seen it: "
        f"{folds} folds of {config.train.epochs} epochs"
    )
    if config.init:
        say(f"they start from the backbone of {config.init}; it should not have seen the labels")
    plan = crossval.planned(config, dataset, contents, folds, known)
    probs = crossval.predictions(plan, keep, say)
    return AuditInput(
        ids=train.ids,
        paths=paths,
        given=train.given,
        probs=probs,
        class_names=train.class_names,
        clean=dataset.clean if dataset.truth_known else None,
        images=_pictures(dataset, paths),
        duplicates=() if manifest is None else manifest.duplicates,
        others=others,
        splits=splits,
        vectors=_vectors(train) if train.vector_size else None,
        test=eval_part.of_dataset(dataset, test_images),
        decided=decided,
        fold_key=plan.key,
    )


def _pictures(dataset: Dataset, paths: np.ndarray) -> np.ndarray | ImageFiles | None:
    """What people look at, and what is written back: files, where images in memory have files."""
    if dataset.manifest is not None and isinstance(dataset.pictures, np.ndarray):
        return ImageFiles(dataset.manifest.root, paths, PAGE_SIDE)
    return dataset.pictures


def _recipe(folder: Path) -> ConfigDict:
    config = read_recipe(folder)
    if not config or not (folder / layout.LABELS).exists():
        needed = f"{layout.CONFIG} and {layout.LABELS}"
        raise UserError(f"{folder}: there is no run in this folder ({needed})")
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


def _vectors(train: TrainSet) -> np.ndarray | VectorFiles:
    """The samples of a train set that has a `vector_size`."""
    return cast(np.ndarray | VectorFiles, train.images)


def _contents(vectors: np.ndarray | VectorFiles) -> np.ndarray:
    """str `[N]`, equal for equal vectors: those of copies of one image."""
    blocks = vectors.blocks() if isinstance(vectors, VectorFiles) else (vectors,)
    plain = (row.tobytes() for block in blocks for row in block[:, 0])
    return np.array([hashlib.sha256(row).hexdigest()[:16] for row in plain])


def _others_of_vectors(dataset: Dataset) -> tuple[Other, ...]:
    """All samples of the file of vectors but those to train on."""
    test, names = dataset.test, dataset.train.class_names
    columns = () if dataset.test_drawn else zip(test.ids, test.labels, strict=True)
    others = [
        Other(str(key), dataset.paths.get(str(key), ""), names[label], "test")
        for key, label in columns
    ]
    unused = dataset.unused
    others += [Other(f.id, f.path, f.label, f.split, f.status, given=f.given) for f in unused]
    return tuple(others)


def _others(manifest: Manifest, rows: np.ndarray) -> tuple[Other, ...]:
    """All files but those at `rows`, which are audited."""
    rest = np.setdiff1d(np.arange(len(manifest.ids)), rows)
    names = [manifest.class_names[k] for k in manifest.labels[rest]]
    columns = (manifest.ids[rest].tolist(), manifest.paths[rest], names, manifest.splits[rest])
    others = [
        Other(str(key), str(path), label, str(split))
        for key, path, label, split in zip(*columns, strict=True)
    ]
    audited = {
        (str(manifest.contents[row]), manifest.class_names[manifest.labels[row]]): n
        for n, row in enumerate(rows.tolist())
    }
    for file in manifest.unused():
        twin = audited.get((file.content, file.label), -1) if file.content else -1
        others.append(
            Other(file.id, file.path, file.label, file.split, file.status, twin, file.given)
        )
    return tuple(others)
