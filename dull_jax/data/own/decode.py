"""One image file as an array of fixed size, whatever a camera, a scanner or the web made of it.

Pillow decodes; only the formats named here are tried. Whatever is wrong with a file ends as
`BadImage`, so that whoever reads many of them can name this one and go on.
"""

import io
import os
import pathlib
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dull_jax.errors import reason

MAX_PIXELS = 100_000_000  # judged by the header: a small file can claim to be a huge image
MAX_SIDE = 65_535  # as JPEG has it; resizing one line of 100 million pixels takes 3 GB
MAX_BYTES = 1 << 30
FITS = ("crop", "pad", "stretch")
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm"),
}
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow warns of what is judged here or does no harm: large images, damaged EXIF.
warnings.filterwarnings("ignore", module=r"PIL\.")


class BadImage(Exception):
    """A file that is no usable image; its text is the reason, one line without the path."""


class Facts(NamedTuple):
    """Size in pixels as seen, after EXIF rotation; `notes` tell what is odd about a good image."""

    width: int
    height: int
    notes: tuple[str, ...]


def read(
    path: str | pathlib.Path, size: int | tuple[int, int], fit: str = "crop", channels: int = 3
) -> np.ndarray:
    """`decode` of a file. Raises BadImage also when it cannot be read."""
    try:
        check_file(path)
        data = pathlib.Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise BadImage(getattr(error, "strerror", None) or str(error)) from None
    return decode(data, size, fit, channels)


def check_file(path: str | pathlib.Path) -> None:
    """Raises BadImage for what could be read for ever, or fill the memory; OSError as `stat`."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise BadImage("not a regular file")  # a pipe, a device
    if status.st_size > MAX_BYTES:
        raise BadImage(f"larger than {MAX_BYTES >> 20:,} MiB")


def decode(
    data: bytes, size: int | tuple[int, int], fit: str = "crop", channels: int = 3
) -> np.ndarray:
    """uint8 [H, W, C]: upright, transparency over white, any colour model or depth as 8 bits.

    Args:
      data: a JPEG, PNG, BMP, WebP, GIF, TIFF or PNM file; of an animation the first frame.
      size: (H, W), or one side of a square.
      fit: "crop" (short side resized, then the centre), "pad" (the whole image, black borders) or
        "stretch" (proportions change). Resized bicubically, with antialiasing.
      channels: 3 (RGB) or 1 (grey).

    Raises:
      BadImage: empty, truncated, broken, no image, more than `MAX_PIXELS` or `MAX_SIDE`, or a depth
        that has no fixed range (32-bit integers, floating point).
    """
    if fit not in FITS or channels not in (1, 3):
        raise ValueError(f"fit={fit!r} with {channels} channels; fits: {', '.join(FITS)}")
    height, width = (size, size) if isinstance(size, int) else size
    with _opened(data) as image:
        side = 2 * max(height, width)
        image.draft(None, (side, side))  # JPEG only: decodes at 1/2, 1/4 or 1/8 of the size
        upright = _flat(_upright(image), "L" if channels == 1 else "RGB")
        return np.asarray(_fitted(upright, width, height, fit)).reshape(height, width, channels)


def inspect(data: bytes, suffix: str = "") -> Facts:
    """Decodes the whole image, so that `decode` cannot fail on it later.

    Args:
      suffix: of the file's name, such as ".jpg"; a wrong one is noted.

    Raises:
      BadImage: as `decode`.
    """
    with _opened(data) as image:
        kind = "JPEG" if image.format == "MPO" else image.format or ""
        upright = _flat(_upright(image), "RGB")
        notes = []
        if suffix and suffix.lower() not in SUFFIXES[kind]:
            notes.append(f"wrong extension: a {kind} file")
        if kind != "JPEG" and _has_more_frames(image):
            notes.append("several pages: first used" if kind == "TIFF" else _ANIMATED)
        return Facts(upright.width, upright.height, tuple(notes))


_ANIMATED = "animated: first frame used"


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The image, its header read and found sane; what goes wrong inside becomes BadImage."""
    if not data:
        raise BadImage("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=list(SUFFIXES)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if max(image.size) > MAX_SIDE:
                raise BadImage(f"a side of more than {MAX_SIDE:,} pixels")
            yield image
    except BadImage:
        raise
    except Image.DecompressionBombError:
        raise BadImage(f"more than {MAX_PIXELS // 10**6} million pixels") from None
    except MemoryError:
        raise BadImage("not enough memory to decode it") from None
    except Exception as error:  # Pillow's plugins raise nearly every type there is
        raise BadImage(_reason(error)) from None


def _reason(error: Exception) -> str:
    text = reason(error)
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or its header is broken (JPEG, PNG, BMP, WebP, GIF, TIFF, PNM)"
    if "truncated" in text.lower():
        return "truncated: the end of the file is missing"
    return f"broken: {text}"


def _upright(image: Image.Image) -> Image.Image:
    """Decoded and turned as its EXIF tag says; a damaged tag is no reason to refuse a photograph.

    The tag is read after decoding, since Pillow turns some formats itself and then drops it.
    """
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """8 bits in `mode`, "RGB" or "L", over white."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode == "F":
        raise BadImage("floating-point pixels have no fixed range: save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB" if image.mode in ("CMYK", "YCbCr") else mode).convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """0..65535 to 0..255."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadImage("32-bit pixels have no fixed range: save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _fitted(image: Image.Image, width: int, height: int, fit: str) -> Image.Image:
    cubic = Image.Resampling.BICUBIC
    if fit == "crop":
        return ImageOps.fit(image, (width, height), cubic)
    if fit == "stretch":
        return image.resize((width, height), cubic)
    scale = min(width / image.width, height / image.height)
    inner = [max(1, round(side * scale)) for side in image.size]  # a hair stays a hair
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, cubic), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first frame is broken, and not used
        return True
