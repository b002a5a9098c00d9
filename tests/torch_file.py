"""Files of tensors as PyTorch wrote them before version 1.6, put together code by code."""

import math
import pickle
import struct

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
_KINDS = {"float32": b"FloatStorage", "int64": b"LongStorage"}
_ORDERED = b"ccollections\nOrderedDict\n)R"


def encoded(tensors: dict[str, np.ndarray], **changes) -> bytes:
    """The file; a tensor lies in its storage as its strides say (all of it, from 0).

    changes: of what is said of every tensor: size, offset, shape, strides.
    """
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, {"little_endian": True}))
    items = b"".join(text(name) + _tensor(name, array, changes) for name, array in tensors.items())
    versions = b"}" + text("_metadata") + b"}sb"
    names = b"]" + b"".join(text(f"of {name}") + b"a" for name in tensors)
    storages = b"".join(
        struct.pack("<q", array.size) + array.ravel(order="K").tobytes()
        for array in tensors.values()
    )
    body = b"\x80\x02" + _ORDERED + b"(" + items + b"u" + versions + b"."
    return head + body + b"\x80\x02" + names + b"." + storages


def _tensor(name: str, array: np.ndarray, changes: dict) -> bytes:
    strides = tuple(step // array.itemsize for step in array.strides)
    said = {"size": array.size, "offset": 0, "shape": array.shape, "strides": strides} | changes
    storage = text("storage") + b"ctorch\n" + _KINDS[array.dtype.name] + b"\n"
    storage += text(f"of {name}") + text("cpu") + number(said["size"])
    sizes = numbers(said["shape"]) + numbers(said["strides"])
    called = b"((" + storage + b"NtQ" + number(said["offset"]) + sizes + b"\x89" + _ORDERED + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + called + b"R"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def example() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float32).transpose(3, 2, 0, 1)
    counter = np.array(7)
    assert not kernel.flags.c_contiguous and math.prod(counter.shape) == 1
    return {"conv.weight": kernel, "bn.bias": np.arange(4, dtype=np.float32), "bn.count": counter}
