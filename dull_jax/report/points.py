"""Points of a plane, coloured by class: the same map under several labellings, side by side."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from dull_jax.report import blocks, charts, palette
from dull_jax.report.charts import Spec
from dull_jax.report.numbers import percent

_COLOURED = 8  # classes that the colours are enough for; of more, one fewer and the others grey
_GREY = "var(--faint)"
_HEIGHTS = (210, 330)  # pixels of a map: as flat or as high as its points ask for
_DOT, _RING = 4, 52  # width of a dot, area of a ring
_ROOM = 0.04  # share of the map that is left free on each side


class Points(NamedTuple):
    """The samples of a map; the first of them are suspects."""

    place: np.ndarray  # [M, 2]
    given: np.ndarray  # int [M]
    suggested: np.ndarray  # int [M]
    names: Sequence[str]  # [S] of the suspects


def maps(
    title: str,
    points: Points,
    class_names: Sequence[str],
    labels: Mapping[str, np.ndarray],
) -> Markup:
    """A map for each labelling, in a row, and the legend that they share beneath.

    Args:
      title: of each map, with the labelling's name behind it.
      labels: {name of the labelling: int `[M]`}.
    """
    colours = _colours(points, len(class_names))
    figures = [
        blocks.figure(title, _map(f"{title}, {kind}", points, of, class_names, colours), note=kind)
        for kind, of in labels.items()
    ]
    return blocks.row([blocks.row(figures), _legend(class_names, colours, points)], "stack")


def about(total: int, drawn: int, method: str, explained: float) -> str:
    """What a reader needs to know of a map; `explained` is nan where there is no such share."""
    shown = f"All {total:,} samples" if drawn == total else f"{drawn:,} of {total:,} samples"
    axes = f", {percent(explained, 0)} of the variance" if np.isfinite(explained) else ""
    return (
        f"{shown}, near each other where their embeddings are alike ({method}{axes}). A suspicious "
        "label has a ring. It is likely to be wrong where its colour differs from those around it "
        "by the given labels, and agrees with them by the suggested ones."
    )


def _colours(points: Points, num_classes: int) -> dict[int, str]:
    """Colours of the classes that labels are moved from and to, the largest classes next."""
    present = np.union1d(points.given, points.suggested)
    if len(present) <= _COLOURED:
        return {int(k): palette.series(n) for n, k in enumerate(present)}
    moved = points.given != points.suggested
    part = np.bincount(points.given[moved], minlength=num_classes)
    part += np.bincount(points.suggested[moved], minlength=num_classes)
    size = np.bincount(points.given, minlength=num_classes)
    chosen = np.sort(np.lexsort((-size, -part))[: _COLOURED - 1])
    return {int(k): palette.series(n) for n, k in enumerate(chosen)}


def _legend(names: Sequence[str], colours: Mapping[int, str], points: Points) -> Markup:
    swatches = [blocks.swatch(names[k], colour) for k, colour in colours.items()]
    if len(np.union1d(points.given, points.suggested)) > len(colours):
        swatches.append(blocks.swatch("other classes", _GREY))
    if len(points.names):
        swatches.append(blocks.swatch("suspicious label", charts.INK, "ring"))
    return blocks.legend(swatches)


def _map(
    title: str,
    points: Points,
    label: np.ndarray,
    names: Sequence[str],
    colours: Mapping[int, str],
) -> Markup:
    (x, y), height = _domains(points.place)
    colour = [colours.get(int(k), _GREY) for k in label]
    chart = {
        "encoding": {
            "x": charts.number_of("x", domain=x, nice=False, zero=False),
            "y": charts.number_of("y", domain=y, nice=False, zero=False),
        },
        "layer": [
            {"data": charts.rows(_dots(points, colour))} | _DOTS,
            {"data": charts.rows(_suspects(points, colour, names))} | _RINGS,
        ],
    }
    said = f"{len(points.place):,} samples, {len(points.names)} of them suspicious"
    return charts.svg(chart | charts.size(charts.WIDTH, height), title, said)


# A line that breaks after each point: a dot takes a tenth of what a shape of its own would.
_DOTS: Spec = charts.layer(
    "line",
    {
        "stroke": charts.as_is("colour"),
        "detail": charts.text_of("colour"),
        "order": {"value": None},  # as they come
    },
    strokeWidth=_DOT, strokeCap="round", opacity=0.75, aria=False,
    invalid="break-paths-filter-domains",
)  # fmt: skip
_RINGS: Spec = charts.layer(
    "circle",
    {"fill": charts.as_is("colour"), "description": charts.text_of("said")},
    size=_RING, stroke=charts.INK, strokeWidth=1.4, opacity=1,
)  # fmt: skip


def _dots(points: Points, colour: Sequence[str]) -> list[dict]:
    """Two rows a sample, the second a break; grey ones come first and lie beneath."""
    order = sorted(range(len(colour)), key=lambda n: colour[n] != _GREY)
    both = []
    for n in order:
        place = {"x": float(points.place[n, 0]), "y": float(points.place[n, 1])}
        both += [place | {"colour": colour[n]}, {"x": None, "y": None, "colour": colour[n]}]
    return both


def _suspects(points: Points, colour: Sequence[str], names: Sequence[str]) -> list[dict]:
    return [
        {
            "x": float(points.place[n, 0]),
            "y": float(points.place[n, 1]),
            "colour": colour[n],
            "said": f"{name}: {names[points.given[n]]} → {names[points.suggested[n]]}",
        }
        for n, name in enumerate(points.names)
    ]


def _domains(place: np.ndarray) -> tuple[tuple[list[float], list[float]], float]:
    """Ranges of x and y with the same unit, and the height of the map."""
    low, high = place.min(0).astype(float), place.max(0).astype(float)
    span = np.maximum(high - low, 1e-9) * (1 + 2 * _ROOM)
    height = float(np.clip(charts.WIDTH * span[1] / span[0], *_HEIGHTS))
    half = max(span[0] / charts.WIDTH, span[1] / height) * np.array([charts.WIDTH, height]) / 2
    middle = (low + high) / 2
    x, y = ([float(middle[i] - half[i]), float(middle[i] + half[i])] for i in (0, 1))
    return (x, y), height
