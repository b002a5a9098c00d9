"""The data of a run: which images, under which labels; drawn once, saved, and described.

A method sees a `TrainSet`, which has no true labels in it. `Dataset.clean` serves reports.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.data import begun, draws, labels_file, longtail, noise, pipeline, sources
from dull_jax.data.groups import class_groups
from dull_jax.data.own import image_files
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest, Unused
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.data.views import vectors
from dull_jax.errors import UserError
from dull_jax.fields import number

Say = Callable[[str], None]

FIELDS = {
    "holdout": number(
        0.0, "share of the noisy train set kept out, to choose settings with", 0, 0.5
    ),
}


@dataclasses.dataclass(frozen=True)
class TrainSet:
    """What training may look at: images uint8 `[N, H, W, C]`, or vectors floating `[N, V, D]` in
    their place; given labels and ids `[N]`."""

    images: np.ndarray | ImageFiles | VectorFiles
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

    @property
    def input_shape(self) -> tuple[int, ...]:
        """What a network is given of a sample: `(H, W, C)`, or `(D,)` of vectors."""
        return vectors.input_shape(self.images)

    @property
    def vector_size(self) -> int:
        """D; 0 of images."""
        return self.images.shape[2] if vectors.is_vectors(self.images) else 0

    @functools.cached_property
    def channel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) of each channel of the images, in [0, 1]; or of each number of vectors."""
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
    labels: labels_file.Labels  # labels.npz
    manifest: Manifest | None = None  # of the user's own images
    unused: tuple[Unused, ...] = ()  # samples of the user's own vectors that have no part in it
    test_drawn: bool = False  # see `sources.Source`
    paths: Mapping[str, str] = dataclasses.field(default_factory=dict)  # as there
    embedded: np.ndarray | ImageFiles | None = None  # the train images, where `train` has vectors

    @property
    def truth_known(self) -> bool:
        return self.description["truth_known"]

    @property
    def pictures(self) -> np.ndarray | ImageFiles | None:
        """What people look at: the train images; None where there are vectors only."""
        if self.embedded is None and self.train.vector_size:
            return None
        return self.train.images if self.embedded is None else self.embedded

    def save(self, path: files.Path) -> None:
        """Writes labels.npz: ids, given and true labels, of the train set and of the holdout.

        Of the user's own images also what `begun.columns` remembers.
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

    `prepare.prepare` is the way in: it scans first, and chooses what `config` leaves open.

    Args:
      config: reads `data`, `noise` and `model.frozen`, in which nothing is left open any more.
      saved: a labels.npz to use instead of drawing; of the user's own images its split too,
        whatever was renamed, moved or added since. A file that is not there is none.
      manifest: of the user's own images, from `sources.scan`.
      say: is told what was made of the user's own files, and of images that are new since `saved`,
        or gone.
      partial: go on without images that are gone, which training must not.

    Raises:
      UserError: fewer than two classes; images of `saved` that are gone, or have another label now;
        see `sources.load`, `longtail`, `noise.corrupt`.
    """
    labels = None
    if saved is not None and saved.exists():
        labels = labels_file.load(saved)
        if manifest is not None:
            manifest, labels = begun.restore(manifest, labels, saved, say, partial)
    source = sources.load(config.data, manifest, in_files=config.model.frozen)
    for notice in source.notices:
        say(notice)
    if len(source.class_names) < 2:
        raise UserError(
            f"data set {config.data.name!r} has one class; there is nothing to tell apart"
        )
    if labels is None:
        labels = _draw(config, source)
        if manifest is not None:
            labels |= begun.columns(manifest)
    else:
        labels_file.check(source, labels, saved)
    return _assembled(config, source, labels)


def of_source(config: ConfigDict, source: sources.Source) -> Dataset:
    """The data of samples that are in memory already, by a draw of `config.data` and `noise`."""
    return _assembled(config, source, _draw(config, source))


def _assembled(config: ConfigDict, source: sources.Source, labels: labels_file.Labels) -> Dataset:
    clean = labels["clean"]
    test = source.test
    train, holdout = (_train_set(source, labels, part) for part in ("", "holdout_"))
    if _are_held(config, source):
        train, holdout, test = (
            dataclasses.replace(part, images=part.images.in_memory())
            for part in (train, holdout, test)
        )
    groups, rule = class_groups(np.bincount(clean, minlength=train.num_classes), config.data.groups)
    description = _describe(config, source, train, clean) | {"groups": groups, "group_rule": rule}
    return Dataset(
        train,
        clean,
        holdout,
        test,
        groups,
        description,
        labels,
        manifest=source.manifest,
        unused=source.unused,
        test_drawn=source.test_drawn,
        paths=source.paths,
    )


