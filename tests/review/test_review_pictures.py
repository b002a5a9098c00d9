"""Whatever a file is, a browser gets a JPEG or PNG made here, or is told that there is none."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from dull_jax.audit import saved
from dull_jax.data.own import decode
from dull_jax.errors import UserError
from dull_jax.review import pictures
from dull_jax.review.pictures import NoPicture, Pictures


@pytest.fixture(scope="module")
def audit(audit_folder):
    return saved.read(audit_folder)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def of_file(audit, tmp_path, cache):
    """The pictures of an audit whose row 0 is `tmp_path / "x"`."""
    return Pictures(audit._replace(files=np.array([str(tmp_path / "x")])))


def opened(encoded):
    image = Image.open(io.BytesIO(encoded.data))
    assert encoded.media_type == Image.MIME[image.format] and not image.getexif()
    return image


def test_large_photographs_shrink(of_file, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    Image.new("RGB", (3000, 2000), "red").save(tmp_path / "x", "JPEG", exif=exif)
    assert opened(of_file.large(0)).size == (683, 1024)  # upright
    assert opened(of_file.thumb(0)).size == (107, 160)
    assert b"where I live" not in of_file.large(0).data


@pytest.mark.parametrize(
    "mode, kind", [("CMYK", "JPEG"), ("I;16", "PNG"), ("LA", "PNG"), ("P", "GIF"), ("1", "TIFF")]
)
def test_other_kinds(of_file, tmp_path, mode, kind):
    Image.new(mode, (300, 200)).save(tmp_path / "x", kind)
    assert opened(of_file.large(0)).size == (300, 200)
    assert opened(of_file.large(0)).mode == "RGB"


def test_small_pictures_keep_their_pixels(of_file, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x", "PNG")
    for encoded in (of_file.large(0), of_file.thumb(0)):
        np.testing.assert_array_equal(np.asarray(opened(encoded)), pixels)


def test_what_is_no_image(of_file, tmp_path, monkeypatch):
    def refused():
        for take in (of_file.large, of_file.thumb):
            with pytest.raises(NoPicture):
                take(0)

    refused()  # not there
    (tmp_path / "x").write_text("<svg onload='alert(1)'/>")
    refused()
    os.remove(tmp_path / "x")
    os.mkfifo(tmp_path / "x")
    refused()
    os.remove(tmp_path / "x")
    Image.new("L", (300, 300)).save(tmp_path / "x", "PNG")
    monkeypatch.setattr(decode, "MAX_PIXELS", 10_000)
    refused()


def test_hostile_paths(audit, cache):
    for path in ("/etc/passwd", "/dev/zero", "/", "\0", "x" * 5000, "\udcff"):
        with pytest.raises(NoPicture):
            Pictures(audit._replace(files=np.array([path]))).thumb(0)


def test_thumbnails_are_made_once(audit, cache, tmp_path, monkeypatch):
    first = Pictures(audit).thumb(0)
    with monkeypatch.context() as patched:
        patched.setattr(decode, "within", None)
        assert Pictures(audit).thumb(0) == first
    [kept] = [path for path in cache.rglob("*") if path.is_file()]
    assert kept.read_bytes() == first.data and len(kept.name) == 62


def test_a_file_that_changed_has_a_new_thumbnail(of_file, tmp_path):
    for second, colour in enumerate(((255, 0, 0), (0, 0, 255))):
        Image.new("RGB", (10, 10), colour).save(tmp_path / "x", "PNG")
        os.utime(tmp_path / "x", (second, second))
        assert opened(of_file.thumb(0)).getpixel((5, 5)) == colour


def test_a_cache_that_cannot_be_written(audit, cache):
    cache.write_text("a file in its place")
    assert Pictures(audit).thumb(0).data
    pictures.forget_old()


def test_old_thumbnails_go_first(audit, cache, monkeypatch):
    found = Pictures(audit)
    for row in range(4):
        found.thumb(row)
    kept = [path for path in cache.rglob("*") if path.is_file()]
    for age, path in enumerate(kept):
        os.utime(path, (1000 - age, 1000 - age))
    pictures.forget_old()
    assert all(path.exists() for path in kept)
    monkeypatch.setattr(pictures, "_MOST", sum(path.stat().st_size for path in kept[:2]))
    pictures.forget_old()
    assert [path.exists() for path in kept] == [True, True, False, False]


def test_images_elsewhere(audit, audit_folder):
    lost = audit._replace(files=np.full(len(audit.files), ""))
    found = pictures.below(lost, audit_folder.parent / "photos")
    assert found.files.tolist() == audit.files.tolist()
    with pytest.raises(UserError, match="photos/nowhere has no train/"):
        pictures.below(lost, audit_folder.parent / "photos/nowhere")
    with pytest.raises(UserError, match="have no paths"):
        pictures.below(audit._replace(paths=np.full(len(audit.files), "")), audit_folder)


def test_images_elsewhere_where_nothing_is_listed(audit, audit_folder):
    bare = audit._replace(
        listed=audit.listed[:0], twins=audit.twins[:0], twin_files=audit.files[:0]
    )
    found = pictures.below(bare, audit_folder.parent / "photos")
    assert found.files.tolist() == audit.files.tolist()


def test_images_that_are_gone(audit):
    assert pictures.gone(audit) == ""
    lost = audit._replace(files=np.full(len(audit.files), "/nowhere/x.jpg"))
    assert pictures.gone(lost) == "/nowhere/x.jpg"
    assert pictures.gone(audit._replace(files=np.full(len(audit.files), ""))) == ""


def test_pictures_that_are_damaged(own_audit):
    (own_audit / "pictures.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(UserError, match="damaged, or written by an older version"):
        saved.read(own_audit)
