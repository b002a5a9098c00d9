"""Paths that a user names, here or in a store (gs://, s3://); files that are whole or not there.

A local file is drafted, synced and renamed: whenever the process is killed or the disk is full,
there is the old one or the new one. A store shows an object when it has all of it, and an object
is handed over in one piece, so it needs no draft.
"""

import io
import logging
import os
import pathlib
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TypeAlias

from etils import epath

from dull_jax.errors import UserError, reason
from dull_jax.names import shown

Path: TypeAlias = pathlib.Path | epath.Path

MAX_BYTES = 1 << 30  # of a table, a list of labels or a run's JSON, which are read as a whole
_DRAFT = ".dull_jax-{}.part"

logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs tracebacks of what it then raises


def is_remote(path: str | os.PathLike) -> bool:
    """Whether it lies in a store: 'gs://bucket/runs/x'.

    >>> is_remote("gs://bucket/runs/x"), is_remote("runs/x")
    (True, False)
    """
    return "://" in os.fspath(path)


def absolute(path: str | os.PathLike) -> str:
    """A path that holds in every folder; that of a store does already."""
    return os.fspath(path) if is_remote(path) else os.path.abspath(path)


def parsed(named: str | os.PathLike) -> Path:
    """What is named: `pathlib` for a local path, `epath` for one in a store; nothing is asked.

    Raises:
      UserError: there is no such kind of store.
    """
    text = os.fspath(named)
    if not is_remote(text):
        return pathlib.Path(text)
    if isinstance(named, epath.Path):
        return named
    try:
        return epath.Path(text)
    except KeyError:
        raise UserError(f"{text}: neither a local path nor one in a store (gs://, s3://)") from None


def path_of(named: str | os.PathLike, name: str = "the path") -> Path:
    """What is named, with `~` replaced, and the way there has been tried.

    Args:
      name: the flag or field it comes from, for messages: "--workdir".

    Raises:
      UserError: it is empty, nobody's home, its kind of store has no client here, or the store
        cannot be reached.
    """
    path = parsed(expanded(named, name))
    if is_remote(path) and path is not named:
        with reaching(path), suppress(FileNotFoundError):
            path.stat()
    return path


def expanded(named: str | os.PathLike, name: str = "the path") -> str | os.PathLike:
    """`named` with `~` replaced by the user's home. Raises UserError: see `path_of`."""
    text = os.fspath(named)
    if not text.strip():
        raise UserError(f"{name} is empty; is a variable of the shell not set?")
    if is_remote(text) or not text.startswith("~"):
        return named
    text_at_home = os.path.expanduser(text)
    if text_at_home.startswith("~"):
        raise UserError(f"{name} = {shown(text)}: no home folder is known for it; write it out")
    return text_at_home


def cache_folder() -> pathlib.Path | None:
    """$XDG_CACHE_HOME/dull_jax, or else ~/.cache/dull_jax; None for a user without a home."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if home.startswith("~") else pathlib.Path(home) / "dull_jax"


def on_disk(path: str) -> str:
    """`path` as the disk spells it: accents composed or decomposed; unchanged if it has neither.

    macOS decomposes the names of files, tables are typed composed.
    """
    if path.isascii() or os.path.lexists(path):
        return path
    parent, name = os.path.split(path)
    if not name or parent == path:
        return path
    parent = on_disk(parent)
    for form in ("NFC", "NFD"):
        if os.path.lexists(candidate := os.path.join(parent, unicodedata.normalize(form, name))):
            return candidate
    return os.path.join(parent, name)


def check_local(name: str, text: str | os.PathLike) -> None:
    """Raises UserError where the flag or field `name` is a path in a store."""
    if is_remote(text):
        raise UserError(f"{name} = {os.fspath(text)}: it is read locally only; copy it here first")


@contextmanager
def reaching(path: Path) -> Iterator[None]:
    """One line for what the client of a store raises: dozens of types. Local paths pass through.

    Raises:
      FileNotFoundError: it is not there.
      UserError: whatever else is wrong.
    """
    try:
        yield
    except (FileNotFoundError, UserError):
        raise
    except Exception as error:
        if not is_remote(path):
            raise
        raise UserError(f"{path} cannot be reached ({reason(error)})") from error


def read(named: str | os.PathLike, most: int = MAX_BYTES) -> bytes:
    """The contents of a file, which may begin with '~'.

    Raises:
      OSError: as of a local file, and where it is not there.
      UserError: it is larger than `most` bytes or no regular file (a pipe would be read for ever);
        see also `path_of` and `reaching`.
    """
    path = parsed(expanded(named))
    if is_remote(path):
        with reaching(path):
            return path.read_bytes()
    check_regular(path, most)
    return path.read_bytes()


def check_regular(path: pathlib.Path, most: int | None = None) -> None:
    """Raises UserError for what is no regular file or larger than `most` bytes; OSError as stat."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        return  # to open it raises an error of its own
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{shown(str(path))}: a pipe or device, not a regular file")
    if most is not None and status.st_size > most:
        raise UserError(
            f"{shown(str(path))}: {status.st_size:,} bytes; at most {most:,} are read as one file"
        )


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Opens a draft of `path` for writing bytes; it takes the name `path` when complete.

    A link stays a link: what it names is written. A pipe or a character device is written to.

    Raises:
      UserError: it cannot be written, because the disk is full, say.
    """
    if is_remote(path):
        buffer = io.BytesIO()
        yield buffer
        _hand_over(path, buffer.getvalue())
        return
    try:
        target = pathlib.Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("wb") as file:
                yield file
            return
        draft = target.with_name(_DRAFT.format(secrets.token_hex(6)))
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def remove_drafts(folder: pathlib.Path) -> None:
    """Removes what a killed process was writing in `folder`, which nobody else writes in now."""
    for draft in folder.glob(_DRAFT.format("*")):
        with suppress(OSError):
            draft.unlink()


def _hand_over(path: epath.Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except Exception as error:  # see `reaching`; a bucket that is not there has no file found
        raise UserError(f"{path} cannot be written: {reason(error)}") from error


def write_text(path: Path, text: str) -> None:
    """Writes a small file by way of `whole`."""
    with whole(path) as file:
        file.write(text.encode())
