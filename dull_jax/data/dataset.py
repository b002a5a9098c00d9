"""The data of a run: which images, under which labels; drawn once, saved, and described.

A method sees a `TrainSet`, which has no true labels in it. `Dataset.clean` serves reports.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.config import OWN_IMAGES
from dull_jax.data import draws, longtail, noise, own_images, pipeline, sources
from dull_jax.data.groups import class_groups
from dull_jax.data.own import begun, image_files
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.listing import listed
from dull_jax.data.own.manifest import Manifest
from dull_jax.errors import UserError, reason
from dull_jax.names import shown

Say = Callable[[str], None]

_COLUMNS = ("ids", "given", "clean")


@dataclasses.dataclass(frozen=True)
class TrainSet:
    """What training may look at: images uint8 `[N, H, W, C]`, given labels and ids `[N]`."""

    images: np.ndarray | ImageFiles
    given: np.ndarray
    ids: np.ndarray
    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def counts(self) -> np.ndarray:
        """`[K]` given labels of each class."""
        return np.bincount(self.given, minlength=self.num_classes)

    @functools.cached_property
    def channel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) of each channel of the images, in [0, 1]."""
        return pipeline.channel_statistics(self.images)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A train set with the truth about it beside, a held-out part of it, and the test set."""

    train: TrainSet
    clean: np.ndarray  # [N] true labels, for reports only; where nobody knows them, as given
    holdout: TrainSet  # noisy, like train; empty unless config.data.holdout
    test: sources.Split
    groups: dict[str, list[int]]
    description: dict[str, Any]  # data.json
    labels: dict[str, np.ndarray]  # labels.npz
    manifest: Manifest | None = None  # of your own images

    @property
    def truth_known(self) -> bool:
        return self.description["truth_known"]

    def save(self, path: files.Path) -> None:
        """Writes labels.npz: ids, given and true labels, of the train set and of the holdout.

        Of your own images also what `begun.columns` remembers.
        """
        with files.whole(path) as file:
            np.savez_compressed(file, **self.labels)


def build(
    config: ConfigDict,
    saved: files.Path | None = None,
    manifest: Manifest | None = None,
    say: Say = print,
    partial: bool = False,
) -> Dataset:
    """Loads the images and draws the long tail, the noise and the held-out part.

    Args:
      config: reads `data` and `noise`.
      saved: a labels.npz to use instead of drawing; of your own images its split too, whatever was
        renamed, moved or added since.
      manifest: of your own images, where they are scanned already.
      say: is told of images that are new since `saved`, or gone.
      partial: go on without images that are gone, which training must not.

    Raises:
      UserError: fewer than two classes; images of `saved` that are gone, or have another label now;
        see `sources.load`, `longtail`, `noise.corrupt`.
    """
    labels = None
    if config.data.name in OWN_IMAGES:
        manifest = manifest or own_images.scanned(config.data, lambda text: None)
    if saved is not None and saved.exists():
        labels = _load_labels(saved)
        if manifest is not None:
            manifest, labels = _begun(manifest, labels, saved, say, partial)
    source = _source(config, manifest)
    if labels is None:
        labels = _draw(config, source)
        if manifest is not None:
            labels |= begun.columns(manifest)
    else:
        _check_labels(source, labels, saved)
    clean = labels["clean"]
    train, holdout = (_train_set(source, labels, prefix) for prefix in ("", "holdout_"))
    groups, rule = class_groups(np.bincount(clean, minlength=train.num_classes), config.data.groups)
    description = _describe(config, source, train, clean) | {"groups": groups, "group_rule": rule}
    return Dataset(train, clean, holdout, source.test, groups, description, labels, source.manifest)


def _source(config: ConfigDict, manifest: Manifest | None) -> sources.Source:
    if manifest is not None:
        source = own_images.load(config.data, manifest)
    else:
        source = sources.load(config.data.name, config.data.dir)
    if len(source.class_names) < 2:
        raise UserError(
            f"data set {config.data.name!r} has one class; there is nothing to tell apart"
        )
    return source


def _begun(
    manifest: Manifest, labels: dict[str, np.ndarray], saved: files.Path, say: Say, partial: bool
) -> tuple[Manifest, dict[str, np.ndarray]]:
    """The run's images and labels, those apart that are gone. Raises UserError: see `build`."""
    found = begun.found_again(manifest, labels, saved.parent)
    if found.new:
        say(
            f"{_images(found.new)} new since this run began and not part of it; a new workdir "
            "takes them in"
        )
    if not len(found.gone):
        return found.manifest, labels
    count, paths = len(found.gone), listed(found.gone_paths)
    total = len(labels["ids"]) + len(labels["holdout_ids"])
    left = [~np.isin(labels[f"{part}ids"], found.gone) for part in ("", "holdout_")]
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
        for name in _COLUMNS
    }
    return found.manifest, labels | kept