def _are_held(config: ConfigDict, source: sources.Source) -> bool:
    """Whether these are vectors in files, and so few that memory is to hold them."""
    images = (source.train.images, source.test.images)
    if not isinstance(images[0], VectorFiles):
        return False
    _, views, size = images[0].shape
    count = sum(map(len, images))
    what = f"{count:,} samples of {views * size:,} numbers"
    return sources.is_resident(what, sum(part.nbytes for part in images), config.data)


def _train_set(source: sources.Source, labels: labels_file.Labels, part: str) -> TrainSet:
    ids, given = labels[f"{part}ids"], labels[f"{part}given"]
    images = image_files.subset(source.train.images, labels_file.locate(source.train.ids, ids))
    return TrainSet(images, given, ids, source.class_names)


def _draw(config: ConfigDict, source: sources.Source) -> labels_file.Labels:
    """What labels.npz holds, the result of every random draw."""
    labels, num_classes = source.train.labels, len(source.class_names)
    spec = noise.NoiseSpec.of(config.noise, config.data.name)
    max_count = config.data.max_count or int(np.bincount(labels, minlength=num_classes).min())
    factor = config.data.imbalance_factor
    if noise.draws_subset(spec):
        if config.data.profile != "exponential":
            raise UserError(f"noise {spec.name} is drawn on the exponential long tail only")
        counts = longtail.class_counts("exponential", max_count, factor, num_classes)
        indices, noisy = noise.subset_and_labels(spec, labels, num_classes, counts)
    else:
        indices = np.arange(len(labels))
        if config.data.profile != "none":
            counts = longtail.class_counts(config.data.profile, max_count, factor, num_classes)
            rng = draws.generator(config.data.seed, "subset")
            indices = longtail.subsample(labels, counts, rng)
        noisy = _corrupt(spec, source, indices)
    drawn = {"ids": source.train.ids[indices], "given": noisy.given, "clean": noisy.clean}
    everyone, rng = np.arange(len(indices)), draws.generator(config.data.seed, "holdout")
    out = np.sort(draws.pick(rng, everyone, round(config.data.holdout * len(indices))))
    kept = np.setdiff1d(everyone, out)
    return {name: column[kept] for name, column in drawn.items()} | {
        f"holdout_{name}": column[out] for name, column in drawn.items()
    }


def _corrupt(
    spec: noise.NoiseSpec, source: sources.Source, indices: np.ndarray
) -> noise.NoisyLabels:
    def pixels() -> np.ndarray:
        images = source.train.images[indices]
        if vectors.is_vectors(images):
            return images[:, 0].astype(np.float32)
        return images.reshape(len(indices), -1) / np.float32(255)

    clean, classes = source.train.labels[indices], source.class_names
    whole = noise.Whole(source.train.ids, classes, indices)
    return noise.corrupt(spec, clean, len(classes), features=pixels, whole=whole)


def _describe(
    config: ConfigDict, source: sources.Source, train: TrainSet, clean: np.ndarray
) -> dict[str, Any]:
    """data.json: counts, realised noise, transition, digests; plain Python values."""
    num_classes, spec = train.num_classes, noise.NoiseSpec.of(config.noise, config.data.name)
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
            "rate": config.noise.rate if spec.drawn else None,
            "seed": config.noise.seed,
            "options": spec.options(),
            "version": noise.VERSION,
            "realised": realised.rate,
            "realised_by_class": _json(realised.rate_by_class),
        },
        "transition": _json(realised.transition),
        "truth_known": source.truth_known or config.noise.name != "none",
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
    """Of everything that is trained on and scored; an image in a file counts by its id.

    Vectors count by their bytes, wherever they are: their ids do not tell what they are.
    """
    digest = hashlib.sha256()
    for images, ids in ((train.images, train.ids), (test.images, test.ids)):
        content = ids.astype("<U40") if isinstance(images, ImageFiles) else images
        for block in content.blocks() if isinstance(content, VectorFiles) else (content,):
            digest.update(np.ascontiguousarray(block).data)
    digest.update(np.ascontiguousarray(test.labels.astype("<i8")).data)
    return digest.hexdigest()
