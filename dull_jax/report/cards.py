"""A label in doubt, to be looked at: its picture, what it is called and what it might be."""

import numpy as np
from PIL import Image

from dull_jax.report.heatmap import data_url
from dull_jax.report.markup import Markup, tag

_SIDE = 96  # pixels of a picture on the page; more would only make the file larger


def card(
    name: str,
    given: str,
    better: str,
    score: str,
    pixels: np.ndarray | None = None,
    true: str | None = None,
) -> Markup:
    """An item of the list of cards.

    Args:
      name: of the image.
      given: its class, as the label says.
      better: what to say after it, such as " → cat".
      score: how doubtful the label is, in words.
      pixels: uint8 `[H, W, C]`, where there is a picture.
      true: its true class, where that is known.
    """
    picture = None
    if pixels is not None:
        alt = f"{name}, given label {given}"
        picture = tag("img", src=_thumbnail(pixels), alt=alt, width=_SIDE, height=_SIDE)
    about = tag("span", score, class_="id"), tag("span", name, class_="id")
    return tag("li", picture, tag("b", given), better, *about, _mark(given, true))


def _mark(given: str, true: str | None) -> Markup | None:
    """Colour and symbol and words: no reader depends on colour."""
    if true is None:
        return None
    if given == true:
        return tag("span", "✓ label is right", class_="mark good")
    return tag("span", f"✗ wrong, true: {true}", class_="mark bad")


def _thumbnail(pixels: np.ndarray) -> str:
    """A PNG data address; one channel is grey, of more the first three count.

    Small pictures keep their pixels (the page enlarges them crisply), large ones shrink.
    """
    pixels = np.asarray(pixels, np.uint8)
    image = Image.fromarray(pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0])
    image.thumbnail((_SIDE, _SIDE))
    return data_url(image)
