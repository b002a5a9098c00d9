"""Lines over epochs and points over class counts."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from dull_jax.report import charts, palette
from dull_jax.report.charts import Spec
from dull_jax.report.numbers import finite, number

Points = Sequence[tuple[float, float | None]]


def lines(
    title: str,
    curves: Sequence[tuple[str, Points]],
    unit: str = "",
    span: tuple[float, float] | None = None,
    along: str = "epoch",
) -> Markup | None:
    """One line a method over epochs; unknown values are gaps. None when nothing is known.

    Args:
      title: what is drawn.  unit: of the y axis.  span: its range; by default that of the values.
      along: what the x axis counts.
      curves: (method, [(epoch, value or None)]); the first is the run itself, drawn on top.
    """
    values = [value for _, points in curves for _, value in points if value is not None]
    if not values:
        return None
    low, high = _widened(*(span or (min(values), max(values))))
    chart = {
        # What comes last is drawn on top.
        "data": charts.rows(
            r for i in reversed(range(len(curves))) for r in _rows(i, *curves[i], unit, along)
        ),
        "encoding": {
            "x": charts.number_of(
                "epoch", charts.x_axis(along, tickCount=5, **charts.WHOLE), zero=False, nice=False
            ),
            "y": charts.number_of("value", charts.y_axis(unit), domain=[low, high], nice=4),
            "detail": charts.text_of("series"),
        },
        "layer": [_STROKES, _ENDS],
    }
    last = "; ".join(f"{name}: {number(_last(points), 2, unit)}" for name, points in curves)
    return charts.svg(chart | charts.size(charts.WIDTH, 190), title, f"Last value of {last}")


_STROKES: Spec = charts.layer(
    "line",
    {
        "stroke": charts.as_is("colour"),
        "strokeWidth": charts.as_is("width"),
        "strokeDash": charts.as_is("dash"),
    },
    strokeJoin="round", aria=False,
)  # fmt: skip
_ENDS: Spec = charts.layer(
    "circle", {"fill": charts.as_is("colour"), "description": charts.text_of("said")}, "datum.said",
    size=36, opacity=1,
)  # fmt: skip


def _rows(index: int, name: str, points: Points, unit: str, along: str) -> list[dict]:
    """The points of a line; the last known one is marked and described."""
    look = {"series": index, "colour": palette.series(index), "dash": palette.dash(index),
            "width": 1.5 if index else 2.4}  # fmt: skip
    line = [look | {"epoch": epoch, "value": value, "said": ""} for epoch, value in points]
    for row in [row for row in line if row["value"] is not None][-1:]:
        row["said"] = charts.described(
            name, f"{along} {row['epoch']:g}", number(row["value"], 2, unit)
        )
    return line


def _widened(low: float, high: float) -> tuple[float, float]:
    """The range itself, or room around one single value."""
    if high - low < 1e-9:
        return low - (abs(low) * 0.1 or 1), high + (abs(high) * 0.1 or 1)
    return low, high


def _last(points: Points) -> float | None:
    return next((value for _, value in reversed(points) if value is not None), None)


def points_of(metrics: Sequence[Mapping[str, object]], key: str) -> Points:
    """(epoch, value) for the epochs that state `key`; None where the value is undefined."""
    return [(float(line["epoch"]), finite(line[key])) for line in metrics if key in line]


def scatter(
    title: str,
    counts: Sequence[float],
    own: Sequence[float],
    peer: Sequence[float] | None,
    names: Sequence[str],
    peer_index: int,
    labels: str,
) -> Markup:
    """Accuracy of each class against how many images it has; a line joins the two methods.

    Args:
      counts: `[K]` training images.  own, peer: `[K]` percent, nan where unknown.
      names: `[K]`.  peer_index: the compared method's place, for its colour.
      labels: which ones are counted: "true" or "given".
    """
    points = []
    for count, name, *values in zip(counts, names, own, own if peer is None else peer, strict=True):
        if count > 0 and all(math.isfinite(value) for value in values):
            said = charts.described(
                name, *(number(v, 1, "%") for v in values[: 1 + (peer is not None)])
            )
            points.append(
                {"count": count, "own": float(values[0]), "peer": float(values[1]), "said": said}
            )
    seen = [point["count"] for point in points] or [1]
    low, high = min(seen) * 0.85, max(seen) * 1.18
    axis = charts.x_axis(
        f"training images of the class ({labels} labels, log scale)",
        values=charts.log_ticks(low, high),
    )
    chart = {
        "data": charts.rows(points),
        "encoding": {
            "x": charts.number_of("count", axis, type="log", domain=[low, high], nice=False),
            "description": charts.text_of("said"),
        },
        "layer": [*([] if peer is None else _pair(peer_index)), _dots("own", fill="var(--s0)")],
    }
    return charts.svg(chart | charts.size(charts.WIDTH, 250), title, f"{len(points)} classes")


def _pair(peer_index: int) -> list[Spec]:
    """The rings of the compared method, and the lines that join them to this run's dots."""
    ends = {
        "y": charts.number_of("own", charts.y_axis("%"), domain=[0, 100]),
        "y2": {"field": "peer"},
    }
    join = charts.layer("rule", ends, stroke="var(--line)", strokeWidth=1.5, aria=False)
    ring = {"stroke": palette.series(peer_index), "strokeWidth": 1.6, "fill": "var(--card)"}
    return [join, _dots("peer", size=41, **ring)]


def _dots(field: str, size: int = 64, **look: object) -> Spec:
    y = charts.number_of(field, charts.y_axis("%"), domain=[0, 100])
    return charts.layer("circle", {"y": y}, size=size, opacity=1, **look)
