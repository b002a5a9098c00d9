"""Safetensors: vectors mapped where they lie, ids and labels as whole numbers or in the metadata.

The format has no texts. Its metadata has: {"ids": '["a.png", "b.png"]'}, a list in JSON.
"""

import json
import pathlib

import numpy as np

from dull_jax.data.vectors.columns import TEXTS, Embeddings, as_text, as_vectors, chosen, gathered
from dull_jax.errors import UserError

TITLE, SUFFIX = "a safetensors file", ".safetensors"

_FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def read(name: str, path: pathlib.Path) -> Embeddings:
    """Tensors as `columns.chosen` names them. Raises UserError, or as safetensors does."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:  # which checks all offsets against the file
        tensors, metadata = tuple(file.keys()), file.metadata() or {}
        column = chosen(name, dict.fromkeys((*tensors, *metadata)))
        vectors = as_vectors(name, _mapped(name, path, column["vectors"]))
        texts = {}
        for what in TEXTS:
            if (key := column.get(what)) in tensors:
                texts[what] = as_text(name, what, file.get_tensor(key))
            elif key is not None:
                texts[what] = _listed(name, what, metadata[key])
    return gathered(name, vectors, texts)


def _mapped(name: str, path: pathlib.Path, key: str) -> np.ndarray:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(size)).get(key)
    if about is None:
        raise UserError(f"{name}: {key} is in the metadata; it must be a tensor")
    if about["dtype"] not in _FLOATS:
        kinds = ", ".join(_FLOATS)
        raise UserError(f"{name}: {key} is {about['dtype']}, which NumPy has not; save {kinds}")
    shape, begin = tuple(about["shape"]), about["data_offsets"][0]
    if 0 in shape:
        return np.zeros(shape, _FLOATS[about["dtype"]])
    return np.memmap(path, _FLOATS[about["dtype"]], "r", 8 + size + begin, shape)


def _listed(name: str, what: str, text: str) -> list[str]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(type(value) in (str, int) for value in values):
        raise UserError(f"{name}: {what} in the metadata must be a JSON list of texts or numbers")
    return as_text(name, what, np.array(list(map(str, values)), str))
