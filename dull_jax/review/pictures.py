"""The images of an audit's rows, as files for a browser: decoded, shrunk and encoded here.

Never the bytes of a file themselves: those may be of a format that no browser shows, or more than
an image. Thumbnails are kept in the user's cache, where a later start finds them.
"""

import hashlib
import io
import os
import pathlib
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from PIL import Image

from dull_jax import files
from dull_jax.audit.saved import ABSENT, SavedAudit
from dull_jax.data.own import decode
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.report.pictures import shrunk

LARGE, THUMB = 1024, 160  # pixels of the longer side, at most
_LOSSLESS = 128  # pixels up to which each of them counts, and the page enlarges them
_MOST = 500_000_000  # bytes of thumbnails that are kept


class NoPicture(Exception):
    """There is no image, or none that can be read; its text is the reason."""


class Encoded(NamedTuple):
    """A file for a browser."""

    data: bytes
    media_type: str


class Pictures:
    """Images by row. Decoding takes as long as it takes: to be called in a thread."""

    def __init__(self, audit: SavedAudit):
        self._audit = audit
        self._kept = _kept()

    def has(self, row: int) -> bool:
        """Whether there should be an image of the row."""
        return bool(self._audit.files[row]) or self._audit.pictures is not None

    def large(self, row: int) -> Encoded:
        """Raises NoPicture."""
        return self._encoded(row, LARGE)

    def thumb(self, row: int) -> Encoded:
        """Raises NoPicture."""
        path = str(self._audit.files[row])
        if not path or self._kept is None:
            return self._encoded(row, THUMB)
        kept = self._kept / _key(path)
        with suppress(OSError):
            return _typed(kept.read_bytes())
        made = self._encoded(row, THUMB)
        with suppress(OSError, UserError):  # a full disk, or one that is read only
            kept.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(kept) as file:
                file.write(made.data)
        return made

    def twin(self, place: int) -> Encoded:
        """Of the copy that a listed sample has. Raises NoPicture."""
        if path := str(self._audit.twin_files[place]):
            return _of_file(path, LARGE)
        if self._audit.twins[place] == ABSENT:
            raise NoPicture("no image of it")
        return self.large(int(self._audit.twins[place]))

    def _encoded(self, row: int, side: int) -> Encoded:
        if path := str(self._audit.files[row]):
            return _of_file(path, side)
        if self._audit.pictures is None:
            raise NoPicture("no image of it")
        return _encode(shrunk(self._audit.pictures[row], side))


def below(audit: SavedAudit, folder: pathlib.Path) -> SavedAudit:
    """The audit with its images in `folder`, in which their paths begin.

    Raises:
      UserError: none of the images that are listed (of all, if none is) is there.
    """
    places = np.array([os.path.abspath(folder / path) if path else "" for path in audit.paths], str)
    rows = _first_shown(audit)
    if not any(map(os.path.isfile, places[rows])):
        named = next(filter(None, audit.paths[rows]), "")
        why = f"has no {shown(str(named))}" if named else "is of no use: the samples have no paths"
        raise UserError(f"--images={shown(str(folder))} {why}; name the folder that paths begin in")
    twins = [
        places[row] if row != ABSENT else file
        for row, file in zip(audit.twins, audit.twin_files, strict=True)
    ]
    return audit._replace(files=places, twin_files=np.array(twins, str))


def gone(audit: SavedAudit) -> str:
    """The first file to be shown, where not one of them is there any more; else ""."""
    places = list(filter(None, audit.files[_first_shown(audit)]))
    return str(places[0]) if places and not any(map(os.path.isfile, places)) else ""


def _first_shown(audit: SavedAudit) -> np.ndarray:
    """The rows that are listed; all, where none is."""
    return audit.listed if len(audit.listed) else np.arange(len(audit.given))


def _kept() -> pathlib.Path | None:
    """The folder of thumbnails; None for a user without a home."""
    cache = files.cache_folder()
    return None if cache is None else cache / "thumbnails"


def forget_old() -> None:
    """Removes the thumbnails that were made first, where there are more than may be kept."""
    kept = _kept()
    if kept is None:
        return
    with suppress(OSError):
        made = [(entry.stat(), entry) for entry in kept.rglob("*") if entry.is_file()]
        size = sum(status.st_size for status, _ in made)
        for status, entry in sorted(made, key=lambda found: found[0].st_mtime):
            if size <= _MOST:
                return
            entry.unlink()
            size -= status.st_size


def _key(path: str) -> pathlib.Path:
    """Where the thumbnail of a file is kept; raises NoPicture where there is no such file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise NoPicture(getattr(error, "strerror", None) or "no such file") from None
    about = f"{THUMB}\0{status.st_size}\0{status.st_mtime_ns}\0{os.path.abspath(path)}"
    digest = hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()
    return pathlib.Path(digest[:2]) / digest[2:]


def _of_file(path: str, side: int) -> Encoded:
    try:
        return _encode(Image.fromarray(decode.within(path, side)))
    except decode.BadImage as error:
        raise NoPicture(str(error)) from None


def _encode(image: Image.Image) -> Encoded:
    buffer = io.BytesIO()
    if max(image.size) <= _LOSSLESS:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=88)
    return _typed(buffer.getvalue())


def _typed(data: bytes) -> Encoded:
    return Encoded(data, "image/png" if data.startswith(b"\x89PNG") else "image/jpeg")
