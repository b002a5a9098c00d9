"""Paths that a user names, here or in a store (gs://, s3://); files that are whole or not there.

A local file is drafted, synced and renamed: whenever the process is killed or the disk is full,
there is the old one or the new one. A store shows an object when it has all of it, and an object
is handed over in one piece, so it needs no draft.
"""

import io
import logging
import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from etils import epath

from dull_jax.errors import UserError, reason

Path = pathlib.Path | epath.Path

logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs tracebacks of what it then raises


def is_remote(path: str | os.PathLike) -> bool:
    """Whether it lies in a store: 'gs://bucket/runs/x'."""
    return "://" in os.fspath(path)


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


def path_of(named: str | os.PathLike) -> Path:
    """What is named, as `parsed`, and the way there has been tried.

    Raises:
      UserError: the package for this kind of store is missing, or the store cannot be reached.
    """
    path = parsed(named)
    if is_remote(path) and path is not named:
        with reaching(path), suppress(FileNotFoundError):
            path.stat()
    return path


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


def read(named: str | os.PathLike) -> bytes:
    """The contents of a file, which may begin with '~'.

    Raises:
      OSError: as of a local file, and where it is not there.
      UserError: see `parsed` and `reaching`.
    """
    path = parsed(os.path.expanduser(named))
    with reaching(path):
        return path.read_bytes()


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Opens a draft of `path` for writing bytes; it takes the name `path` when complete.

    Raises:
      UserError: it cannot be written, because the disk is full, say.
    """
    if is_remote(path):
        draft = io.BytesIO()
        yield draft
        _hand_over(path, draft.getvalue())
        return
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def _hand_over(path: epath.Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except Exception as error:  # see `reaching`; a bucket that is not there has no file found
        raise UserError(f"{path} cannot be written: {reason(error)}") from error


def check_output(flag: str, path: Path, *inputs: pathlib.Path) -> None:
    """Before the work, not after it: whether `path`, given by `flag`, can become a file.

    In a store that shows when it is written.

    Raises:
      UserError: it is a folder, or in none that can be written, or one of the `inputs`.
    """
    if is_remote(path):
        return
    folder = path.absolute().parent
    if path.is_dir() or not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(f"--{flag}={path} cannot be written; name a file in a folder that can be")
    if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
        raise UserError(f"--{flag}={path} is the input; name another file")


def write_text(path: Path, text: str) -> None:
    """Writes a small file by way of `whole`."""
    with whole(path) as file:
        file.write(text.encode())
