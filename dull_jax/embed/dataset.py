"""The data of a run whose backbone is frozen: each image's vectors in its place.

What is in the cache is taken from there; the rest is embedded, with a line of progress every so
often. Of several processes each embeds its share, and all read what the others have written.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from ml_collections import ConfigDict

from dull_jax import memory
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.sources import Split
from dull_jax.embed import encoder as encoders
from dull_jax.embed.cache import VectorCache, content_of_pixels, content_of_text
from dull_jax.embed.encoder import Encoder
from dull_jax.errors import Stopped, UserError
from dull_jax.files import Path, parsed
from dull_jax.progress import ProgressMeter, duration
from dull_jax.run_dir import layout
from dull_jax.train import hosts
from dull_jax.train.interrupt import Interrupt
from dull_jax.train.parallel import Devices

Say = Callable[[str], None]

_DECODED = 256  # images that are decoded while the ones before them are embedded
_KEPT = 2048  # images of a file of the cache: what a killed process may lose


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
    work = _Embedding(encoder, cache, devices, dataset.manifest, config.data.fit, say)
    train, test, holdout = dataset.train, dataset.test, dataset.holdout
    views = config.model.views
    _check_memory(len(train.ids), views, encoder.channels)
    parts = [(train.images, train.ids, views), (test.images, test.ids, 1)]
    parts += [(holdout.images, holdout.ids, 1)]
    made = work.vectors(parts)
    description = dataset.description | {"embeddings": encoder.describe(views)}
    return dataclasses.replace(
        dataset,
        train=_with_vectors(train, made[0]),
        test=Split(made[1], test.labels, test.ids),
        holdout=_with_vectors(holdout, made[2]),
        embedded=train.images,
        description=description,
    )


def _with_vectors(part: TrainSet, vectors: np.ndarray) -> TrainSet:
    return TrainSet(vectors, part.given, part.ids, part.class_names)


def _check_memory(size: int, views: int, channels: int) -> None:
    needed, free = 2 * size * views * channels, memory.free()
    if needed > free:
        raise UserError(
            f"{size:,} images of {views} vectors of {channels:,} numbers need "
            f"{memory.shown(needed)}, and there are {memory.shown(free)}; lower config.model.views"
        )


@dataclasses.dataclass(frozen=True)
class _Embedding:
    encoder: Encoder
    cache: Path
    devices: Devices
    manifest: Manifest | None
    fit: str
    say: Say

    def vectors(self, parts: list[tuple[np.ndarray | ImageFiles, np.ndarray, int]]) -> list:
        """Vectors float16 `[n, V, D]` of each part: (images, ids, V)."""
        sets = [_Set(self, *part) for part in parts if len(part[1])]
        missing = sum(int(part.missing.any(0).sum()) for part in sets)
        if missing:
            self._embed(sets, missing)
        made = iter([part.out for part in sets])
        empty = np.zeros((0, 1, self.encoder.channels), np.float16)
        return [next(made).swapaxes(0, 1) if len(ids) else empty for _, ids, _ in parts]

    def _embed(self, sets: list["_Set"], missing: int) -> None:
        total = sum(len(part.images) for part in sets)
        known = f", {total - missing:,} are known" if missing < total else ""
        self.say(f"embedding {missing:,} images with {self.encoder.name}{known}")
        encode, meter = self.encoder.on(self.devices), ProgressMeter(missing)
        with Interrupt() as interrupt:
            for done in itertools.chain.from_iterable(part.embed(encode) for part in sets):
                pace = meter.step(count=done)
                if pace and pace.done < pace.total:
                    self.say(
                        f"{pace.done:,} of {pace.total:,} images, {pace.rate:,.0f} images/s, "
                        f"{duration(pace.left)} left"
                    )
                if interrupt.signal:
                    raise Stopped(
                        f"stopped by {hosts.signal_name(interrupt.signal)} while images were "
                        "embedded; the same command continues"
                    )
        if hosts.several():
            hosts.gathered(np.zeros(1))  # all have written what they embedded
            for part in sets:
                part.load()
            hosts.check_seen_by_all(self.cache, not any(part.missing.any() for part in sets))
        pace = meter.pace()
        self.say(f"embedded in {duration(pace.seconds)}: {self.cache}")


class _Set:
    """Images and their vectors, view by view."""

    def __init__(self, work: _Embedding, images: np.ndarray | ImageFiles, ids: np.ndarray, views):
        self.images = images
        self.contents = _contents(images, ids, work.manifest)
        shape = (work.fit,) if isinstance(images, ImageFiles) else ()
        self._caches = [
            VectorCache(
                work.cache,
                work.encoder.made_by(number, (*images.shape[1:], *shape)),
                work.encoder.channels,
            )
            for number in range(views)
        ]
        self.out = np.empty((views, len(ids), work.encoder.channels), np.float16)
        self.missing = np.ones((views, len(ids)), bool)
        self.load()

    def load(self) -> None:
        """Takes what the caches have."""
        for n, cache in enumerate(self._caches):
            self.missing[n] = ~cache.load(self.contents, self.out[n])

    def embed(self, encode: Callable[..., np.ndarray]) -> Iterator[int]:
        """Makes and keeps what is missing; yields how many images are done each time."""
        rows = np.flatnonzero(self.missing.any(0))
        _, first, copies = np.unique(
            self.contents[rows], axis=0, return_index=True, return_inverse=True
        )
        leaders = np.sort(first)
        mine = rows[leaders]
        own = np.array_split(mine, jax.process_count())[jax.process_index()]
        for chunk in _chunks(own, _KEPT):
            yield from self._embed_chunk(chunk, encode)
        self.out[:, rows] = self.out[:, rows[first][copies.ravel()]]
        yield len(rows) - len(mine)

    def _embed_chunk(self, rows: np.ndarray, encode: Callable[..., np.ndarray]) -> Iterator[int]:
        """As `embed`; what is done is kept however it ends."""
        done = 0
        try:
            for block, pixels in self._decoded(rows):
                for n in range(len(self._caches)):
                    self.out[n, block] = encode(pixels, self.contents[block], n)
                done += len(block)
                yield len(block)
        finally:
            for n, cache in enumerate(self._caches):
                new = rows[:done][self.missing[n, rows[:done]]]
                if len(new):
                    cache.add(self.contents[new], self.out[n, new])

    def _decoded(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Blocks of rows with their pixels; the next block is decoded meanwhile."""
        blocks = list(_chunks(rows, _DECODED))
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(self.images.__getitem__, block) for block in blocks[:1]]
            for n, block in enumerate(blocks):
                pixels = coming.pop().result()
                if n + 1 < len(blocks):
                    coming.append(ahead.submit(self.images.__getitem__, blocks[n + 1]))
                yield block, pixels


def _chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _contents(
    images: np.ndarray | ImageFiles, ids: np.ndarray, manifest: Manifest | None
) -> np.ndarray:
    """uint8 `[n, 32]`: of image files the digest that the manifest has, of arrays their pixels'."""
    if manifest is None:
        return np.stack([content_of_pixels(image) for image in images])
    known = dict(zip(manifest.ids.tolist(), manifest.contents.tolist(), strict=True))
    return np.stack([content_of_text(known[name]) for name in ids.tolist()])
