"""Tensors of PyTorch's old file format, without PyTorch and without running anything.

Such a file is three pickles (a magic number, the version, the machine), one of an ordered
dictionary of tensors, one of the names of their storages, and the storages' bytes. The file must
be one that is known by its digest, and no pickle gets more than the four names it needs.
"""

import hashlib
import io
import math
import os
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dull_jax.errors import UserError, reason
from dull_jax.files import read as read_file
from dull_jax.restricted_pickle import Unpickler

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
    magic, version, _, tensors, keys = (_Reader(file, _ALLOWED).load() for _ in range(5))
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("magic number or version")
    if not _maps(tensors, str, _Tensor) or not _lists(keys, str):
        raise ValueError("no dictionary of tensors")
    storages = _storages(file, tensors, keys)
    return {name: _array(tensor, storages) for name, tensor in tensors.items()}


class _Reader(Unpickler):
    """Also knows what names a storage."""

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, view = pid
        if not _lists([kind, dtype, key], str) or (kind, view) != ("storage", None):
            raise ValueError("a storage of another kind")
        if type(size) is not int or size < 0:
            raise ValueError("a storage of no size")
        return _Storage(_TYPES[dtype], key, size)

    def attach(self) -> None:
        """Nothing: PyTorch has the versions of its modules there, which nobody reads."""
        self.stack.pop()
        if type(self.stack[-1]) is not dict:
            raise ValueError("something attached to what is no dictionary")


def _rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if type(storage) is not _Storage or type(shape) is not tuple or type(strides) is not tuple:
        raise ValueError("a tensor of another kind")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(type(n) is int and 0 <= n < 2**31 for n in numbers):
        raise ValueError("a tensor of no shape")
    return _Tensor(storage, offset, shape, strides)


def _empty() -> dict:
    return {}


# `dict` itself would hash whatever it is called with.
_ALLOWED = {
    ("collections", "OrderedDict"): _empty,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    ("torch", "FloatStorage"): "FloatStorage",
    ("torch", "LongStorage"): "LongStorage",
}


def _storages(
    file: io.BytesIO, tensors: Mapping[str, _Tensor], keys: list[str]
) -> dict[str, np.ndarray]:
    """{key: flat array}; every one is of one tensor, so that all together are no larger."""
    wanted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if not len(wanted) == len(tensors) == len(keys) or wanted.keys() != set(keys):
        raise ValueError("not one storage for each tensor")
    storages = {key: _storage(file, wanted[key]) for key in keys}
    if file.read(1):
        raise ValueError("more bytes than storages")
    return storages


def _storage(file: io.BytesIO, wanted: _Storage) -> np.ndarray:
    (size,) = struct.unpack("<q", file.read(8))
    content = file.read(wanted.size * wanted.dtype.itemsize)
    if size != wanted.size or len(content) != size * wanted.dtype.itemsize:
        raise ValueError(f"storage {wanted.key} is cut off or of another size")
    return np.frombuffer(content, wanted.dtype)


def _array(tensor: _Tensor, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    """A copy in C order: the strides of a transposed tensor are not those of its shape."""
    flat = storages[tensor.storage.key]
    last = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True)
    )
    if len(tensor.shape) > 8 or math.prod(tensor.shape) > len(flat) or not 0 <= last < len(flat):
        raise ValueError("a tensor beyond its storage")
    strides = [step * flat.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
    return np.ascontiguousarray(view).reshape(tensor.shape)  # which makes [1] of a number


def _maps(value: Any, key: type, item: type) -> bool:
    return type(value) is dict and _lists([*value], key) and _lists([*value.values()], item)


def _lists(value: Any, kind: type) -> bool:
    return type(value) is list and all(type(one) is kind for one in value)
