"""One image file as an array of fixed size, whatever a camera, a scanner or the web made of it.

Pillow decodes; only the formats named here are tried. Whatever is wrong with a file ends as
`BadImage`, so that whoever reads many of them can name this one and go on.
"""

import functools
import io
import os
import pathlib
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from dull_jax.data.own import pixel_depth
from dull_jax.errors import reason

MAX_PIXELS = 100_000_000  # judged by the header: a small file can claim to be a huge image
MAX_SIDE = 65_535  # as JPEG has it; resizing one line of 100 million pixels takes 3 GB
MAX_BYTES = 1 << 30
MAX_DECODED = 1_500_000_000  # bytes that decoding takes: of one image, and of all threads together
FITS = ("crop", "pad", "stretch")
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
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
# Bytes of a pixel, measured: as Pillow stores it (4 in any other mode), and beside it in decoders.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
_BUFFERS = {"WEBP": 12, "AVIF": 10, "HEIF": 10}
_STRIP = 1 << 20  # pixels laid over white together
_DARK = 32  # of 255: an image without a larger value is noted
_BRANDS = {"AVIF": (b"avif", b"avis"), "HEIF": (b"heic", b"heix", b"hevc", b"mif1", b"msf1")}
# Pillow warns of what is judged here or does no harm: large images, damaged EXIF.
warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\.")


class BadImage(Exception):
    """A file that is no usable image; its text is the reason, one line without the path."""


class Facts(NamedTuple):
    """Size in pixels as seen, after EXIF rotation; `notes` tell what is odd about a good image."""

    width: int
    height: int
    notes: tuple[str, ...]


def read(
    path: str | os.PathLike, size: int | tuple[int, int], fit: str = "crop", channels: int = 3
) -> np.ndarray:
    """`decode` of a file. Raises BadImage also when it cannot be read."""
    return decode(_contents(path), size, fit, channels)


def within(path: str | pathlib.Path, side: int) -> np.ndarray:
    """uint8 [H, W, 3]: the whole image of a file, its longer side at most `side` pixels.

    Raises:
      BadImage: as `read`.
    """
    with _opened(_contents(path), 2 * side) as image:
        upright, _ = _decoded(image, "RGB")
        upright.thumbnail((side, side))
        return np.asarray(upright)


def _contents(path: str | pathlib.Path) -> bytes:
    try:
        check_file(path)
        return pathlib.Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise BadImage(getattr(error, "strerror", None) or str(error)) from None


def check_file(path: str | pathlib.Path) -> None:
    """Raises BadImage for what could be read for ever, or fill the memory; OSError as `stat`."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise BadImage("not a regular file")  # a pipe, a device
    if status.st_size > MAX_BYTES:
        raise BadImage(f"larger than {MAX_BYTES >> 20:,} MiB")


def lacking(suffix: str) -> str:
    """What must be installed to read files of this suffix, such as ".heic"; "" for nothing."""
    kind = next((kind for kind, known in SUFFIXES.items() if suffix.lower() in known), "")
    return _lacking(kind)


@functools.cache
def _lacking(kind: str) -> str:
    if kind == "AVIF" and not ("avif" in features.modules and features.check("avif")):
        return "install a Pillow that has AVIF to read it"
    if kind == "HEIF":
        try:
            import pillow_heif  # here: few have such files, and not everybody has it
        except ImportError:
            return "install pillow-heif to read it"
        pillow_heif.register_heif_opener()
    return ""


def decode(
    data: bytes, size: int | tuple[int, int], fit: str = "crop", channels: int = 3
) -> np.ndarray:
    """uint8 [H, W, C]: upright, transparency over white, any colour model or depth as 8 bits.

    Args:
      data: a file of one of the formats of `SUFFIXES`; of an animation the first frame.
      size: (H, W), or one side of a square.
      fit: "crop" (short side resized, then the centre), "pad" (the whole image, black borders) or
        "stretch" (proportions change). Resized bicubically, with antialiasing.
      channels: 3 (RGB) or 1 (grey).

    Raises:
      BadImage: empty, truncated, broken, no image, of a format that needs another package, more
        than `MAX_PIXELS`, `MAX_SIDE` or `MAX_DECODED`, or floating-point pixels.
    """
    if fit not in FITS or channels not in (1, 3):
        raise ValueError(f"fit={fit!r} with {channels} channels; fits: {', '.join(FITS)}")
    height, width = (size, size) if isinstance(size, int) else size
    with _opened(data, 2 * max(height, width)) as image:
        upright, _ = _decoded(image, "L" if channels == 1 else "RGB")
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
        upright, depth = _decoded(image, "RGB")
        notes = [depth] if depth else []
        if suffix and suffix.lower() not in SUFFIXES[kind]:
            notes.append(f"wrong extension: a {kind} file")
        if kind != "JPEG" and _has_more_frames(image):
            notes.append(_FRAMES.get(kind, "animated: first frame used"))
        if _is_dark(upright):
            notes.append(f"nearly black: no value above {_DARK - 1} of 255")
        return Facts(upright.width, upright.height, tuple(notes))


_KNOWN = "JPEG, PNG, BMP, WebP, GIF, TIFF, PNM, AVIF, HEIF"
_FRAMES = {"TIFF": "several pages: first used", "HEIF": "several images: the main one used"}


@contextmanager
def _opened(data: bytes, side: int = 0) -> Iterator[Image.Image]:
    """The image, its header read and found sane; what goes wrong inside becomes BadImage.

    Args:
      side: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, but not smaller; 0: as it is.
    """
    if not data:
        raise BadImage("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
            if (pixels := image.width * image.height) > MAX_PIXELS:
                raise Image.DecompressionBombError
            if max(image.size) > MAX_SIDE:
                raise BadImage(f"a side of more than {MAX_SIDE:,} pixels")
            if side:
                image.draft(None, (side, side))
            if (size := _cost(image, pixels)) > MAX_DECODED:
                raise BadImage(
                    f"decoding it takes {size / 1e9:.1f} GB of memory, {MAX_DECODED / 1e9:.1f} GB "
                    "are allowed"
                )
            with _budget(os.getpid()).held(size):
                yield image
    except BadImage:
        raise
    except Image.DecompressionBombError:
        raise BadImage(f"more than {MAX_PIXELS // 10**6} million pixels") from None
    except MemoryError:
        raise BadImage("not enough memory to decode it") from None
    except Exception as error:  # Pillow's plugins raise nearly every type there is
        raise BadImage(_reason(error)) from None


class ByteBudget:
    """Memory that threads share: who wants more than is left waits until others are done.

    At most `most` bytes are held at any time. A thread holds once at a time: no deadlock.
    """

    def __init__(self, most: int):
        self.most = self._left = most
        self._changed = threading.Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Waits for `size` bytes, which are given back at the end.

        Raises:
          ValueError: there will never be so many.
        """
        if size > self.most:
            raise ValueError(f"{size} bytes of {self.most}")
        with self._changed:
            self._changed.wait_for(lambda: size <= self._left)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()


