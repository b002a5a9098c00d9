"""The data of a run: which images, under which labels; drawn once, saved, and described.

A method sees a `TrainSet`, which has no true labels in it. `Dataset.clean` serves reports.
"""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.config import OWN_IMAGES
from dull_jax.data import draws, longtail, noise, own_images, pipeline, sources
from dull_jax.data.groups import class_groups
from dull_jax.data.own import given_labels, image_files
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest
from dull_jax.errors import UserError, reason

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
        """Writes labels.npz: ids, given and true labels, of the train set and of the holdout."""
        with files.whole(path) as file:
            np.savez_compressed(file, **self.labels)


def build(
    config: ConfigDict, saved: files.Path | None = None, manifest: Manifest | None = None
) -> Dataset:
    """Loads the images and draws the long tail, the noise and the held-out part.

    Args:
      config: reads `data` and `noise`.
      saved: a labels.npz to use instead of drawing.
      manifest: of your own images, where they are scanned already.

    Raises:
      UserError: fewer than two classes; see `sources.load`, `longtail`, `noise.corrupt`.
    """
    if config.data.name in OWN_IMAGES:
        source = own_images.load(config.data, manifest)
    else:
        source = sources.load(config.data.name, config.data.dir)
    if len(source.class_names) < 2:
        raise UserError(
            f"data set {config.data.name!r} has one class; there is nothing to tell apart"
        )
    if saved is not None and saved.exists():
        labels = _load_labels(saved, len(source.class_names))
        _check_unchanged(source, labels, saved)
    else:
        labels = _draw(config, source)
    clean = labels["clean"]
    train, holdout = (_train_set(source, labels, prefix) for prefix in ("", "holdout_"))
    groups, rule = class_groups(np.bincount(clean, minlength=train.num_classes), config.data.groups)
    description = _describe(config, source, train, clean) | {"groups": groups, "group_rule": rule}
    return Dataset(train, clean, holdout, source.test, groups, description, labels, source.manifest)


def _check_unchanged(
    source: sources.Source, labels: dict[str, np.ndarray], saved: files.Path
) -> None:
    """Your own labels may have been corrected since: that is another run."""
    for prefix in ("", "holdout_"):
        ids = labels[f"{prefix}ids"]
        now = source.train.labels[_locate(source.train.ids, ids)]
        changed = np.flatnonzero(now != labels[f"{prefix}clean"])
        if len(changed):
            raise UserError(
                f"{saved} holds other labels than there are now for {len(changed)} images (the "
                f"first: {ids[changed[0]]}); train on the new ones in another workdir"
            )


def _train_set(source: sources.Source, labels: dict[str, np.ndarray], prefix: str) -> TrainSet:
    ids, given = labels[f"{prefix}ids"], labels[f"{prefix}given"]
    images = image_files.subset(source.train.images, _locate(source.train.ids, ids))
    return TrainSet(images, given, ids, source.class_names)


def _draw(config: ConfigDict, source: sources.Source) -> dict[str, np.ndarray]:
    """What labels.npz holds, the result of every random draw."""
    labels, num_classes = source.train.labels, len(source.class_names)
    spec = _spec(config)
    max_count = config.data.max_count or int(np.bincount(labels, minlength=num_classes).min())
    factor = config.data.imbalance_factor
    if spec.name.startswith("tabasco_") and config.data.profile != "exponential":
        raise UserError(f"noise {spec.name} is drawn on the exponential long tail only")
    if spec.name.startswith("tabasco_"):
        kind = spec.name.removeprefix("tabasco_")
        positions, noisy = noise.tabasco_draw(
            labels, num_classes, max_count, factor, kind, spec.rate, spec.seed
        )
    else:
        positions = np.arange(len(labels))
        if config.data.profile != "none":
            counts = longtail.class_counts(config.data.profile, max_count, factor, num_classes)
            rng = draws.generator(config.data.seed, "subset")
            positions = longtail.subsample(labels, counts, rng)
        noisy = _corrupt(config, spec, source, positions)
    drawn = {"ids": source.train.ids[positions], "given": noisy.given, "clean": noisy.clean}
    everyone, rng = np.arange(len(positions)), draws.generator(config.data.seed, "holdout")
    out = np.sort(draws.pick(rng, everyone, round(config.data.holdout * len(positions))))
    kept = np.setdiff1d(everyone, out)
    return {name: column[kept] for name, column in drawn.items()} | {
        f"holdout_{name}": column[out] for name, column in drawn.items()
    }


def _spec(config: ConfigDict) -> noise.NoiseSpec:
    options = config.noise.to_dict()
    return noise.NoiseSpec(
        **{k: v for k, v in options.items() if k not in ("file", "join")}, dataset=config.data.name
    )


def _corrupt(
    config: ConfigDict, spec: noise.NoiseSpec, source: sources.Source, positions: np.ndarray
) -> noise.NoisyLabels:
    clean, num_classes = source.train.labels[positions], len(source.class_names)
    names = source.class_names
    if spec.name == "file":
        # The file speaks of the whole train set, of which the long tail keeps a part.
        given = given_labels.read(config.noise.file, source.train.ids, names, by=config.noise.join)
        given = given[positions]
        if config.noise.join == "position":
            given_labels.check_overlap(given, clean)
        return noise.describe(given, clean, num_classes)
    options: dict[str, np.ndarray] = {}
    if spec.name == "t2h" and (spec.destination, spec.which) != ("frequency", "uniform"):
        pixels = source.train.images[positions].reshape(len(positions), -1) / np.float32(255)
        options = {
            "similarity": noise.class_similarity(pixels, clean, num_classes),
            "distance": noise.class_distance(pixels, clean, num_classes),
        }
    return noise.corrupt(spec, clean, num_classes, **options)


def _load_labels(path: files.Path, num_classes: int) -> dict[str, np.ndarray]:
    """What `Dataset.save` wrote."""
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            wanted = [f"{part}{name}" for part in ("", "holdout_") for name in _COLUMNS]
            found = {name: file[name] for name in wanted}
    except Exception as error:  # zipfile, zlib, ValueError, KeyError, EOFError: all mean the same
        text = f"{path}: unreadable ({reason(error)}); the labels of this run are lost"
        raise UserError(text) from None
    for part in ("", "holdout_"):
        ids, *labels = (found[f"{part}{name}"] for name in _COLUMNS)
        if (
            ids.ndim != 1
            or ids.dtype.kind != "U"
            or not all(
                column.shape == ids.shape
                and column.dtype.kind == "i"
                and np.all((column >= 0) & (column < num_classes))
                for column in labels
            )
        ):
            raise UserError(
                f"{path}: damaged, or of other classes; the labels of this run are lost"
            )
    return found


def _locate(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Positions of the `wanted` ids among the `known`."""
    order = np.argsort(known, kind="stable")
    found = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    positions = order[found]
    missing = wanted[known[positions] != wanted]
    if len(missing):
        raise UserError(
            f"{len(missing)} images of this run (the first: {missing[0]}) are gone, changed, or "
            "now held out as test images; restore them, or start in another workdir"
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
            "options": _spec(config).options(),
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
