"""Lines over epochs and points over class counts."""

import math
from collections.abc import Mapping, Sequence

from dull_jax.report.markup import Markup, finite, number, tag
from dull_jax.report.plots import WIDTH, Axis, dash, frame, hover, nice_ticks, series, svg

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 15, 10, 38
Points = Sequence[tuple[float, float | None]]


def lines(
    title: str,
    curves: Sequence[tuple[str, Points]],
    unit: str = "",
    span: tuple[float, float] | None = None,
) -> Markup | None:
    """One line a method over epochs; unknown values are gaps. None when nothing is known.

    Args:
      title: what is drawn.  unit: of the y axis.  span: its range; by default that of the values.
      curves: (method, [(epoch, value or None)]); the first is the run itself, drawn on top.
    """
    known = [(e, v) for _, points in curves for e, v in points if v is not None]
    if not known:
        return None
    height = 190
    x = Axis(min(e for e, _ in known), max(e for e, _ in known), _LEFT, WIDTH - _RIGHT)
    low, high = span or span_of([v for _, v in known], unit)
    y = Axis(low, high, height - _BOTTOM, _TOP)
    ticks = [tick for tick in x.ticks() if tick == int(tick)]
    drawn = [_line(x, y, i, *curve, unit) for i, curve in enumerate(curves)]
    said = "; ".join(f"{n}: {number(_last(p), 2, unit)}" for n, p in curves)
    return svg(
        WIDTH,
        height,
        title,
        f"Last value of {said}",
        frame(x, y, "epoch", ticks, unit),
        drawn[::-1],
    )


def span_of(values: Sequence[float], unit: str = "") -> tuple[float, float]:
    """The range of the values, widened to the next ticks; percent stays within 0 and 100."""
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - (abs(low) * 0.1 or 1), high + (abs(high) * 0.1 or 1)
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return (max(0.0, low), min(100.0, high)) if unit == "%" else (low, high)


def _line(x: Axis, y: Axis, index: int, name: str, points: Points, unit: str) -> Markup | None:
    kept = [(e, v) for e, v in points if v is not None]
    if not kept:
        return None
    colour = series(index)
    last = hover(name, f"epoch {kept[-1][0]:g}", number(kept[-1][1], 2, unit))
    path = tag(
        "path", d=_path(x, y, points), class_=f"s{colour}", fill="none", stroke_linejoin="round",
        stroke_width=2.4 if index == 0 else 1.5, stroke_dasharray=dash(index),
    )  # fmt: skip
    end = tag("circle", last, cx=x(kept[-1][0]), cy=y(kept[-1][1]), r=3, class_=f"f{colour}")
    return tag("g", path, end)


def _path(x: Axis, y: Axis, points: Points) -> str:
    """Epochs that were not evaluated are joined over; a value that is undefined breaks the line."""
    pen, steps = "M", []
    for epoch, value in points:
        if value is None:
            pen = "M"
            continue
        steps.append(f"{pen}{x(epoch):g} {y(value):g}")
        pen = "L"
    return "".join(steps)


def _last(points: Points) -> float | None:
    return next((v for _, v in reversed(points) if v is not None), None)


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
    height = 250
    x = _count_axis(counts)
    y = Axis(0, 100, height - _BOTTOM, _TOP)
    marks = []
    for k in sorted(range(len(counts)), key=lambda k: counts[k]):
        values = [own[k]] + ([] if peer is None else [peer[k]])
        if counts[k] > 0 and all(math.isfinite(v) for v in values):
            marks.append(_pair(x(counts[k]), [y(v) for v in values], peer_index, values, names[k]))
    label = f"training images of the class ({labels} labels, log scale)"
    return svg(
        WIDTH, height, title, f"{len(marks)} classes", frame(x, y, label, x.ticks(), "%"), marks
    )


def _count_axis(counts: Sequence[float]) -> Axis:
    seen = [c for c in counts if c > 0] or [1]
    return Axis(min(seen) * 0.85, max(seen) * 1.18, _LEFT, WIDTH - _RIGHT, log=True)


def _pair(x: float, ys: list[float], index: int, values: list[float], name: str) -> Markup:
    text = hover(name, *(number(v, 1, "%") for v in values))
    parts = [tag("circle", text, cx=x, cy=ys[0], r=4, class_="f0")]
    if len(ys) == 2:
        colour = f"s{series(index)}"
        join = tag("line", x1=x, x2=x, y1=ys[0], y2=ys[1], stroke="var(--line)", stroke_width=1.5)
        ring = tag("circle", text, cx=x, cy=ys[1], r=3.2, class_=colour, fill="var(--card)",
                   stroke_width=1.6)  # fmt: skip
        parts = [join, ring, *parts]
    return tag("g", parts)
