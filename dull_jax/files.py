"""Files that are there whole or not at all, whenever the process is killed or the disk is full."""

import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from dull_jax.errors import UserError


@contextmanager
def whole(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """Opens a draft beside `path` for writing bytes; it takes the name `path` when complete.

    Raises:
      UserError: it cannot be written, because the disk is full, say.
    """
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a small file by way of `whole`."""
    with whole(path) as file:
        file.write(text.encode())
