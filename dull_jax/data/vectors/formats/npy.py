"""One array of NumPy's, mapped; it has no ids and no labels."""

import pathlib

import numpy as np

from dull_jax.data.vectors.columns import Embeddings, as_vectors
from dull_jax.errors import UserError

TITLE, SUFFIX = "a plain .npy array", ".npy"


def read(name: str, path: pathlib.Path) -> Embeddings:
    """`[N, D]` or `[N, V, D]`. Raises UserError, or as `np.load`."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise UserError(f"{name}: an archive; call it .npz")
    return Embeddings(name, (as_vectors(name, array),))
