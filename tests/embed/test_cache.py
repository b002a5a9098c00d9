"""Vectors are kept by content: what is there is taken, damage is noticed, nothing is mixed up."""

import numpy as np
import pytest

from dull_jax.embed.cache import VectorCache, content_of_pixels, content_of_text
from dull_jax.errors import UserError

D = 6
MADE_BY = {"backbone": "b", "weights": "w", "input_size": 64}


def contents(*names):
    return np.stack([content_of_text(name) for name in names])


def vectors(*numbers):
    return np.array([[n] * D for n in numbers], np.float16)


@pytest.fixture
def cache(tmp_path):
    made = VectorCache(tmp_path, MADE_BY, D)
    made.add(contents("a", "b", "c"), vectors(1, 2, 3))
    made.add(contents("d"), vectors(4))
    return made


def loaded(cache, *names):
    out = np.full((len(names), D), -1, np.float16)
    known = cache.load(contents(*names), out)
    return known.tolist(), out[:, 0].tolist()


def test_what_is_known_is_taken(cache):
    assert loaded(cache, "d", "x", "a") == ([True, False, True], [4, -1, 1])


def test_content_of_others_touches_nothing(cache):
    assert loaded(cache, "x", "y") == ([False, False], [-1, -1])


def test_copies_of_one_content_have_its_vector(cache):
    assert loaded(cache, "b", "b") == ([True, True], [2, 2])


def test_another_way_to_make_vectors_knows_nothing(cache):
    for key in MADE_BY:
        other = VectorCache(cache.folder.parent, MADE_BY | {key: "other"}, D)
        assert loaded(other, "a") == ([False], [-1])


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "foreign", "narrow", "moved"])
def test_a_damaged_file_counts_as_not_there(cache, damage):
    path = min(cache.folder.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    data = path.read_bytes()
    if damage == "flipped":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "foreign":
        path.write_bytes(b"not a file of tensors, and long enough to be looked at as one")
    elif damage == "narrow":
        cache.add(contents("d"), vectors(4)[:, :3])  # in a file of the same name
    else:  # from the folder of another way to make vectors
        other = VectorCache(cache.folder.parent, MADE_BY | {"weights": "v"}, D)
        other.add(contents("d"), vectors(9))
        path.write_bytes(next(iter(other.folder.glob("*.safetensors"))).read_bytes())
    assert loaded(cache, "d", "a") == ([False, True], [-1, 1])


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        VectorCache(tmp_path / "file", MADE_BY, D).add(contents("a"), vectors(1))


def test_content_of_pixels_is_of_values_and_shape():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    same = content_of_pixels(np.asfortranarray(image))
    assert (content_of_pixels(image) == same).all()
    for other in (image + 1, image.reshape(2, 8, 3)):
        assert (content_of_pixels(image) != content_of_pixels(other)).any()
