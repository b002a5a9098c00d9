"""Images of samples that have paths."""

import dataclasses
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from dull_jax.audit import image_paths, saved
from dull_jax.audit.inputs import AuditInput, Other
from dull_jax.errors import UserError

FORMS = ("NFC", "NFD", "NFC")


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


def test_images_are_found_beside_the_table_or_here(samples, tmp_path, monkeypatch):
    found, said = image_paths.found(samples, [tmp_path / "labels.csv"])
    assert found.images.root == tmp_path and said == ""
    monkeypatch.chdir(tmp_path)
    found, said = image_paths.found(samples, [tmp_path / "tables" / "labels.csv"])
    assert found.images.root == tmp_path and said == ""
    whole = dataclasses.replace(samples, paths=np.array([str(tmp_path / p) for p in samples.paths]))
    found, said = image_paths.found(whole, [tmp_path / "cat" / "labels.csv"])
    assert found.images[np.arange(2)][:, 9, 9, 0].tolist() == [100, 200] and said == ""


@pytest.mark.parametrize("there", ["NFC", "NFD"])
def test_paths_are_spelt_as_training_takes_them(tmp_path, there):
    """Backslashes, blanks around them, accents composed or not."""
    spelt = [f"cat {n}/{unicodedata.normalize(there, 'né')}.png" for n in range(4)]
    for path in spelt:
        (tmp_path / path).parent.mkdir()
        Image.new("RGB", (3, 2)).save(tmp_path / path)
    typed = [spelt[0], spelt[1].replace("/", "\\"), f" {spelt[2]} "]
    typed = [unicodedata.normalize(form, path) for form, path in zip(FORMS, typed, strict=True)]
    samples = AuditInput(
        np.arange(3).astype(str), np.array(typed, object), np.zeros(3, int), np.eye(3), ("a", "b"),
        others=(Other("3", spelt[3].replace("/", "\\"), "a", "test"), Other("4", "", "a", "test")),
    )  # fmt: skip
    found, said = image_paths.found(samples, [tmp_path / "labels.csv"])
    for one in (image_paths.joined(samples, tmp_path), found):
        assert one.paths.tolist() == one.images.paths.tolist() == spelt[:3] and said == ""
        assert [other.path for other in one.others] == [spelt[3], ""]
        assert all(map(os.path.isfile, saved.image_files(one.images, one.paths)))
    (tmp_path / spelt[0]).unlink()
    found, said = image_paths.found(samples, [tmp_path / "labels.csv"])
    assert found.paths.tolist() == [typed[0], *spelt[1:3]] and "pictures of 1 of 3" in said


def test_why_there_are_no_pictures_is_said_in_one_line(samples, tmp_path):
    found, said = image_paths.found(samples, [tmp_path / "cat" / "labels.csv"])
    assert found.images is None and "cat/a.png is not where the table says" in said
    assert "--images=FOLDER" in said and "\n" not in said
    bare = dataclasses.replace(samples, paths=np.full(2, "", object))
    assert "no column path" in image_paths.found(bare, [])[1]


def test_what_cannot_be_seen_is_blank_and_said(samples, tmp_path):
    (tmp_path / "cat/a.png").write_text("broken")
    (tmp_path / "dog/ü b.png").unlink()
    found, said = image_paths.found(samples, [tmp_path / "labels.csv"])
    assert "no pictures of 1 of 2 samples" in said and image_paths.unreadable(found) == ""
    pixels = found.images[np.arange(2)]
    assert len(np.unique(pixels)) == 1
    assert "1 images that cannot be read: cat/a.png (not an image" in image_paths.unreadable(found)
    assert image_paths.is_blank(found.images, 0) and image_paths.is_blank(found.images, 1)
    assert saved.image_files(found.images, found.paths).tolist() == [
        str(tmp_path / "cat/a.png"),
        "",
    ]
    assert not image_paths.is_blank(pixels, 0)


def test_what_is_missing_is_named(samples, tmp_path):
    (tmp_path / "cat/a.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images are not there, cat/a\.png"):
        image_paths.joined(samples, tmp_path)
    bare = dataclasses.replace(samples, paths=np.full(2, "", object))
    with pytest.raises(UserError, match="no paths"):
        image_paths.joined(bare, tmp_path)
