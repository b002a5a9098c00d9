"""Vectors that were computed before, by the content of their image.

A cache has a folder for each way to make a vector: backbone, weights, size, view. In it lie files
of some thousand vectors, each written whole or not at all and never changed; a file that is
damaged counts as not there. So a run that was killed goes on, a further image embeds only itself,
and processes write beside one another.
"""

import hashlib
import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.files import Path

_ID_BYTES = 32  # of an image's content: a sha256
_SUFFIX = ".safetensors"
_ABOUT = "about.json"  # what made the vectors of a folder


class VectorCache:
    """The vectors `[D]` that one encoder makes of one view; float16."""

    def __init__(self, folder: Path, made_by: Mapping[str, Any], size: int):
        """made_by: everything that the vectors depend on beside the image.  size: D."""
        text = json.dumps(dict(made_by), sort_keys=True)
        self._key = hashlib.sha256(text.encode()).digest()
        self.folder, self._text, self._size = folder / self._key.hex()[:16], text, size

    def load(self, contents: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Fills the rows of `out` that are known; which are: bool `[n]`.

        Args:
          contents: uint8 `[n, 32]`, of each image.
          out: float16 `[n, D]`, written to.
        """
        known = np.zeros(len(contents), bool)
        rows_of: dict[bytes, list[int]] = {}
        for row, content in enumerate(contents):
            rows_of.setdefault(content.tobytes(), []).append(row)
        for path in self._files():
            for content, vector in self._read(path):
                if rows := rows_of.get(content):
                    out[rows] = vector
                    known[rows] = True
        return known

    def add(self, contents: np.ndarray, vectors: np.ndarray) -> None:
        """Keeps vectors float16 `[n, D]` of images of these contents, in a file of their own.

        Raises:
          UserError: it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.folder} cannot be made: {error.strerror or error}") from None
        about = self.folder / _ABOUT
        if not about.exists():
            files.write_text(about, self._text)
        contents, vectors = np.ascontiguousarray(contents), np.ascontiguousarray(vectors)
        tensors = {"contents": contents, "vectors": vectors}
        tensors["digest"] = np.frombuffer(self._digest(contents, vectors), np.uint8)
        name = hashlib.sha256(contents.tobytes()).hexdigest()[:24]
        with files.whole(self.folder / (name + _SUFFIX)) as file:
            file.write(safetensors.save(tensors))

    def _files(self) -> Sequence[Path]:
        if not self.folder.exists():
            return ()
        return sorted(path for path in self.folder.iterdir() if path.name.endswith(_SUFFIX))

    def _read(self, path: Path) -> zip:
        """(content, vector) of each image in a file; of a damaged one nothing."""
        try:
            tensors = safetensors.load(path.read_bytes())
            contents, vectors = tensors["contents"], tensors["vectors"]
            sound = tensors["digest"].tobytes() == self._digest(contents, vectors)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError):
            return zip()
        shapes = (contents.shape, vectors.shape)
        if not sound or shapes != ((len(contents), _ID_BYTES), (len(contents), self._size)):
            return zip()
        return zip(map(np.ndarray.tobytes, contents), vectors, strict=True)

    def _digest(self, contents: np.ndarray, vectors: np.ndarray) -> bytes:
        """Of a file's vectors and of who made them."""
        digest = hashlib.sha256(self._key)
        digest.update(contents.data)
        digest.update(vectors.data)
        return digest.digest()


def remove(folder: Path) -> None:
    """Takes away the caches that are in a folder, and the folder where nothing else is in it."""
    for cache in folder.iterdir() if folder.exists() else ():
        if (cache / _ABOUT).exists():
            if isinstance(cache, pathlib.Path):
                shutil.rmtree(cache, ignore_errors=True)
            else:
                cache.rmtree()
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def content_of_text(name: str) -> np.ndarray:
    """uint8 `[32]`: of an image that has a name for its content, such as a digest of its file."""
    return np.frombuffer(hashlib.sha256(name.encode(errors="surrogateescape")).digest(), np.uint8)


def content_of_pixels(image: np.ndarray) -> np.ndarray:
    """uint8 `[32]`: of an image uint8 `[H, W, C]`."""
    shape = np.array(image.shape, "<i8").tobytes()
    return np.frombuffer(hashlib.sha256(shape + image.tobytes()).digest(), np.uint8)
