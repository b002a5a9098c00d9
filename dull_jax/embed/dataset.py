"""The data of a run whose backbone is frozen: each image's vectors in its place."""

import dataclasses
from collections.abc import Callable
from typing import cast

import numpy as np
from ml_collections import ConfigDict

from dull_jax import memory
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.sources import Split
from dull_jax.embed import encoder as encoders
from dull_jax.embed.cache import content_of_pixels, content_of_text
from dull_jax.embed.embedding import Embedding, Images
from dull_jax.errors import UserError
from dull_jax.files import Path, parsed
from dull_jax.run_dir import layout
from dull_jax.train.parallel import Devices

Say = Callable[[str], None]


def embedded(
    config: ConfigDict, dataset: Dataset, devices: Devices, folder: Path, say: Say = print
) -> Dataset:
    """The dataset with vectors in the place of its images, where the recipe freezes its backbone.

    Train images have `config.model.views` vectors, all others the plain one. The images stay as
    `Dataset.pictures`.

    Args:
      folder: the run's; the cache is below it, unless `config.model.cache` names another place.

    Raises:
      UserError: no weights, more vectors than memory, an image that has changed, or a cache that
        cannot be written.
    """
    if not config.model.frozen or dataset.train.vector_size:
        return dataset
    encoder = encoders.load(config)
    cache = parsed(config.model.cache) if config.model.cache else folder / layout.EMBEDDINGS
    train, test, holdout = dataset.train, dataset.test, dataset.holdout
    views = config.model.views
    check_memory(len(train.ids), views, encoder.channels, "lower config.model.views")
    parts = ((train, views), (test, 1), (holdout, 1))
    made = Embedding(encoder, cache, devices, say).vectors(
        [Images(_images(p), _contents(_images(p), p.ids, dataset.manifest), n) for p, n in parts]
    )
    description = dataset.description | {"embeddings": encoder.describe(views)}
    return dataclasses.replace(
        dataset,
        train=_with_vectors(train, made[0]),
        test=Split(made[1], test.labels, test.ids),
        holdout=_with_vectors(holdout, made[2]),
        embedded=_images(train),
        description=description,
    )


def _images(part: TrainSet | Split) -> np.ndarray | ImageFiles:
    """The samples of a set without a `vector_size`."""
    return cast(np.ndarray | ImageFiles, part.images)


def _with_vectors(part: TrainSet, vectors: np.ndarray) -> TrainSet:
    return TrainSet(vectors, part.given, part.ids, part.class_names)


def check_memory(size: int, views: int, channels: int, remedy: str) -> None:
    """Raises UserError, which ends with the remedy, where the vectors do not fit."""
    needed, free = 2 * size * views * channels, memory.free()
    if needed > free:
        raise UserError(
            f"{size:,} images of {views} vectors of {channels:,} numbers need "
            f"{memory.shown(needed)}, and there are {memory.shown(free)}; {remedy}"
        )


def _contents(
    images: np.ndarray | ImageFiles, ids: np.ndarray, manifest: Manifest | None
) -> np.ndarray:
    """uint8 `[n, 32]`: of image files the digest that the manifest has, of arrays their pixels'."""
    if not len(ids):
        return np.zeros((0, 32), np.uint8)
    if manifest is None:
        return np.stack([content_of_pixels(image) for image in cast(np.ndarray, images)])
    known = dict(zip(manifest.ids.tolist(), manifest.contents.tolist(), strict=True))
    return np.stack([content_of_text(known[name]) for name in ids.tolist()])
