"""What is in files that were scanned, known while their size and time of change are the same."""

import hashlib
import importlib.util
import json
import os
import pathlib

import PIL

from dull_jax import files
from dull_jax.data.own import decode
from dull_jax.data.own.decode_workers import FileInfo
from dull_jax.errors import UserError

# What is refused changes with the decoders, and with the rules of `decode`: then add 1.
_HEIF = importlib.util.find_spec("pillow_heif") is not None
_VERSION = f"2, Pillow {PIL.__version__}, AVIF: {not decode.lacking('.avif')}, HEIF: {_HEIF}"

Stamp = tuple[int, int]  # bytes, nanoseconds of the last change


def default_folder() -> pathlib.Path | None:
    """$XDG_CACHE_HOME/dull_jax/manifests, or else below ~/.cache; None for who has no home."""
    folder = files.cache_folder()
    return folder and folder / "manifests"


class ScanCache:
    """What is in the files below `root`, in one JSON file in `folder`; None: not kept."""

    def __init__(self, folder: pathlib.Path | None, root: pathlib.Path):
        key = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        self._path = folder and folder / f"{key}.json"
        self._files = self._load() if self._path else {}

    def get(self, path: str, stamp: Stamp) -> FileInfo | None:
        known = self._files.get(path)
        return FileInfo(*known[2:]) if known and tuple(known[:2]) == stamp else None

    def put(self, path: str, stamp: Stamp, info: FileInfo) -> None:
        """A file that could not be read is tried again next time."""
        if info.sha256:
            self._files[path] = [*stamp, *info]

    def save(self) -> None:
        """Writes the whole file or nothing.

        Raises:
          UserError: the folder cannot be made or written.
        """
        if self._path is None:
            return
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder} cannot be made: {error.strerror}") from None
        files.write_text(self._path, json.dumps({"version": _VERSION, "files": self._files}))

    def _load(self) -> dict[str, list]:
        """{} where there is no cache, or a damaged one, or one of another version."""
        try:
            content = json.loads(self._path.read_bytes())
            known = content["files"] if content["version"] == _VERSION else {}
            return {path: entry for path, entry in known.items() if _is_sound(entry)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}


def _is_sound(entry: object) -> bool:
    kinds = (int, int, str, int, int, str, str)
    return (
        type(entry) is list
        and len(entry) == len(kinds)
        and all(type(value) is kind for value, kind in zip(entry, kinds, strict=True))
        and all((0 if entry[-1] else 1) <= side <= decode.MAX_PIXELS for side in entry[3:5])
    )
