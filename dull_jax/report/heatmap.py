"""Matrices as colour: cells with numbers for few classes, a picture for many.

A 100 x 100 matrix as SVG cells would be 600 KB; as a PNG with a palette it is 3 KB. The picture is
there twice, in the colours of the light and of the dark scheme; CSS shows one of them.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dull_jax.report.markup import Markup, tag
from dull_jax.report.plots import MANY, Axis, clip, hover, short, svg, text_width
from dull_jax.report.style import LEVELS, ramp

_SHADES = 96  # colours of a picture's palette


def matrix(
    title: str,
    values: np.ndarray,
    names: Sequence[str],
    axes: tuple[str, str],
    numbers: np.ndarray | None = None,
) -> Markup:
    """A square matrix `[K, K]` of shares in [0, 1].

    Args:
      names: `[K]`.  axes: what rows and columns are.
      numbers: `[K, K]` text for the cells, only shown where K is small.

    Colour follows the square root of the value: the rare confusions are what one looks for.
    """
    values = np.nan_to_num(np.asarray(values, np.float64))
    if len(values) > MANY:
        return picture(title, values, axes, side=(352, 352))
    return _cells(title, values, [clip(n, 11) for n in names], names, axes, numbers)


def transition(title: str, shares: np.ndarray, names: Sequence[str]) -> Markup:
    """P(given label | true class) `[K, K]`, with percent in the cells that have half of one."""
    shares = np.asarray(shares, np.float64)
    numbers = np.array([[f"{100 * v:.0f}" if v >= 0.005 else "" for v in line] for line in shares])
    return matrix(title, shares, names, ("true class", "given label"), numbers)


def _cells(title, values, shown, names, axes, numbers) -> Markup:
    # Few classes have large cells: the axes' names and the scale's numbers need 120 pixels.
    cell = 26 if len(values) > 10 else min(60, max(30, 160 // len(values)))
    flat = text_width(shown) <= cell - 4
    left = text_width(shown) + 28
    top = 34 if flat else 0.75 * text_width(shown) + 34
    span = len(values) * cell
    tail = 0 if flat else min(40.0, 0.7 * text_width(shown[-2:]) - cell / 2)
    parts = _axis_names(axes, left, top, span, span)
    for i, name in enumerate(shown):
        middle = (i + 0.5) * cell
        parts.append(
            tag("text", name, x=left - 6, y=top + middle + 4, text_anchor="end", class_="ink")
        )
        at = f"translate({left + middle + (0 if flat else 3):.1f} {top - 7:.1f})"
        turn, anchor = ("", "middle") if flat else (" rotate(-45)", "start")
        parts.append(tag("text", name, transform=at + turn, text_anchor=anchor, class_="ink"))
    for (i, j), value in np.ndenumerate(values):
        where = (left + j * cell, top + i * cell, cell)
        said = None if numbers is None else str(numbers[i, j])
        parts.append(_cell(where, value, said, hover(f"{names[i]} → {names[j]}", f"{value:.1%}")))
    key = _key(left, top + span + 14, span)
    said = f"rows: {axes[0]}; columns: {axes[1]}"
    return svg(left + span + 4 + max(0.0, tail), top + span + 44, title, said, parts, key)


def _cell(where: tuple, value: float, said: str | None, text: Markup) -> Markup:
    x, y, cell = where
    level = round(min(1.0, max(0.0, value)) ** 0.5 * (LEVELS - 1))
    shape = tag(
        "rect",
        text,
        x=x + 0.5,
        y=y + 0.5,
        width=cell - 1,
        height=cell - 1,
        rx=2,
        class_=f"q{level}",
    )
    if said is None or value == 0:
        return shape
    label = tag("text", said, text, x=x + cell / 2, y=y + cell / 2 + 4, text_anchor="middle",
                class_=f"t{level}", font_size=10.5)  # fmt: skip
    return tag("g", shape, label)


def picture(
    title: str,
    values: np.ndarray,
    axes: tuple[str, str],
    side: tuple[int, int],
    row_ticks: Sequence[tuple[float, str]] | None = None,
    top_value: float = 1.0,
) -> Markup:
    """A matrix `[R, C]` of any size as a picture of `side` (width, height) pixels.

    Args:
      row_ticks: (row, name) on the left; without them rows are numbered.
      top_value: the value of the strongest colour.
    """
    width, height = side
    names = [name for _, name in row_ticks or []]
    left, top = max(44.0, text_width(names) + 26), 34.0
    across = Axis(0, values.shape[1], left, left + width)
    down = Axis(0, values.shape[0], top, top + height)
    if row_ticks is None:
        row_ticks = [(t, short(t)) for t in down.ticks(8) if t < values.shape[0]]
    parts = _axis_names(axes, left, top, width, height)
    half_row, half_column = 0.5 * height / len(values), 0.5 * width / values.shape[1]
    for row, name in row_ticks:
        parts.append(tag("text", name, x=left - 6, y=down(row) + half_row + 4, text_anchor="end"))
    for tick in across.ticks(8):
        if tick < values.shape[1]:
            parts.append(
                tag(
                    "text",
                    short(tick),
                    x=across(tick) + half_column,
                    y=top - 6,
                    text_anchor="middle",
                )
            )
    shares = np.sqrt(np.clip(np.nan_to_num(values) / top_value, 0, 1))
    parts += [
        tag("image", href=_png(shares, dark), x=left, y=top, width=width, height=height,
            preserveAspectRatio="none", class_=f"pixels {'night' if dark else 'day'}")
        for dark in (False, True)
    ]  # fmt: skip
    edge = tag("rect", x=left, y=top, width=width, height=height, fill="none", stroke="var(--line)")
    key = _key(left, top + height + 14, min(width, 352), top_value)
    said = f"rows: {axes[0]}; columns: {axes[1]}"
    return svg(left + width + 6, top + height + 44, title, said, parts, edge, key)


def _axis_names(
    axes: tuple[str, str], left: float, top: float, width: float, height: float
) -> list[Markup]:
    turned = f"translate(11 {top + height / 2:.1f}) rotate(-90)"
    return [
        tag("text", axes[0] + " ↓", x=11, y=11, class_="strong")
        if height < 120
        else tag("text", "← " + axes[0], transform=turned, text_anchor="middle", class_="strong"),
        tag(
            "text", axes[1] + " →", x=left + width / 2, y=11, text_anchor="middle", class_="strong"
        ),
    ]


def _key(left: float, top: float, width: float, top_value: float = 1.0) -> list[Markup]:
    """The scale; its numbers stand where the square root puts them."""
    step = width / LEVELS
    boxes = [
        tag("rect", x=left + i * step, y=top, width=step + 0.3, height=8, class_=f"q{i}")
        for i in range(LEVELS)
    ]
    ticks = [
        tag("text", short(round(share * top_value, 3)), x=left + width * share**0.5, y=top + 22,
            text_anchor="start" if share == 0 else "end" if share == 1 else "middle")
        for share in (0, 0.05, 0.25, 0.5, 1)
    ]  # fmt: skip
    return [*boxes, *ticks]


def _png(shares: np.ndarray, dark: bool) -> str:
    """`[R, C]` in [0, 1] as a PNG of one pixel a value, in a data: address."""
    drawn = Image.fromarray(np.round(shares * (_SHADES - 1)).astype(np.uint8), "P")
    drawn.putpalette([c for colour in ramp(_SHADES, dark) for c in colour])
    return data_url(drawn)


def data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
