"""Pictures inside a page: PNG files as data: addresses, so that nothing is loaded."""

import base64
import io

import numpy as np
from PIL import Image

from dull_jax.report import palette

_SIDE = 96  # pixels of a thumbnail; more would only make the file larger
_SHADES = 96  # colours of a matrix


def thumbnail(pixels: np.ndarray) -> str:
    """uint8 `[H, W, C]`; one channel is grey, of more the first three count.

    Small pictures keep their pixels (the page enlarges them crisply), large ones shrink.
    """
    pixels = np.asarray(pixels, np.uint8)
    image = Image.fromarray(pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0])
    image.thumbnail((_SIDE, _SIDE))
    return _address(image)


def of_matrix(shares: np.ndarray, scheme: str) -> str:
    """`[R, C]` in [0, 1], one pixel a value, in the colours of the light or the dark scheme."""
    image = Image.fromarray(np.round(shares * (_SHADES - 1)).astype(np.uint8), "P")
    image.putpalette([c for colour in palette.ramp(_SHADES, scheme) for c in colour])
    return _address(image)


def _address(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
