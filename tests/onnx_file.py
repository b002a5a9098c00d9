"""Small `.onnx` files, written field by field: the protobuf of onnx.proto without that package."""

import struct

import numpy as np

FLOAT, INT64, FLOAT16 = 1, 7, 10
_TYPES = {"float32": FLOAT, "int64": INT64, "float16": FLOAT16}


def field(number, value):
    """One field of a protobuf message: an integer, or text, bytes, a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number):
    number, data = number & (1 << 64) - 1, b""
    while number > 127:
        data, number = data + bytes([number & 127 | 128]), number >> 7
    return data + bytes([number])


def node(kind, inputs, output, **attributes):
    """NodeProto; an attribute is an integer or a list of them."""
    parts = [field(1, name) for name in inputs] + [field(2, output), field(4, kind)]
    for name, value in attributes.items():
        values = [field(8, v) for v in value] if isinstance(value, list) else [field(3, value)]
        kind_of = field(20, 7 if isinstance(value, list) else 2)
        parts.append(field(5, b"".join([field(1, name), *values, kind_of])))
    return b"".join(parts)


def tensor(name, array, file=""):
    """TensorProto, with its numbers inside or, from its first byte on, in a file beside it."""
    array = np.asarray(array)
    dims = [field(1, side) for side in array.shape]
    parts = [*dims, field(2, _TYPES[array.dtype.name]), field(8, name)]
    if file:
        parts += [field(13, field(1, "location") + field(2, file)), field(14, 1)]
    else:
        parts.append(field(9, array.tobytes()))
    return b"".join(parts)


def value(name, shape, kind=FLOAT):
    """ValueInfoProto; a side is a number, or the name of what is open."""
    sides = [field(1, field(1 if isinstance(side, int) else 2, side)) for side in shape]
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, b"".join(sides))))


def model(nodes, tensors, inputs, outputs):
    """ModelProto of one graph, operators of version 17."""
    parts = [(1, nodes), (5, tensors), (11, inputs), (12, outputs)]
    graph = field(2, "g") + b"".join(field(n, each) for n, some in parts for each in some)
    return field(1, 8) + field(8, field(1, "") + field(2, 17)) + field(7, graph)
