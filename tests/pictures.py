"""Image files of every kind, good and bad, generated."""

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image


def pixels(seed: int = 0, height: int = 24, width: int = 32) -> np.ndarray:
    """A smooth picture: colours that no codec distorts much."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(0, 1, (3, 2))
    levels = [255 * (a * x / width + b * y / height) / (a + b + 1e-3) for a, b in slopes]
    return np.stack(levels, axis=-1).round().astype(np.uint8)


def encoded(array: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, kind, **options)
    return file.getvalue()


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG of a few bytes whose header claims 2.5 billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rest = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rest


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(pixels(seed)) for seed in range(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def rotated(orientation: int, array: np.ndarray, kind: str = "JPEG", **options) -> bytes:
    """An image that says how it must be turned to be upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(array, kind, exif=exif, **options)


def save(root, files: dict[str, bytes]) -> None:
    """Writes files below `root`; names may hold anything the file system takes."""
    for name, content in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)


def images(*names, first=0):
    """Small files, all of different content, from number `first` on."""
    return {name: encoded(pixels(first + seed, 8, 8)) for seed, name in enumerate(names)}
