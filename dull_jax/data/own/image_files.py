"""Images that stay in their files until they are asked for, in the shape of an array."""

import functools
import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from dull_jax.data.own import decode
from dull_jax.errors import UserError

_BLOCK = 1024  # images decoded together


class ImageFiles:
    """uint8 `[N, H, W, 3]`, decoded when rows are taken; Pillow's decoders run in threads."""

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        root: str | os.PathLike,
        paths: Sequence[str] | np.ndarray,
        size: int | tuple[int, int],
        fit: str = "crop",
    ):
        """paths: below root.  size: (height, width) or one side.  fit: see `decode.read`."""
        self.root, self.paths = pathlib.Path(root), np.asarray(paths, dtype=object)
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.fit = fit

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self), *self.size, 3)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def subset(self, indices: np.ndarray) -> "ImageFiles":
        """These rows, undecoded."""
        return ImageFiles(self.root, self.paths[indices], self.size, self.fit)

    @staticmethod
    def joined(parts: Sequence["ImageFiles"]) -> "ImageFiles":
        """One after the other, undecoded; all of one root, size and fit."""
        paths = np.concatenate([part.paths for part in parts])
        return ImageFiles(parts[0].root, paths, parts[0].size, parts[0].fit)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Decoded, uint8 `[n, H, W, 3]`; raises UserError that names a file that has changed."""
        paths = self.paths[rows]
        out = np.empty((len(paths), *self.size, 3), np.uint8)

        def read(n: int) -> None:
            try:
                out[n] = decode.read(self.root / paths[n], self.size, self.fit)
            except (decode.BadImage, OSError) as error:
                out[n] = self.instead(paths[n], error)

        list(_threads(os.getpid()).map(read, range(len(paths))))
        return out

    def instead(self, path: str, error: Exception) -> np.ndarray:
        """What stands for an image that cannot be read: nothing does, which is a UserError."""
        raise UserError(
            f"{str(self.root / path)!r} could be read when the images were scanned, and now cannot "
            f"({error}); fix or remove it and start again"
        ) from None

    def in_memory(self) -> np.ndarray:
        """All of them decoded."""
        out = np.empty(self.shape, np.uint8)
        for start in range(0, len(self), _BLOCK):
            rows = slice(start, start + _BLOCK)
            out[rows] = self[rows]
        return out


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Those of this process, which it ends with; a fork has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), "images")


def in_files(images: object) -> bool:
    """Whether they are taken from files, as `ImageFiles` and `VectorFiles` are, or in memory."""
    return hasattr(images, "subset")


def subset(images: Any, indices: np.ndarray) -> Any:
    """Rows of images or vectors, wherever they are: a copy in memory, or files still."""
    if in_files(images):
        return images.subset(indices)
    return np.ascontiguousarray(images[indices])


def joined(parts: Sequence[Any]) -> Any:
    """Images or vectors of one kind, one part after the other: in memory, or in files still."""
    return parts[0].joined(parts) if in_files(parts[0]) else np.concatenate(parts)
