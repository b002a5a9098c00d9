"""Images of every kind become one array, and whatever is wrong with a file has a plain reason."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from dull_jax.data.own import decode
from pictures import animated, bomb, encoded, pixels, rotated

PHOTO = pixels()
SIZE = PHOTO.shape[:2]  # as it is: nothing is resized


def near(data: bytes, expected: np.ndarray, tolerance: float = 0, **options) -> None:
    found = decode.decode(data, expected.shape[:2], **options)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("JPEG", {"quality": 98, "subsampling": 0, "progressive": True}, 6),
    ],
)
def test_every_format(kind, options, tolerance):
    near(encoded(PHOTO, kind, **options), PHOTO, tolerance)


def test_colour_models_and_depths():
    grey = PHOTO[..., 0]
    as_rgb = np.repeat(grey[..., None], 3, axis=2)
    near(encoded(grey), as_rgb)
    near(encoded(grey.astype(np.uint16) * 257), as_rgb)
    near(encoded(grey.astype(np.uint16) * 257, "TIFF"), as_rgb)
    near(encoded(grey.astype(np.uint16) * 257, "PPM"), as_rgb)
    near(encoded(Image.fromarray(PHOTO).convert("CMYK"), "TIFF"), PHOTO, 2)
    near(encoded(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=98), PHOTO, 12)
    bits = np.where(grey[..., None] > 127, 255, 0).repeat(3, axis=2)
    near(encoded(Image.fromarray(grey > 127)), bits)
    palette = Image.fromarray(PHOTO).quantize(16)
    near(encoded(palette), np.asarray(palette.convert("RGB")))
    near(encoded(PHOTO), np.asarray(Image.fromarray(PHOTO).convert("L"))[..., None], channels=1)


def test_transparency_is_over_white():
    alpha = np.linspace(0, 255, PHOTO[..., 0].size).reshape(SIZE).round().astype(np.uint8)
    share = alpha[..., None] / 255.0
    expected = PHOTO * share + 255 * (1 - share)
    rgba = np.dstack([PHOTO, alpha])
    near(encoded(rgba), expected, 1)
    near(encoded(rgba, "WEBP", lossless=True, exact=True), expected, 1)
    grey = PHOTO[..., :1] * share + 255 * (1 - share)
    near(encoded(Image.fromarray(np.dstack([PHOTO[..., 0], alpha]), "LA")), grey.repeat(3, 2), 1)
    hole = Image.new("P", (4, 4), 0)
    hole.putpalette([10, 20, 30] * 256)
    near(encoded(hole, transparency=0), np.full((4, 4, 3), 255))
    near(encoded(rgba), expected.mean(axis=2, keepdims=True) * 0, 256, channels=1)  # no error


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(kind, orientation):
    """The file holds the inverse of each turn, by the table in the EXIF standard (2.32, 4.6.4)."""
    stored = {
        1: PHOTO,
        2: PHOTO[:, ::-1],
        3: PHOTO[::-1, ::-1],
        4: PHOTO[::-1],
        5: PHOTO.transpose(1, 0, 2),
        6: np.rot90(PHOTO, 1),
        7: np.rot90(PHOTO, 2).transpose(1, 0, 2),
        8: np.rot90(PHOTO, -1),
    }[orientation]
    exact = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    data = rotated(orientation, np.ascontiguousarray(stored), kind, **exact)
    near(data, PHOTO, 8 if kind == "JPEG" else 0)
    assert decode.inspect(data)[:2] == (32, 24)


def test_damaged_exif_is_no_reason_to_refuse():
    data = encoded(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode.decode(data, 8).shape == (8, 8, 3)


def test_fits():
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = 200  # the centre square
    data = encoded(wide)
    assert decode.decode(data, 10).min() > 180
    padded = decode.decode(data, 10, "pad")
    assert not padded[:2].any() and not padded[8:].any() and (padded[4:6, 4:6] == 200).all()
    stretched = decode.decode(data, 10, "stretch")
    assert (stretched[:, 4:6] == 200).all() and not stretched[:, 0].any()
    assert decode.decode(data, (6, 12), "pad").shape == (6, 12, 3)
    with pytest.raises(ValueError, match="fits: crop, pad, stretch"):
        decode.decode(data, 10, "squeeze")


@pytest.mark.parametrize("fit", decode.FITS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_tiny_and_thin_images(fit, shape):
    data = encoded(np.full((*shape, 3), 90, np.uint8))
    found = decode.decode(data, 16, fit)
    assert found.shape == (16, 16, 3) and found.max() == 90


def test_large_jpegs_are_decoded_smaller_and_look_the_same():
    large = np.kron(pixels(1), np.ones((40, 40, 1), np.uint8))
    found = decode.decode(encoded(large, "JPEG", quality=95), (24, 32))
    assert np.abs(found.astype(int) - pixels(1)).mean() < 2


def test_inspect_tells_size_and_what_is_odd():
    assert decode.inspect(encoded(PHOTO), ".PNG") == (32, 24, ())
    assert decode.inspect(encoded(PHOTO), ".jpg").notes == ("wrong extension: a PNG file",)
    for kind in ("GIF", "WEBP", "PNG"):
        assert decode.inspect(animated(kind)).notes == ("animated: first frame used",)
    assert decode.inspect(animated("TIFF")).notes == ("several pages: first used",)
    near(animated("PNG"), pixels(0))


def no_header(data: bytes) -> bytes:
    return data[:2] + b"\0" * 30


BAD = {
    "empty": (b"", "empty file"),
    "text": (b"hello, I am a text", "not an image"),
    "html": (b"<!DOCTYPE html><script>alert(1)</script>", "not an image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "header": (no_header(encoded(PHOTO, "JPEG")), "not an image, or its header"),
    "bomb": (bomb(), "more than 100 million pixels"),
    "warned": (bomb(10_001, 10_000), "more than 100 million pixels"),
    "float": (encoded(PHOTO[..., 0].astype(np.float32), "TIFF"), "floating-point"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_have_a_plain_reason(name):
    data, reason = BAD[name]
    for act in (decode.inspect, lambda data: decode.decode(data, 8)):
        with pytest.raises(decode.BadImage, match=reason) as caught:
            act(data)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF"])
def test_truncated_or_damaged_anywhere_never_anything_but_bad_image(kind):
    data = encoded(pixels(2, 60, 80), kind)
    with pytest.raises(decode.BadImage, match=r"truncated|broken|not an image"):
        decode.inspect(data[: len(data) // 2])
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
        cut = damaged.tobytes()[: rng.integers(1, len(damaged) + 1)]
        try:
            facts = decode.inspect(cut)
        except decode.BadImage:
            continue
        assert decode.decode(cut, 8).shape == (8, 8, 3) and min(facts[:2]) > 0


def test_read_names_what_the_system_says(tmp_path):
    with pytest.raises(decode.BadImage, match="No such file"):
        decode.read(tmp_path / "none.png", 8)
    with pytest.raises(decode.BadImage, match="not a regular file"):
        decode.read(tmp_path, 8)
    (tmp_path / "a\n b.png").write_bytes(encoded(PHOTO))
    assert decode.read(tmp_path / "a\n b.png", SIZE).tolist() == PHOTO.tolist()


def test_mpo_of_a_phone_is_a_jpeg():
    file = io.BytesIO()
    frames = [Image.fromarray(pixels(seed)) for seed in range(2)]
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])
    assert decode.inspect(file.getvalue(), ".jpg") == (32, 24, ())


def test_a_hair_of_an_image_is_refused_before_it_is_decoded():
    with pytest.raises(decode.BadImage, match="a side of more than 65,535 pixels"):
        decode.inspect(bomb(90_000_000, 1))


def test_what_is_no_plain_file_is_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(decode.BadImage, match="not a regular file"):
        decode.read(tmp_path / "pipe.png", 8)
    monkeypatch.setattr(decode, "MAX_BYTES", 1 << 20)
    (tmp_path / "large.png").write_bytes(bytes(decode.MAX_BYTES + 1))
    with pytest.raises(decode.BadImage, match="larger than 1 MiB"):
        decode.read(tmp_path / "large.png", 8)