def _images(count: int, whose: str = "") -> str:
    """'1 image is', '2 images of this run are'."""
    words = (f"{count:,} image" + "s" * (count > 1), whose, "are" if count > 1 else "is")
    return " ".join(filter(None, words))


def _check_labels(source: sources.Source, labels: dict[str, np.ndarray], saved: files.Path) -> None:
    """They are of these classes, and your own are as they were: others would be another run."""
    for prefix in ("", "holdout_"):
        given, clean = labels[f"{prefix}given"], labels[f"{prefix}clean"]
        if max(given.max(initial=0), clean.max(initial=0)) >= len(source.class_names):
            raise UserError(_damaged(saved))
        rows = _locate(source.train.ids, labels[f"{prefix}ids"])
        changed = np.flatnonzero(source.train.labels[rows] != clean)
        if len(changed):
            raise UserError(
                f"{saved} holds other labels than there are now for {len(changed)} images (the "
                f"first: {_name(source, rows[changed[0]])}); train on the new ones in another "
                "workdir"
            )


def _name(source: sources.Source, row: int) -> str:
    """Of a train image: its path where it has one."""
    key = str(source.train.ids[row])
    if source.manifest is None:
        return key
    return shown(source.manifest.paths[np.flatnonzero(source.manifest.ids == key)[0]])


def _train_set(source: sources.Source, labels: dict[str, np.ndarray], prefix: str) -> TrainSet:
    ids, given = labels[f"{prefix}ids"], labels[f"{prefix}given"]
    images = image_files.subset(source.train.images, _locate(source.train.ids, ids))
    return TrainSet(images, given, ids, source.class_names)


def _draw(config: ConfigDict, source: sources.Source) -> dict[str, np.ndarray]:
    """What labels.npz holds, the result of every random draw."""
    labels, num_classes = source.train.labels, len(source.class_names)
    spec = noise.NoiseSpec.of(config.noise, config.data.name)
    max_count = config.data.max_count or int(np.bincount(labels, minlength=num_classes).min())
    factor = config.data.imbalance_factor
    if noise.draws_subset(spec):
        if config.data.profile != "exponential":
            raise UserError(f"noise {spec.name} is drawn on the exponential long tail only")
        counts = longtail.class_counts("exponential", max_count, factor, num_classes)
        positions, noisy = noise.subset_and_labels(spec, labels, num_classes, counts)
    else:
        positions = np.arange(len(labels))
        if config.data.profile != "none":
            counts = longtail.class_counts(config.data.profile, max_count, factor, num_classes)
            rng = draws.generator(config.data.seed, "subset")
            positions = longtail.subsample(labels, counts, rng)
        noisy = _corrupt(spec, source, positions)
    drawn = {"ids": source.train.ids[positions], "given": noisy.given, "clean": noisy.clean}
    everyone, rng = np.arange(len(positions)), draws.generator(config.data.seed, "holdout")
    out = np.sort(draws.pick(rng, everyone, round(config.data.holdout * len(positions))))
    kept = np.setdiff1d(everyone, out)
    return {name: column[kept] for name, column in drawn.items()} | {
        f"holdout_{name}": column[out] for name, column in drawn.items()
    }


def _corrupt(
    spec: noise.NoiseSpec, source: sources.Source, positions: np.ndarray
) -> noise.NoisyLabels:
    def pixels() -> np.ndarray:
        return source.train.images[positions].reshape(len(positions), -1) / np.float32(255)

    clean, classes = source.train.labels[positions], source.class_names
    whole = noise.Whole(source.train.ids, classes, positions)
    return noise.corrupt(spec, clean, len(classes), features=pixels, whole=whole)


