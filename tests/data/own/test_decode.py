"""Images of every kind become one array, and whatever is wrong with a file has a plain reason."""

import io
import os
import random
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from dull_jax.data.own import decode
from dull_jax.data.own.decode import ByteBudget
from outside import LONG
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


def grey(low: int, high: int, kind=np.uint16) -> np.ndarray:
    return np.linspace(low, high, 24 * 32).round().astype(kind).reshape(24, 32)


def tiff(body: bytes, bits: int) -> bytes:
    """Unsigned grey values of 24 rows and 32 columns, as Pillow does not write them."""
    tags = ((256, 32), (257, 24), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, 24))
    tags = (*tags, (279, len(body)))
    head = b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags))
    return head + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags) + bytes(4)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", ">u2", "int32"])
def test_grey_of_fewer_bits_in_a_deeper_file_is_stretched(bits, kind):
    """Both ends and the middle, by the smallest range that holds the file's largest value."""
    values = grey(0, 2**bits - 1)
    as_saved = {">u2": (values.astype(">u2"), "TIFF"), "int32": (values.astype(np.int32), "TIFF")}
    data = encoded(*as_saved.get(kind, (values, kind)))
    near(data, np.rint(values / (2**bits - 1) * 255)[..., None].repeat(3, 2))
    note = f"{bits}-bit values in a deeper file: stretched"
    assert decode.inspect(data).notes == ((note,) if bits < 16 else ())


def test_sixteen_bits_are_what_they_were():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = decode.decode(encoded(values), 256, channels=1)[..., 0]
    assert (found == (values.astype(int) + 128) // 257).all()


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (grey(0, 1 << 30, np.int32), 0, 1 << 30),
        (grey(-2000, 3000, np.int32), -2000, 3000),
        (grey(-2000, 3000, np.int16), -2000, 3000),
        (grey(-(2**31), 2**31 - 1, np.int32), -(2**31), 2**31 - 1),
    ],
)
def test_values_outside_of_sixteen_bits_are_stretched_from_end_to_end(values, low, high):
    if values.dtype == np.int16:  # Pillow reads such a TIFF, and writes none
        data = encoded(values.view(np.uint16), "TIFF", tiffinfo={339: 2})
    else:
        data = encoded(values, "TIFF")
    expected = np.rint((values.astype(float) - low) / (high - low) * 255)
    near(data, expected[..., None].repeat(3, 2), 1)
    assert decode.inspect(data).notes == (
        "values outside of 16 bits: stretched from the lowest to the highest",
    )


def test_unsigned_values_of_32_bits():
    values = np.linspace(0, 2**32 - 1, 24 * 32).astype(np.uint32).reshape(24, 32)
    data = tiff(values.tobytes(), 32)
    near(data, np.rint(values / (2**32 - 1) * 255)[..., None].repeat(3, 2), 1)


@pytest.mark.parametrize(("stated", "top"), [(4000, 4000), (65535, 65535), (100, 1023), (0, 1023)])
def test_the_largest_value_that_a_tiff_states_is_believed_if_it_can_be_true(stated, top):
    values = grey(0, 1000)
    data = encoded(values, "TIFF", tiffinfo={281: stated})
    near(data, np.rint(values / top * 255)[..., None].repeat(3, 2))
    notes = decode.inspect(data).notes
    assert (
        notes[0]
        == {
            4000: "values up to 4,000 in a deeper file: stretched",
            65535: "nearly black: no value above 31 of 255",
            1023: "10-bit values in a deeper file: stretched",
        }[top if stated != 65535 else stated]
    )


def test_a_pnm_states_its_largest_value():
    values = grey(0, 1000)
    data = b"P5 32 24 1000\n" + values.astype(">u2").tobytes()
    near(data, np.rint(values / 1000 * 255)[..., None].repeat(3, 2), 1)
    assert decode.inspect(data).notes == ()


def test_packed_twelve_bits():
    """Two values in three bytes, as cameras write TIFF."""
    values = grey(0, 4095).reshape(-1, 2).astype(int)
    packed = [values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255]
    body = np.stack(packed, 1).astype(np.uint8).tobytes()
    data = tiff(body, 12)
    near(data, np.rint(values.reshape(24, 32) / 4095 * 255)[..., None].repeat(3, 2))
    assert decode.inspect(data).notes == ("12-bit values in a deeper file: stretched",)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP", "GIF"])
