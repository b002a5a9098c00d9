"""The one reader of pickles: plain values and what is allowed, whatever the bytes ask for."""

import collections
import io
import os
import pickle

import pytest

from dull_jax.errors import UserError
from dull_jax.restricted_pickle import Unpickler


def load(data, allowed=None, **options):
    return Unpickler(io.BytesIO(data), allowed or {}, **options).load()


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "b": {}},
        [-1, 255, 65535, 2**40, "ä", []],
        {str(n): n for n in range(3000)},
    ],
    ids=["mixed", "numbers", "many"],
)
def test_plain_values(value):
    assert load(pickle.dumps(value, 2)) == value


def test_strings_of_python_2():
    assert load(b"\x80\x02U\x02\xe4b.", encoding="bytes") == b"\xe4b"


def test_allowed_names_are_what_the_reader_says():
    data = pickle.dumps(collections.OrderedDict(), 2)
    assert load(data, {("collections", "OrderedDict"): lambda *_: "mine"}) == "mine"
    with pytest.raises(UserError, match=r"refused a pickle that asks for 'collections\.Ordered"):
        load(data)


class Hostile:
    def __reduce__(self):
        return os.system, ("exit 3",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(protocol):
    with pytest.raises(Exception, match=r"refused a pickle|^\d+$"):
        load(pickle.dumps(Hostile(), protocol))


@pytest.mark.parametrize("code", sorted({b"i", b"o", b"\x81", b"\x82", b"\x83", b"\x84", b"P"}))
def test_codes_that_make_objects_are_unknown(code):
    with pytest.raises(KeyError):
        load(b"\x80\x02(" + code + b"os\nsystem\n.")


@pytest.mark.parametrize("setter", [b"Ns", b"Nu"])
def test_a_key_is_a_text(setter):
    mark = b"(" if setter == b"Nu" else b""
    with pytest.raises(pickle.UnpicklingError, match="a key that is no text"):
        load(b"\x80\x02}" + mark + b")" + b"\x85" * 300_000 + setter + b".")
    with pytest.raises(pickle.UnpicklingError, match="a key that is no text"):
        load(b"\x80\x02}" + mark + b"K\x01" + setter + b".")
