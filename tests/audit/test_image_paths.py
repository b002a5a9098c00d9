"""Images of samples that have paths."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from dull_jax.audit import image_paths, saved
from dull_jax.audit.inputs import AuditInput
from dull_jax.errors import UserError


@pytest.fixture
def samples(tmp_path):
    paths = np.array(["cat/a.png", "dog/ü b.png"], object)
    for shade, path in enumerate(paths, 1):
        (tmp_path / path).parent.mkdir()
        Image.new("RGB", (30, 20), (100 * shade, 0, 0)).save(tmp_path / path)
    return AuditInput(np.array(["1", "2"]), paths, np.array([0, 1]), np.eye(2), ("cat", "dog"))


def test_images_are_found_below_the_folder(samples, tmp_path):
    joined = image_paths.joined(samples, tmp_path)
    assert joined.images[np.array([1, 0])][:, 9, 9, 0].tolist() == [200, 100]
    places = saved.image_files(joined.images, joined.paths)
    assert places.tolist() == [str(tmp_path / path) for path in samples.paths]


def test_what_is_missing_is_named(samples, tmp_path):
    (tmp_path / "cat/a.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images are not there, cat/a\.png"):
        image_paths.joined(samples, tmp_path)
    bare = dataclasses.replace(samples, paths=np.full(2, "", object))
    with pytest.raises(UserError, match="no paths"):
        image_paths.joined(bare, tmp_path)