def _load_labels(path: files.Path) -> dict[str, np.ndarray]:
    """What `Dataset.save` wrote; without `begun.COLUMNS` where an older version did."""
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            wanted = [f"{part}{name}" for part in ("", "holdout_") for name in _COLUMNS]
            if "test_ids" in file:
                wanted += begun.COLUMNS
            found = {name: file[name] for name in wanted}
    except Exception as error:  # zipfile, zlib, ValueError, KeyError, EOFError: all mean the same
        text = f"{path}: unreadable ({reason(error)}); the labels of this run are lost"
        raise UserError(text) from None
    texts = [name for name in found if name in begun.COLUMNS or name.endswith("ids")]
    sound = all(found[name].ndim == 1 and found[name].dtype.kind == "U" for name in texts)
    for part in ("", "holdout_"):
        ids, *labels = (found[f"{part}{name}"] for name in _COLUMNS)
        sound = sound and all(
            column.shape == ids.shape and column.dtype.kind == "i" and np.all(column >= 0)
            for column in labels
        )
    if not sound:
        raise UserError(_damaged(path))
    return found


def _damaged(path: files.Path) -> str:
    return f"{path}: damaged, or of other classes; the labels of this run are lost"


def _locate(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Positions of the `wanted` ids among the `known`."""
    order = np.argsort(known, kind="stable")
    found = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    positions = order[found]
    missing = wanted[known[positions] != wanted]
    if len(missing):
        raise UserError(
            f"{len(missing)} images of this run (the first: {missing[0]}) are not in the data set; "
            "restore them, or start in another workdir"
        )
    return positions


def _describe(
    config: ConfigDict, source: sources.Source, train: TrainSet, clean: np.ndarray
) -> dict[str, Any]:
    """data.json: counts, realised noise, transition, digests; plain Python values."""
    num_classes = train.num_classes
    realised = noise.describe(train.given, clean, num_classes)
    return {
        "dataset": source.name,
        "class_names": list(source.class_names),
        "num_train": len(train.given),
        "num_test": len(source.test.labels),
        "image_shape": list(train.images.shape[1:]),
        "profile": config.data.profile,
        "imbalance_factor": _imbalance(config, clean, num_classes),
        "counts_true": np.bincount(clean, minlength=num_classes).tolist(),
        "counts_given": train.counts.tolist(),
        "noise": {
            "name": config.noise.name,
            "rate": config.noise.rate if config.noise.name not in ("none", "file") else None,
            "seed": config.noise.seed,
            "options": noise.NoiseSpec.of(config.noise, config.data.name).options(),
            "version": noise.VERSION,
            "realised": realised.rate,
            "realised_by_class": _json(realised.rate_by_class),
        },
        "transition": _json(realised.transition),
        "truth_known": source.manifest is None or config.noise.name != "none",
        "data_digest": _digest(train, source.test),
        "labels_digest": realised.sha256,
    }


def _imbalance(config: ConfigDict, clean: np.ndarray, num_classes: int) -> float:
    """Of the long tail that was asked for; of the counts, where all images are taken."""
    if config.data.profile != "none":
        return config.data.imbalance_factor
    counts = np.bincount(clean, minlength=num_classes)
    return round(float(counts.max() / max(counts.min(), 1)), 1)


def _json(array: np.ndarray) -> list[Any]:
    """Nested lists; nan, which JSON does not have, is null."""
    return np.where(np.isfinite(array), array, None).tolist()


def _digest(train: TrainSet, test: sources.Split) -> str:
    """Of everything that is trained on and scored; an image in a file counts by its id."""
    digest = hashlib.sha256()
    for images, ids in ((train.images, train.ids), (test.images, test.ids)):
        content = ids.astype("<U40") if isinstance(images, ImageFiles) else images
        digest.update(np.ascontiguousarray(content).data)
    digest.update(np.ascontiguousarray(test.labels.astype("<i8")).data)
    return digest.hexdigest()
