"""`embed_images`: paths, a folder or arrays in, vectors out, in that order."""

import numpy as np
import pytest

import photos
from dull_jax import UserError, embed_images, image_paths
from dull_jax.api import embedding
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.embed.views import ImageEncoder


class Means(ImageEncoder):
    """Mean colours, from 0 to 1."""

    name, digest, channels, input_size = "means", "0" * 64, 3, 8
    augment = AugmentSpec((0,) * 3, (1,) * 3)

    def network(self, devices):
        return (lambda x: x.mean((1, 2))), 4


@pytest.fixture
def means(monkeypatch):
    monkeypatch.setattr(embedding, "encoder_of", lambda *args: Means())


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "PHOTOS"
    photos.make(root, test_each=0)
    (root / "train" / "notes.txt").write_text("no image")
    return root


def silent(text):
    pass


def test_vectors_are_in_the_order_of_the_paths(means, folder, tmp_path):
    paths = image_paths(folder)
    assert len(paths) == 102 and paths == sorted(paths)
    wanted = [paths[-1], paths[0], paths[-1]]
    said = []
    found = embed_images(wanted, cache=tmp_path / "cache", say=said.append)
    assert found.dtype == np.float32 and found.shape == (3, 3)
    assert found[0].argmax() == 2 and found[1].argmax() == 0  # sky, apple
    assert np.array_equal(found[0], found[2])
    assert any("embedding 3 images" in line for line in said)
    whole = embed_images(folder, cache=tmp_path / "cache", say=said.append)
    assert np.array_equal(whole[[-1, 0, -1]], found)
    assert any("2 are known" in line for line in said)


@pytest.mark.parametrize("kind", [str, object])
def test_an_array_of_paths_is_a_list(means, folder, kind):
    paths = image_paths(folder)[:3]
    found = embed_images(np.array(paths, kind), say=silent)
    assert np.array_equal(found, embed_images(paths, say=silent))


def test_one_file(means, folder):
    path = image_paths(folder)[0]
    assert image_paths(path) == [path]
    assert np.array_equal(embed_images(path, say=silent), embed_images([path], say=silent))


def test_arrays(means):
    images = np.zeros((5, 8, 8, 3), np.uint8)
    images[2, :, :, 1] = 255
    assert np.allclose(embed_images(images, say=silent), images.mean((1, 2)) / 255, atol=1e-3)
    assert embed_images(images[:0], say=silent).shape == (0, 3)


def test_an_array_is_brought_to_the_size():
    """And stays as it is without one."""
    small = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    as_it_is, enlarged = (embed_images(small, size=n, say=silent) for n in (0, 64))
    assert np.array_equal(as_it_is, embed_images(small, size=32, say=silent))
    assert not np.allclose(as_it_is, enlarged, atol=0.1)
    plain = np.full((1, 64, 64, 3), 90, np.uint8)
    shrunk = embed_images(plain, size=32, say=silent)
    assert np.allclose(shrunk, embed_images(plain[:, :32, :32], say=silent), atol=1e-2)


def test_what_cannot_be_embedded(means, folder, tmp_path):
    broken = folder / "train" / "broken.png"
    broken.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    for images, said in (
        ([str(broken), "gone.png"], r"image 0, .*broken.png.*\(1 more cannot be read\)"),
        ("nowhere", "there is no folder or file"),
        (tmp_path / "empty", "holds no images"),
        (np.zeros((2, 8, 8, 3)), r"images must be paths, or one array uint8 \[N, H, W, 3\]"),
        ([np.zeros((8, 8, 3), np.uint8)], r"or one array uint8 .*; image 0 is of type ndarray"),
        (np.array([["a.png"]]), "images must be paths, .*; image 0 is of type list"),
        (np.array(["a.png", np.nan], object), "images must be paths, .*; image 1 is of type float"),
        (None, "images must be paths, .*; image 0 is of type NoneType"),
    ):
        with pytest.raises(UserError, match=said):
            embed_images(images, say=silent)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"fit": "croop"}, "fit='croop': did you mean 'crop'. one of crop, pad, stretch"),
        ({"fit": None}, "fit=None: one of crop, pad, stretch"),
        ({"size": -5}, "size must be a whole number from 0 to 65,535, not -5"),
        ({"size": 32.5}, "size must be a whole number from 0 to 65,535, not 32.5"),
    ],
)
def test_arguments_that_are_none(arguments, said):
    with pytest.raises(UserError, match=said):
        embed_images("nowhere", **arguments)


def test_no_such_network():
    with pytest.raises(UserError, match="efficientnet_lite0"):
        embed_images(np.zeros((1, 8, 8, 3), np.uint8), model="efficientnet_lite")
