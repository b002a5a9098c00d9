"""A folder that stays the same one for those who write in it from threads of their own.

Orbax and TensorBoard open files by name, later, when nobody looks whether the run's folder is still
there under its name. Another run's may be.
"""

import os
import pathlib

from dull_jax.errors import UserError


class Anchor:
    """A local folder, made if need be; `path` leads to it wherever it is moved.

    Outside of Linux, which has such paths, `path` is the folder's own.

    Raises:
      UserError: it cannot be made or opened.
    """

    def __init__(self, folder: pathlib.Path):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle: int | None = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{folder} cannot be opened: {error.strerror}") from None
        self.path = pathlib.Path(f"/proc/self/fd/{self._handle}")
        if not self.path.exists():
            self.path = folder

    def close(self) -> None:
        """When no thread writes in it any more: its path may be another's soon."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle = None