@functools.cache
def _budget(process: int) -> ByteBudget:
    """What the decoding threads of this process share; a fork does not wait for its parent's."""
    return ByteBudget(MAX_DECODED)


def _formats(data: bytes) -> list[str]:
    """Those to try. Raises BadImage for one that this installation cannot read."""
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)] if data[4:8] == b"ftyp" else b""
    for kind, known in _BRANDS.items():
        if any(brand in brands for brand in known):
            if lack := _lacking(kind):
                raise BadImage(f"a {kind} file: {lack}")
            return [kind]
    return [kind for kind in SUFFIXES if kind not in _BRANDS]


def _cost(image: Image.Image, pixels: int) -> int:
    """Bytes that `_decoded` takes at most.

    Args:
      image: its header read, not its pixels.
      pixels: of the whole image, where `draft` has made it smaller.
    """
    stored, area = _STORED.get(image.mode, 4), image.width * image.height
    deep = pixel_depth.COST if image.mode.startswith("I") else 0
    flat = 0 if image.mode == "RGB" else 4
    progressive = 2 * len(image.getbands()) if image.info.get("progressive") else 0
    held = progressive or _BUFFERS.get(image.format or "", 0)
    return area * (2 * stored + deep + flat) + pixels * held  # twice: it may have to be turned


def _reason(error: Exception) -> str:
    text = reason(error)
    if isinstance(error, UnidentifiedImageError):
        return f"not an image, or its header is broken ({_KNOWN})"
    if "truncated" in text.lower():
        return "truncated: the end of the file is missing"
    return f"broken: {text}"


def _decoded(image: Image.Image, mode: str) -> tuple[Image.Image, str]:
    """Upright, 8 bits in `mode`, "RGB" or "L", over white; and what is odd about its depth."""
    image.load()
    if image.mode == "F":
        raise BadImage("floating-point pixels have no fixed range: save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return _flat(_upright(image, image), mode), ""
    grey, note = pixel_depth.eight_bits(image)
    return _flat(_upright(grey, image), mode), note


def _upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    """Turned as the EXIF tag of `image` says; a damaged tag is no reason to refuse a photograph.

    The tag is read after decoding, since Pillow turns some formats itself and then drops it.
    """
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        turn = None
    return pixels if turn is None else pixels.transpose(turn)


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """In `mode`, over white."""
    if image.has_transparency_data:
        return _over_white(image, mode)
    if image.mode in ("CMYK", "YCbCr", "LAB"):  # whose "L" is not that of their colours
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _over_white(image: Image.Image, mode: str) -> Image.Image:
    """In strips: the copies that it takes would fill the memory."""
    flat, rows = Image.new(mode, image.size), max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        strip = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        flat.paste(Image.alpha_composite(white, strip).convert(mode), box)
    return flat


def _is_dark(image: Image.Image) -> bool:
    """Most images are found bright by a few of their pixels, which takes no time."""
    few = image.resize((min(image.width, 64), min(image.height, 64)), Image.Resampling.NEAREST)
    return all(_largest(part) < _DARK for part in (few, image))


def _largest(image: Image.Image) -> int:
    return max(high for _, high in image.getextrema())


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
