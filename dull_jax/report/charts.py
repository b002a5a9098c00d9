"""Charts as SVG inside the page: Vega-Lite draws them, then they are tidied for HTML.

A chart is a Vega-Lite specification (https://vega.github.io/vega-lite/docs/), a plain dictionary.
Its colours are names of CSS variables ("var(--s0)"), so the browser fills them in by the reader's
light or dark scheme. Text stays text, nothing is loaded, and there is no script.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import vl_convert
from markupsafe import Markup

from dull_jax.report.blocks import clean

# Charts are drawn at the width of a phone and never scaled up: text keeps its size everywhere.
WIDTH = 342
# Beyond this many classes single names and numbers no longer fit.
MANY = 20
ROUND = 2  # corners of bars and cells
INK, SOFT, GRID = "var(--ink)", "var(--soft)", "var(--grid)"
Spec = dict[str, Any]

# Text is measured in a font that vl-convert carries, so a drawing is the same on every machine;
# the page then shows it in its own font.
_CONFIG: Spec = {
    "font": "Liberation Sans",
    "padding": 2,
    "view": {"stroke": None},
    "text": {"fontSize": 11.5},
    "axis": {
        "labelFontSize": 11.5, "titleFontSize": 11.5, "titleFontWeight": "normal",
        "labelColor": SOFT, "titleColor": SOFT, "domainColor": SOFT, "gridColor": GRID,
        "ticks": False, "domain": False, "grid": False, "labelPadding": 6,
    },
    "axisX": {"labelPadding": 7, "titlePadding": 4},
}  # fmt: skip


def rows(values: Iterable[Mapping[str, Any]]) -> Spec:
    """The data of a chart; names from users' files lose what SVG cannot hold."""
    return {
        "values": [
            {key: clean(v) if isinstance(v, str) else v for key, v in row.items()} for row in values
        ]
    }


def layer(mark: str, encoding: Spec, where: str = "", **look: Any) -> Spec:
    """Marks of one kind; `where` is a Vega expression of the rows that have one."""
    transform = {"transform": [{"filter": where}]} if where else {}
    return {"mark": {"type": mark, **look}, "encoding": encoding, **transform}


def number_of(field: str, axis: Spec | None = None, **scale: Any) -> Spec:
    """A channel with the numbers of `field`, on a scale with these properties."""
    return {"field": field, "type": "quantitative", "axis": axis, "scale": scale}


def as_is(field: str) -> Spec:
    """A channel with the values of `field` as they stand there: colours, dashes, pixels."""
    return {"field": field, "type": "nominal", "scale": None}


def text_of(field: str) -> Spec:
    """A channel with text; as `description` it is what the mouse shows over a shape."""
    return {"field": field, "type": "nominal"}


def described(*parts: object) -> str:
    """Parts of a description in a row, without those that are None."""
    return " · ".join(str(part) for part in parts if part is not None)


def x_axis(title: str, **more: Any) -> Spec:
    """A horizontal axis with a line."""
    return {"title": title, "domain": True, **more}


def y_axis(unit: str = "", **more: Any) -> Spec:
    """A vertical axis with lines across; its highest tick has the unit."""
    label = {"labelExpr": f"datum.label + (datum.index == 1 ? '{unit}' : '')"} if unit else {}
    return {"title": None, "grid": True, "tickCount": 4, **label, **more}


# Labels of an axis that counts: none between the whole numbers.
WHOLE = {"labelExpr": "datum.value % 1 ? '' : format(datum.value, ',')"}


def class_axis(title: str | None = None, **more: Any) -> Spec:
    """An axis of class ids that shows the names of `class_names`."""
    label = {"labelExpr": "names[datum.value]", "labelColor": INK, "labelLimit": 84}
    return {"title": title, **label, **more}


def class_names(names: Sequence[str]) -> list[Spec]:
    """The `params` of a chart with a `class_axis`: names are data, never part of an expression."""
    return [{"name": "names", "value": [clean(name) for name in names]}]


def size(width: float, height: float) -> Spec:
    """Properties of a chart whose axes, too, lie within `width` and `height` pixels."""
    return {"width": width, "height": height, "autosize": {"type": "fit", "contains": "padding"}}


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten within [low, high]; only the powers when these are enough.

    >>> log_ticks(5, 120)
    [5.0, 10.0, 20.0, 50.0, 100.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 3 else (1, 2, 5)
    return [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]


def svg(chart: Spec, title: str, description: str) -> Markup:
    """The drawing; its description is what a screen reader says instead of the shapes."""
    drawn = vl_convert.vegalite_to_svg(chart | {"config": _CONFIG, "background": None})
    root = ET.fromstring(drawn)
    for element in list(root.iter()):
        _tidy(element)
    width, height = root.get("width", ""), root.get("height", "")
    root.attrib = {
        "viewBox": f"0 0 {width} {height}", "width": width, "height": height, "fill": "none",
        "role": "img", "aria-label": clean(f"{title}. {description}"),
    }  # fmt: skip
    about = ET.Element("desc")
    about.text = clean(description)
    root.insert(0, about)
    return Markup(ET.tostring(root, encoding="unicode"))


_KEPT = {
    "d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "href", "fill",
    "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin",
    "stroke-linecap", "opacity", "font-size", "font-weight", "text-anchor", "preserveAspectRatio",
    "display",
}  # fmt: skip
_DEFAULTS = {
    ("opacity", "1"), ("fill-opacity", "1"), ("stroke-width", "1"), ("x2", "0"), ("y2", "0"),
    ("transform", "translate(0,0)"), ("text-anchor", "start"), ("font-weight", "normal"),
}  # fmt: skip


def _tidy(element: ET.Element) -> None:
    """Leaves the attributes that the page needs; what a shape stands for becomes its tooltip."""
    element.tag = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    element.attrib = {
        key: _rounded(value)
        for key, value in attributes.items()
        if key in _KEPT and (key, value) not in _DEFAULTS
    }
    if element.tag == "image":
        element.set("class", "pixels")
    elif scheme := re.search(r"\b(day|night)_", attributes.get("class", "")):
        element.set("class", scheme[1])
    if attributes.get("role") == "graphics-symbol" and len(element) == 0:
        ET.SubElement(element, "title").text = attributes.get("aria-label")


def _rounded(value: str) -> str:
    """Coordinates to a tenth of a pixel: a report for 100 classes holds thousands of them."""
    if value.startswith("data:"):
        return value
    return _DECIMALS.sub(lambda digits: f"{float(digits[0]):.1f}".removesuffix(".0"), value)


_DECIMALS = re.compile(r"\d+\.\d{2,}")