def test_nearly_black_is_noted(kind):
    """Colour of 12 bits in 16 is reduced to its high byte by Pillow: 15 at most."""
    dark = (PHOTO // 17).astype(np.uint8)
    assert decode.inspect(encoded(dark, kind)).notes == ("nearly black: no value above 31 of 255",)
    dark[7, 5] = 200  # missed by no look at every pixel
    assert (
        decode.inspect(encoded(dark, kind, **({"quality": 100} if kind == "JPEG" else {}))).notes
        == ()
    )


def test_one_bright_pixel_of_a_large_image_is_found():
    dark = np.zeros((300, 500, 3), np.uint8)
    assert decode.inspect(encoded(dark)).notes
    dark[151, 77] = 40
    assert not decode.inspect(encoded(dark)).notes


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".jif", ".pjpeg", ".jpg"])
def test_all_names_of_a_jpeg(suffix):
    assert decode.inspect(encoded(PHOTO, "JPEG"), suffix).notes == ()


@pytest.mark.skipif(bool(decode.lacking(".avif")), reason="a Pillow without AVIF")
def test_avif():
    data = encoded(PHOTO, "AVIF", quality=95, subsampling="4:4:4")
    near(data, PHOTO, 12)
    assert decode.inspect(data, ".avif") == (32, 24, ())
    assert decode.inspect(data, ".jpg").notes == ("wrong extension: a AVIF file",)
    with pytest.raises(decode.BadImage):
        decode.inspect(data[:-100])


def heic(array: np.ndarray, **options) -> bytes:
    pytest.importorskip("pillow_heif")
    assert not decode.lacking(".heic")
    return encoded(array, "HEIF", quality=95, chroma=444, **options)


def test_heic():
    data = heic(pixels(0, 64, 96))
    near(data, pixels(0, 64, 96), 16)
    assert decode.inspect(data, ".HEIC") == (96, 64, ())
    assert decode.decode(data, 16, "pad", channels=1).shape == (16, 16, 1)
    for cut in range(0, len(data), 97):
        with pytest.raises(decode.BadImage):
            decode.inspect(data[:cut])


def test_what_must_be_installed_is_named(monkeypatch):
    """As where pillow-heif is not installed, or Pillow was built without AVIF."""
    decode._lacking.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(decode.features, "check", lambda name: False)
    try:
        for brand, kind, package in ((b"heic", "HEIF", "pillow-heif"), (b"avif", "AVIF", "Pillow")):
            data = b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1" + brand + bytes(60)
            with pytest.raises(decode.BadImage, match=f"a {kind} file: install .*{package}"):
                decode.inspect(data)
        assert decode.lacking(".HEIC") == "install pillow-heif to read it"
        assert not decode.lacking(".png") and not decode.lacking("")
    finally:
        decode._lacking.cache_clear()


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


# Memory ------------------------------------------------------------------------------------------

RGBA = np.dstack([pixels(0, 300, 300), pixels(1, 300, 300)[..., 0]])


def transparent_palette() -> bytes:
    return encoded(Image.fromarray(RGBA[..., :3]).quantize(16), transparency=0)


def test_bytes_count_and_not_only_pixels(monkeypatch):
    """90,000 pixels each: as colours they may be decoded, with transparency they may not."""
    monkeypatch.setattr(decode, "MAX_DECODED", 900_000)
    monkeypatch.setattr(decode, "_budget", lambda process: ByteBudget(900_000))
    assert decode.inspect(encoded(RGBA[..., :3])) == (300, 300, ())
    deep = encoded(grey(0, 9, np.int32).repeat(10, 0).repeat(10, 1), "TIFF")
    for data in (encoded(RGBA), encoded(RGBA, "WEBP"), deep):
        for act in (decode.inspect, lambda data: decode.decode(data, 8)):
            with pytest.raises(
                decode.BadImage, match=r"decoding it takes 0.0 GB of memory, 0.0 GB"
            ):
                act(data)


def test_a_large_jpeg_costs_what_is_decoded_of_it():
    """So that the photographs of a camera do not wait for one another on 64 cores."""
    data = encoded(Image.new("RGB", (6000, 4000)), "JPEG")
    costs = []
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (448, 448))
        costs.append(decode._cost(image, 24_000_000))
    with Image.open(io.BytesIO(data)) as image:
        costs.append(decode._cost(image, 24_000_000))
    assert 64 * costs[0] < decode.MAX_DECODED < 64 * costs[1] and costs[1] < decode.MAX_DECODED


