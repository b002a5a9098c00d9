"""Image files in, a file of vectors out: the work of `python -m dull_jax.embed`.

Of several processes each writes a shard: an equal share of the images, in the order of the input.
"""

import dataclasses
import os
from collections.abc import Callable

import jax
import numpy as np

from dull_jax import machine
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.vectors.columns import MADE_OF
from dull_jax.embed import cache as caches
from dull_jax.embed import inputs, shards
from dull_jax.embed.cache import content_of_text
from dull_jax.embed.dataset import check_memory
from dull_jax.embed.embedding import Embedding, Images
from dull_jax.embed.views import ImageEncoder
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.train import hosts
from dull_jax.train.parallel import Devices

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be made of what.

    source, root: see `inputs.index`.
    output: a file (`shards.SUFFIXES`), or a folder of shards.
    size: of the images, in pixels.  fit: see `decode.read`.  views: V, vectors of each image.
    cache: where vectors are kept; None: beside the output, until that is whole.
    read: files and folders that are read.
    """

    source: str | os.PathLike
    output: Path
    encoder: ImageEncoder
    size: int
    fit: str = "crop"
    views: int = 1
    root: str | os.PathLike = ""
    cache: Path | None = None
    read: tuple[Path, ...] = ()

    def run(self, devices: Devices, say: Say = print) -> Manifest:
        """Embeds the images of this process's share; returns what there was to embed.

        Raises:
          UserError: see `inputs`, `shards` and `Embedding.vectors`; more vectors than memory.
          Stopped: a signal came; what is done is kept in the cache.
        """
        count, index = jax.process_count(), jax.process_index()
        hosts.from_first(lambda: shards.prepare(self.output, count, self.read))
        manifest = inputs.scanned(inputs.index(self.source, self.root), say)
        share = np.array_split(np.arange(len(manifest.ids)), count)[index]
        if len(manifest.ids) < count:
            raise UserError(f"{len(manifest.ids)} images for {count} processes; start fewer")
        self._embed(manifest, share, shards.path_of(self.output, index, count), devices, say)
        hosts.gathered(np.zeros(1))  # all are done
        if self.cache is None:
            hosts.from_first(lambda: caches.remove(self._cache))
        return manifest

    @property
    def _cache(self) -> Path:
        return self.cache or self.output.with_name(f"{self.output.name}.cache")

    def _embed(
        self, manifest: Manifest, share: np.ndarray, path: Path, devices: Devices, say: Say
    ) -> None:
        """Writes the shard `path`, unless it is there."""
        rows, contents = shards.rows_of(manifest, share), manifest.contents[share].tolist()
        about = self._about() | {MADE_OF: rows.digest(contents)}
        if shards.is_whole(path, about, len(share)):
            say(f"{path} is there already, of the same images and network")
            return
        remedy = "start more processes, or lower --views"
        check_memory(len(share), self.views, self.encoder.channels, remedy)
        images = ImageFiles(manifest.root, manifest.paths[share], self.size, self.fit)
        contents = np.stack([content_of_text(content) for content in contents])
        work = Embedding(self.encoder, self._cache, devices, say, shared=False)
        (vectors,) = work.vectors([Images(images, contents, self.views)])
        shards.write(path, rows, vectors, about)

    def _about(self) -> dict[str, str]:
        """What made the vectors, as the file has it."""
        return {
            "model": self.encoder.name,
            "weights_sha256": self.encoder.digest,
            "size": str(self.size),
            "fit": self.fit,
            "views": str(self.views),
            "dull_jax": machine.version("dull_jax") or "",
        }
