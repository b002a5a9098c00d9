"""Tensors of PyTorch's old file format, without PyTorch and without running anything.

Such a file is three pickles (a magic number, the version, the machine), one of an ordered
dictionary of tensors, one of the names of their storages, and the storages' bytes. The unpickler
here knows the two names that such a dictionary needs and no other; the file must be one that is
known by its digest.
"""

import collections
import hashlib
import io
import math
import os
import pickle
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dull_jax.errors import UserError, reason
from dull_jax.files import read as read_file

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage(NamedTuple):
    dtype: np.dtype
    key: str
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: str | os.PathLike, sha256: str) -> dict[str, np.ndarray]:
    """{tensor: array} of the file, which must have this digest.

    Raises:
      UserError: it cannot be read, is another file, or a damaged one.
    """
    try:
        data = read_file(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise UserError(
            f"{path} is damaged or another file: its sha256 is {digest[:12]}…, that of the weights "
            f"{sha256[:12]}…; install the package again"
        )
    return tensors_of(data, str(path))


def tensors_of(data: bytes, name: str) -> dict[str, np.ndarray]:
    """{tensor: array} of a file's bytes. Raises UserError, which names `name`."""
    try:
        return _tensors(data)
    except Exception as error:  # a pickle that is damaged fails in any way
        raise UserError(f"{name}: not a file of PyTorch tensors ({reason(error)})") from None


def _tensors(data: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(data)
    magic, version, _ = (_Unpickler(file).load() for _ in range(3))
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("magic number or version")
    tensors, keys = _Unpickler(file).load(), _Unpickler(file).load()
    if not isinstance(tensors, dict) or not isinstance(keys, list):
        raise ValueError("no dictionary of tensors")
    storages = _storages(file, tensors, keys)
    return {str(name): _array(tensor, storages) for name, tensor in tensors.items()}


class _Unpickler(pickle.Unpickler):
    """Knows the names that a dictionary of tensors needs; whatever else is named is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"names {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, view = pid
        if kind != "storage" or view is not None or not isinstance(size, int):
            raise pickle.UnpicklingError("a storage of another kind")
        return _Storage(_TYPES[dtype], str(key), size)


def _rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    numbers = (offset, *shape, *strides)
    sound = all(type(n) is int and n >= 0 for n in numbers) and len(shape) == len(strides)
    if not isinstance(storage, _Storage) or not sound:
        raise pickle.UnpicklingError("a tensor of another kind")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _storages(
    file: io.BytesIO, tensors: Mapping[Any, Any], keys: list[Any]
) -> dict[str, np.ndarray]:
    wanted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {}
    for key in keys:
        storage = wanted[key]
        (size,) = struct.unpack("<q", file.read(8))
        content = file.read(size * storage.dtype.itemsize) if size == storage.size else b""
        if len(content) != storage.size * storage.dtype.itemsize:
            raise ValueError(f"storage {key} is cut off or of another size")
        storages[key] = np.frombuffer(content, storage.dtype)
    if file.read(1):
        raise ValueError("more bytes than storages")
    return storages


def _array(tensor: _Tensor, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    """A copy in C order: the strides of a transposed tensor are not those of its shape."""
    flat = storages[tensor.storage.key]
    last = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True)
    )
    if math.prod(tensor.shape) > len(flat) or not 0 <= last < len(flat):
        raise ValueError("a tensor beyond its storage")
    strides = [step * flat.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
    return np.ascontiguousarray(view)
