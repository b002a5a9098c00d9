"""PyTorch's old format: tensors come out as they lie in it, and nothing else does."""

import hashlib
import os
import pickle
import resource
import struct

import numpy as np
import pytest

import torch_file
from dull_jax.errors import UserError
from dull_jax.models.weights import torch_legacy
from torch_file import number, text

TENSORS = torch_file.example()
WHOLE = torch_file.encoded(TENSORS)
HEAD = b"".join(
    pickle.dumps(part, 2) for part in (torch_file.MAGIC, torch_file.VERSION, {"little_endian": True})
)


def test_tensors_come_back_in_their_order_and_in_c_order():
    found = torch_legacy.tensors_of(WHOLE, "w.pth")
    assert list(found) == list(TENSORS)
    for name, wanted in TENSORS.items():
        np.testing.assert_array_equal(found[name], wanted)
        assert found[name].dtype == wanted.dtype and found[name].shape == wanted.shape
        assert found[name].flags.c_contiguous


def test_the_digest_is_looked_at_first(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(WHOLE)
    assert torch_legacy.read(path, hashlib.sha256(WHOLE).hexdigest()).keys() == TENSORS.keys()
    path.write_bytes(pickle.dumps(Hostile(os.system, "true"), 2))
    with pytest.raises(UserError, match=r"w\.pth is damaged or another file: its sha256 is"):
        torch_legacy.read(path, hashlib.sha256(WHOLE).hexdigest())
    with pytest.raises(UserError, match="cannot be read: No such file"):
        torch_legacy.read(tmp_path / "nowhere.pth", "")


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("call", [(os.system, "exit 3"), (getattr, "x", "upper"), (np.load, "x")])
def test_no_other_name_is_given_out(call):
    with pytest.raises(UserError, match="refused a pickle that asks for"):
        torch_legacy.tensors_of(HEAD + pickle.dumps({"w": Hostile(*call)}, 2), "w.pth")


@pytest.mark.parametrize("changes", [
    {"size": 71}, {"size": 73}, {"size": -1}, {"size": 2**62},
    {"offset": 1}, {"offset": -1}, {"offset": 2**40},
    {"shape": (4, 2, 3)}, {"shape": (4, 2, 3, 4)}, {"shape": (4, 2, 3, -3)}, {"shape": (2**30,) * 4},
    {"strides": (1, 4, 24, 9)}, {"strides": (1, 4, 24, -8)}, {"shape": (1,) * 9, "strides": (1,) * 9},
])  # fmt: skip
def test_a_tensor_stays_within_its_storage(changes):
    only = {"conv.weight": TENSORS["conv.weight"]}
    with pytest.raises(UserError, match=r"^w\.pth: not a file of PyTorch tensors \("):
        torch_legacy.tensors_of(torch_file.encoded(only, **changes), "w.pth")


NOTHING = b"\x80\x02}.\x80\x02]."
STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("a") + text("cpu")


@pytest.mark.parametrize("data", [
    b"", WHOLE[:-1], WHOLE + b"\0", WHOLE[: len(WHOLE) // 2],
    pickle.dumps(1, 2) + WHOLE[len(pickle.dumps(torch_file.MAGIC, 2)) :],
    HEAD + pickle.dumps([1], 2) + pickle.dumps([], 2),
    HEAD + pickle.dumps({"a": 1}, 2) + pickle.dumps(["a"], 2),
    HEAD + b"\x80\x02}" + text("a") + STORAGE + number(1) + b"NtQs." + NOTHING,
    HEAD + b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}" + text("x") + b"Nsb." + NOTHING,
    HEAD + b"\x80\x02" + b"(" * 200_000 + b"t" * 200_000 + b"Q" + NOTHING,
    HEAD + b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"Ns." + NOTHING,  # hashed, it ends Python
    HEAD + b"\x80\x02ccollections\nOrderedDict\n]](" + b")" + b"\x85" * 200_000 + b"Nea\x85R.",
    HEAD + b"\x80\x02}r\xff\xff\xff\x7f." + b"X\xff\xff\xff\xff" + NOTHING,
    HEAD + b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00." + NOTHING,
    HEAD + NOTHING.replace(b"]", b"]" + text("a") + b"a"),
    torch_file.encoded({"a": TENSORS["bn.bias"]})[:-24] + struct.pack("<q", 2**62) + bytes(16),
], ids=range(16))  # fmt: skip
def test_damage_is_one_line_and_takes_no_memory(data):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"^w\.pth: not a file of PyTorch tensors \(") as refused:
        torch_legacy.tensors_of(data, "w.pth")
    assert str(refused.value).isprintable() and len(str(refused.value)) < 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_one_storage_cannot_be_many_tensors():
    """A thousand names for 16 MB would be 16 GB."""
    one = torch_file.encoded({"a": TENSORS["bn.bias"]})
    two = one.replace(b"(" + text("a"), b"(" + text("b") + b"N" + text("a"), 1)
    for data in (two, torch_file.encoded(dict.fromkeys("ab", TENSORS["bn.bias"])).replace(
        text("of b"), text("of a")
    )):  # fmt: skip
        with pytest.raises(UserError, match="not a file of PyTorch tensors"):
            torch_legacy.tensors_of(data, "w.pth")
