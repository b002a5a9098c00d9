"""Matrices as colour: cells with numbers for few classes, a picture for many.

A 100 x 100 matrix as SVG cells would be 1.5 MB; as a PNG with a palette it is 3 KB. The picture is
there twice, in the colours of the light and of the dark scheme; CSS shows one of them.
"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from dull_jax.report import charts, palette, pictures
from dull_jax.report.charts import Spec

_LETTER = 6.3  # pixels of a letter, about
TRUE, ESTIMATED = "true class", "class, as estimated"
_TITLE = {"titleFontWeight": "bold", "titlePadding": 8}


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
    if len(values) > charts.MANY:
        return picture(title, values, axes, side=(300, 300))
    return _cells(title, values, names, axes, numbers)


def transition(title: str, shares: np.ndarray, names: Sequence[str], rows: str = TRUE) -> Markup:
    """P(given label | true class) `[K, K]`, with percent in the cells that have half of one.

    Args:
      rows: what a row is: `TRUE`, or `ESTIMATED` where nobody knows the true classes.
    """
    shares = np.asarray(shares, np.float64)
    numbers = np.array([[f"{100 * v:.0f}" if v >= 0.005 else "" for v in line] for line in shares])
    return matrix(title, shares, names, (rows, "given label"), numbers)


def _cells(title, values, names, axes, numbers) -> Markup:
    # Few classes have large cells: the axes' names and the scale's numbers need 120 pixels.
    cell = 26 if len(values) > 10 else min(60, max(30, 160 // len(values)))
    side = cell * len(values)
    flat = _LETTER * max(map(len, names)) <= cell - 4
    across = charts.class_axis(
        f"{axes[1]} →", orient="top", labelAngle=0 if flat else -45, labelOverlap=False, **_TITLE
    )
    down = charts.class_axis(f"← {axes[0]}", labelOverlap=False, **_TITLE)
    text = {"text": charts.text_of("number"), "fill": charts.as_is("ink")}
    chart = {
        "data": charts.rows(_cell_rows(values, names, numbers)),
        "params": charts.class_names(names),
        "encoding": {
            "x": _band("column", across, cell), "y": _band("row", down, cell),
            "description": charts.text_of("said"),
        },
        "layer": [
            charts.layer("rect", {"fill": charts.as_is("fill")}, cornerRadius=charts.ROUND),
            charts.layer("text", text, "datum.number", fontSize=10.5),
            *_key(side, side),
        ],
        "width": side,
        "height": side,
    }  # fmt: skip
    return charts.svg(chart, title, f"rows: {axes[0]}; columns: {axes[1]}")


def _cell_rows(values: np.ndarray, names: Sequence[str], numbers: np.ndarray | None) -> list[dict]:
    level = np.round(np.sqrt(values.clip(0, 1)) * (palette.LEVELS - 1)).astype(int)
    return [
        {
            "row": i, "column": j,
            "fill": f"var(--q{level[i, j]})", "ink": f"var(--t{level[i, j]})",
            "number": "" if numbers is None or value == 0 else str(numbers[i, j]),
            "said": charts.described(f"{names[i]} → {names[j]}", f"{value:.1%}"),
        }
        for (i, j), value in np.ndenumerate(values)
    ]  # fmt: skip


def _band(field: str, axis: Spec, cell: int) -> Spec:
    scale = {"paddingInner": 1 / cell, "paddingOuter": 0}
    return {"field": field, "type": "ordinal", "axis": axis, "scale": scale}


def picture(
    title: str,
    values: np.ndarray,
    axes: tuple[str, str],
    side: tuple[int, int],
    row_names: Sequence[str] | None = None,
    top_value: float = 1.0,
) -> Markup:
    """A matrix `[R, C]` of any size as a picture of `side` (width, height) pixels.

    Args:
      row_names: `[R]` names on the left; without them rows are numbered.
      top_value: the value of the strongest colour.
    """
    width, height = side
    shares = np.sqrt(np.clip(np.nan_to_num(values) / top_value, 0, 1))
    across = {"title": f"{axes[1]} →", "orient": "top", "tickCount": 8, **charts.WHOLE, **_TITLE}
    down = {"title": f"← {axes[0]}", "tickCount": 8, **charts.WHOLE, **_TITLE}
    if row_names:
        down = charts.class_axis(down["title"], values=list(range(len(values))), **_TITLE)
    chart = {
        "data": charts.rows([{"row": 0, "column": 0}]),
        "params": charts.class_names(row_names or ()),
        "layer": [
            _axes_of(values.shape, across, down),
            _image("day", pictures.of_matrix(shares, "light"), side),
            _image("night", pictures.of_matrix(shares, "dark"), side),
            *_key(min(width, 352), height, top_value),
        ],
        "width": width,
        "height": height,
        "view": {"stroke": "var(--line)"},
    }
    return charts.svg(chart, title, f"rows: {axes[0]}; columns: {axes[1]}")


def _axes_of(shape: tuple[int, int], across: Spec, down: Spec) -> Spec:
    """A picture has no axes of its own: they belong to a point that nobody sees."""
    x = charts.number_of("column", across, domain=[-0.5, shape[1] - 0.5], nice=False)
    y = charts.number_of("row", down, domain=[shape[0] - 0.5, -0.5], nice=False)
    return charts.layer("point", {"x": x, "y": y}, stroke="none", aria=False)


def _image(name: str, address: str, side: tuple[int, int]) -> Spec:
    corner = {"x": {"value": 0}, "y": {"value": 0}}
    look = {"width": side[0], "height": side[1], "align": "left", "baseline": "top"}
    image = charts.layer("image", corner, url=address, aspect=False, aria=False, **look)
    return image | {"name": name}


def _key(width: float, top: float, top_value: float = 1.0) -> list[Spec]:
    """The scale of colours below a matrix; its numbers stand where the square root puts them."""
    step = width / palette.LEVELS
    boxes = [
        {"left": i * step, "right": (i + 1) * step + 0.3, "fill": f"var(--q{i})"}
        for i in range(palette.LEVELS)
    ]
    ticks = [
        {"left": width * share**0.5, "text": f"{round(share * top_value, 3):g}",
         "align": "left" if share == 0 else "right" if share == 1 else "center"}
        for share in (0, 0.05, 0.25, 0.5, 1)
    ]  # fmt: skip
    # Pixels, not values of the matrix's own axes.
    place = {
        "x": {"field": "left", "type": "quantitative", "scale": None},
        "description": {"value": None},
    }
    strip = place | {"x2": {"field": "right"}, "y": {"value": top + 14},
                     "y2": {"value": top + 22}, "fill": charts.as_is("fill")}  # fmt: skip
    text = place | {"y": {"value": top + 33}, "text": charts.text_of("text")}
    return [
        charts.layer("rect", strip, aria=False) | {"data": charts.rows(boxes)},
        charts.layer("text", text, aria=False, fill=charts.SOFT, align={"expr": "datum.align"})
        | {"data": charts.rows(ticks)},
    ]
