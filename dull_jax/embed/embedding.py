"""Vectors of images, each made once: what a cache has is taken from there, the rest is embedded.

A line of progress comes every so often. Whenever the work is stopped, what is done is kept.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np

from dull_jax.data.own.image_files import ImageFiles
from dull_jax.embed.cache import VectorCache
from dull_jax.embed.views import ImageEncoder
from dull_jax.errors import Stopped
from dull_jax.files import Path
from dull_jax.progress import ProgressMeter, duration
from dull_jax.train import hosts
from dull_jax.train.interrupt import Interrupt
from dull_jax.train.parallel import Devices

Say = Callable[[str], None]
Encode = Callable[[np.ndarray, np.ndarray, int], np.ndarray]

_DECODED = 256  # images that are decoded while the ones before them are embedded
_KEPT = 2048  # images of a file of the cache: what a killed process may lose


class Images(NamedTuple):
    """n images, uint8 `[n, H, W, C]` in memory or in files, of which `views` vectors are wanted.

    contents: uint8 `[n, 32]`, equal for equal images.
    """

    images: np.ndarray | ImageFiles
    contents: np.ndarray
    views: int


@dataclasses.dataclass(frozen=True)
class Embedding:
    """How images become vectors, and where these are kept.

    shared: all processes are given the same images. Each embeds its share, and reads what the
      others have written.
    """

    encoder: ImageEncoder
    cache: Path
    devices: Devices
    say: Say
    shared: bool = True

    def vectors(self, parts: list[Images]) -> list[np.ndarray]:
        """Vectors float16 `[n, V, D]` of each part.

        Raises:
          UserError: an image that has changed, vectors that are not finite, or a cache that cannot
            be written.
          Stopped: a signal came.
        """
        sets = [_Set(self, part) for part in parts if len(part.contents)]
        missing = sum(int(each.missing.any(0).sum()) for each in sets)
        if missing:
            self._embed(sets, missing)
        made = iter([each.out for each in sets])
        empty = np.zeros((0, 1, self.encoder.channels), np.float16)
        return [next(made).swapaxes(0, 1) if len(part.contents) else empty for part in parts]

    def _embed(self, sets: list["_Set"], missing: int) -> None:
        total = sum(len(each.part.contents) for each in sets)
        known = f", {total - missing:,} are known" if missing < total else ""
        self.say(f"embedding {missing:,} images with {self.encoder.name}{known}")
        encode, meter = self.encoder.on(self.devices), ProgressMeter(missing)
        with Interrupt() as interrupt:
            for done in itertools.chain.from_iterable(each.embed(encode) for each in sets):
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
        if self.shared and hosts.several():
            self._read_others(sets)
        self.say(f"embedded in {duration(meter.pace().seconds)}")

    def _read_others(self, sets: list["_Set"]) -> None:
        hosts.gathered(np.zeros(1))  # all have written what they embedded
        for each in sets:
            each.load()
        hosts.check_seen_by_all(self.cache, not any(each.missing.any() for each in sets))


class _Set:
    """Images and their vectors, view by view."""

    def __init__(self, work: Embedding, part: Images):
        self.part = part
        self._shared = work.shared
        images, size = part.images, work.encoder.channels
        fit = (images.fit,) if isinstance(images, ImageFiles) else ()
        self._caches = [
            VectorCache(work.cache, work.encoder.made_by(number, (*images.shape[1:], *fit)), size)
            for number in range(part.views)
        ]
        self.out = np.empty((part.views, len(part.contents), size), np.float16)
        self.missing = np.ones(self.out.shape[:2], bool)
        self.load()

    def load(self) -> None:
        """Takes what the caches have."""
        for n, cache in enumerate(self._caches):
            self.missing[n] = ~cache.load(self.part.contents, self.out[n])

    def embed(self, encode: Encode) -> Iterator[int]:
        """Makes and keeps what is missing; yields how many images are done each time."""
        rows = np.flatnonzero(self.missing.any(0))
        _, first, copies = np.unique(
            self.part.contents[rows], axis=0, return_index=True, return_inverse=True
        )
        leaders = np.sort(first)
        mine = rows[leaders]
        count, index = (jax.process_count(), jax.process_index()) if self._shared else (1, 0)
        for chunk in _chunks(np.array_split(mine, count)[index], _KEPT):
            yield from self._embed_chunk(chunk, encode)
        self.out[:, rows] = self.out[:, rows[first][copies.ravel()]]
        yield len(rows) - len(mine)

    def _embed_chunk(self, rows: np.ndarray, encode: Encode) -> Iterator[int]:
        """As `embed`; what is done is kept however it ends."""
        done = 0
        try:
            for block, pixels in self._decoded(rows):
                for n in range(len(self._caches)):
                    self.out[n, block] = encode(pixels, self.part.contents[block], n)
                done += len(block)
                yield len(block)
        finally:
            for n, cache in enumerate(self._caches):
                new = rows[:done][self.missing[n, rows[:done]]]
                if len(new):
                    cache.add(self.part.contents[new], self.out[n, new])

    def _decoded(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Blocks of rows with their pixels; the next block is decoded meanwhile."""
        images, blocks = self.part.images, list(_chunks(rows, _DECODED))
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(images.__getitem__, block) for block in blocks[:1]]
            for n, block in enumerate(blocks):
                pixels = coming.pop().result()
                if n + 1 < len(blocks):
                    coming.append(ahead.submit(images.__getitem__, blocks[n + 1]))
                yield block, pixels


def _chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
