"""Arrays in a temporary file that has no name: more than memory, and gone with the process."""

import math
import os
import shutil
import tempfile

import numpy as np

from dull_jax import memory
from dull_jax.errors import UserError


def array(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of zeros, mapped to be written and read.

    Its place on the disk is taken at once: a full disk would kill the process later (SIGBUS).

    Args:
      name: of what is unpacked, for messages.

    Raises:
      UserError: there is no room for it.
    """
    needed, folder = math.prod(shape) * dtype.itemsize, tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    try:
        if needed > free:
            raise OSError
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, needed)
            else:
                file.truncate(needed)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError:
        raise UserError(
            f"{name}: unpacked it takes {memory.shown(needed)} in {folder}, where "
            f"{memory.shown(free)} are free; name another folder by TMPDIR"
        ) from None