MEMORY = """
import io, sys
from PIL import Image
from dull_jax.data.own import decode
def kilobytes(name):
    return int(open("/proc/self/status").read().split(name + ":")[1].split()[0])
seen, plain = [], decode._cost
decode._cost = lambda *args: seen.append(plain(*args)) or seen[-1]
decode.inspect(open(sys.argv[1], "rb").read())
before = kilobytes("VmHWM")
decode.inspect(open(sys.argv[2], "rb").read())
print((kilobytes("VmHWM") - before) * 1024 / seen[-1])
"""


@pytest.mark.parametrize("kind", ["palette", "RGBA", "16 bits"])
def test_no_more_memory_is_taken_than_is_counted(tmp_path, kind):
    large = Image.new("RGB", (4000, 3000), (200, 100, 0))
    images = {
        "palette": lambda: encoded(large.quantize(4), transparency=0),
        "RGBA": lambda: encoded(large.convert("RGBA"), compress_level=1),
        "16 bits": lambda: encoded(np.full((3000, 4000), 4000, np.uint16)),
    }
    (tmp_path / "large").write_bytes(images[kind]())
    (tmp_path / "small").write_bytes(encoded(PHOTO))
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "small"), str(tmp_path / "large")]
    share = float(subprocess.run(command, check=True, timeout=LONG, stdout=-1).stdout)
    assert 0.3 < share < 1.1


def test_threads_share_the_bound(monkeypatch):
    """Room for two images: of eight threads no three decode at once, and all finish."""
    data = encoded(RGBA)
    cost = 300 * 300 * 12
    budget, lock, running, most = ByteBudget(2 * cost + 1), threading.Lock(), [0], [0]
    monkeypatch.setattr(decode, "_budget", lambda process: budget)
    plain = decode._decoded

    def watched(image, mode):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.005)
        try:
            return plain(image, mode)
        finally:
            with lock:
                running[0] -= 1

    monkeypatch.setattr(decode, "_decoded", watched)
    expected = decode.decode(data, 32)
    damaged = data[: len(data) // 2]  # gives back what it held
    with ThreadPoolExecutor(8) as pool:
        broken = [pool.submit(decode.decode, damaged, 32) for _ in range(8)]
        found = list(pool.map(lambda n: decode.decode(data, 32), range(40)))
    assert most[0] == 2 and all((image == expected).all() for image in found)
    assert all(isinstance(future.exception(), decode.BadImage) for future in broken)
    with budget.held(budget.most):
        pass


FORK = """
import os, sys
from dull_jax.data.own import decode
data = open(sys.argv[1], "rb").read()
with decode._budget(os.getpid()).held(decode.MAX_DECODED):
    child = os.fork()
    if not child:
        os._exit(decode.inspect(data).width != 300)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_does_not_wait_for_what_its_parent_held(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(RGBA))
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path / "a.png")]
    assert subprocess.run(command, check=False, timeout=LONG).returncode == 0


def test_strips_over_white_are_seamless(monkeypatch):
    whole = decode.decode(encoded(RGBA), 300)
    monkeypatch.setattr(decode, "_STRIP", 300 * 7)
    for data in (encoded(RGBA), transparent_palette()):
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        white = Image.new("RGBA", (300, 300), "white")
        flat = Image.alpha_composite(white, Image.fromarray(expected)).convert("RGB")
        assert (decode.decode(data, 300) == np.asarray(flat)).all()
    assert (decode.decode(encoded(RGBA), 300) == whole).all()


def test_never_more_than_the_bound_is_held():
    budget, lock, held, most = ByteBudget(100), threading.Lock(), [0], [0]

    def act(size):
        with budget.held(size):
            with lock:
                held[0] += size
                most[0] = max(most[0], held[0])
            with lock:
                held[0] -= size

    sizes = [random.Random(n).choice([1, 10, 60, 100]) for n in range(2000)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(act, sizes))
    assert 60 <= most[0] <= 100


def test_what_can_never_be_had_is_refused_and_an_error_gives_back():
    budget = ByteBudget(100)
    with pytest.raises(ValueError, match="101 bytes of 100"), budget.held(101):
        pass
    with pytest.raises(KeyError), budget.held(100):
        raise KeyError
    with budget.held(100):
        pass
