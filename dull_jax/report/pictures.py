"""Pictures inside a page: whole files as data: addresses, so that nothing is loaded."""

import base64
import io

import numpy as np
from PIL import Image

from dull_jax.report import palette

_SIDE = 96  # pixels of a thumbnail; more would only make the file larger
_STAMP = 48  # pixels of a neighbour's picture
_CRISP = 16  # pixels up to which a picture must not be blurred
_SHADES = 96  # colours of a matrix


def thumbnail(pixels: np.ndarray) -> str:
    """uint8 `[H, W, C]`; one channel is grey, of more the first three count.

    Small pictures keep their pixels (the page enlarges them crisply), large ones shrink.
    """
    return _address(shrunk(pixels, _SIDE))


def stamp(pixels: np.ndarray) -> str:
    """As `thumbnail`, for the many that stand around it: a quarter of the size, lossy."""
    image = shrunk(pixels, _STAMP)
    return _address(image, "PNG" if max(image.size) <= _CRISP else "WEBP")


def shrunk(pixels: np.ndarray, side: int) -> Image.Image:
    """uint8 `[H, W, C]`, as `thumbnail` takes it, as an image of at most `side` pixels a side."""
    pixels = np.asarray(pixels, np.uint8)
    image = Image.fromarray(pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0])
    image.thumbnail((side, side))
    return image


def of_matrix(shares: np.ndarray, scheme: str) -> str:
    """`[R, C]` in [0, 1], one pixel a value, in the colours of the light or the dark scheme."""
    image = Image.fromarray(np.round(shares * (_SHADES - 1)).astype(np.uint8), "P")
    image.putpalette([c for colour in palette.ramp(_SHADES, scheme) for c in colour])
    return _address(image)


def _address(image: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, method=6)
    content = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{content}"
