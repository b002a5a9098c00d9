"""Bars: class counts, accuracy by group, calibration, the scores of right and wrong labels."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from dull_jax.report import palette
from dull_jax.report.charts import (
    INK,
    MANY,
    ROUND,
    SOFT,
    WIDTH,
    Spec,
    as_is,
    class_axis,
    class_names,
    described,
    log_ticks,
    number_of,
    rows,
    size,
    svg,
    text_of,
    x_axis,
    y_axis,
)  # fmt: skip
from dull_jax.report.numbers import finite, number


def counts(
    title: str,
    true: Sequence[int] | None,
    given: Sequence[int],
    names: Sequence[str],
    groups: Sequence[str],
) -> Markup:
    """Images of each class: bars by the given labels, a mark where the true labels stand.

    Args:
      true, given: `[K]` counts; true is None where nobody knows.
      names, groups: `[K]`; the group gives the colour.
    """
    many = len(given) > MANY
    low = 0.7 if many else 0  # of a log scale
    classes = []
    for k, name in enumerate(names):
        row = {"class": k, "given": max(given[k], low), "number": f"{given[k]}", "true": None}
        row |= {"colour": palette.group(groups[k]), "said": described(name, f"given {given[k]}")}
        if true is not None:
            row |= {"true": max(true[k], low), "number": f"{given[k]} ({true[k]})"}
            row["said"] = described(row["said"], f"true {true[k]}")
        classes.append(row)
    chart = {"data": rows(classes), "params": class_names(names)}
    most = max(1, *given, *(true or ()))
    chart |= _columns(len(given), low, most * 1.15) if many else _lines(len(given), most)
    known = "" if true is None else f"true {max(true)} to {min(true)}, "
    return svg(chart, title, f"{len(given)} classes; {known}given {max(given)} to {min(given)}")


def _lines(num_classes: int, most: int) -> Spec:
    """A line for each class, with its name and numbers."""
    length = {"axis": None, "domain": [0, most], "range": [0, {"expr": "width - 74"}]}
    number = {
        "transform": [{"calculate": "max(datum.given, datum.true)", "as": "end"}],
        "mark": {"type": "text", "align": "left", "dx": 7, "fill": SOFT, "aria": False},
        "encoding": {"x": number_of("end", **length), "text": text_of("number")},
    }
    return {
        "encoding": {"y": _band(class_axis(), 0.3)},
        "layer": [*_bars_and_marks("x", length, 19), number],
        **size(WIDTH, 22 * num_classes + 6),
    }


def _columns(num_classes: int, low: float, high: float) -> Spec:
    """Log scale: with 500 images in one class and 5 in another, a linear bar of 5 is invisible."""
    axis = y_axis(values=log_ticks(low, high), labelOverlap=False)
    length = {"axis": axis, "type": "log", "domain": [low, high], "nice": False}
    step = max(1, num_classes // 20)
    ids = x_axis("class id; images on a log scale", labelAngle=0, labelOverlap=True,
                 values=list(range(0, num_classes, step)))  # fmt: skip
    return {
        "encoding": {"x": _band(ids, 0.24)},
        "layer": _bars_and_marks("y", length, 1030 / num_classes),
        **size(1070, 230),
    }


def _band(axis: Spec, padding: float) -> Spec:
    scale = {"paddingInner": padding, "paddingOuter": padding / 2}
    return {"field": "class", "type": "ordinal", "axis": axis, "scale": scale}


def _bars_and_marks(direction: str, length: Spec, mark_size: float) -> list[Spec]:
    return [
        {
            "mark": {"type": "bar", "cornerRadius": ROUND if direction == "x" else 0},
            "encoding": {direction: {**number_of("given", **length), "stack": None}, **_LOOK},
        },
        {
            "transform": [{"filter": "datum.true !== null"}],
            "mark": {"type": "tick", "thickness": 2, "opacity": 1, "size": mark_size, "color": INK},
            "encoding": {direction: number_of("true", **length), "description": text_of("said")},
        },
    ]


_LOOK: Spec = {"fill": as_is("colour"), "description": text_of("said")}


def grouped(
    title: str,
    groups: Sequence[str],
    methods: Sequence[str],
    values: Sequence[Sequence[float | None]],
) -> Markup:
    """Accuracy in percent: for each group (overall, head, …) one bar a method.

    Args:
      values: `[groups][methods]`, None where unknown.
    """
    bars = [
        {
            "group": group, "method": m, "value": finite(value) or 0, "number": number(value),
            "colour": palette.series(m), "ink": SOFT if m else INK,
            "said": described(f"{method} · {group}", number(value, 1, "%")),
        }
        for group, line in zip(groups, values, strict=True)
        for m, (method, value) in enumerate(zip(methods, line, strict=True))
    ]  # fmt: skip
    thick = 15 if len(methods) <= 4 else 11
    step = len(methods) * thick + 14
    chart = {
        "data": rows(bars),
        "encoding": {
            "x": number_of("value", domain=[0, 100], range=[0, {"expr": "width - 40"}]),
            "y": {"field": "group", "type": "nominal", "sort": None,
                  "axis": {"title": None, "labelColor": INK},
                  "scale": {"paddingInner": 14 / step, "paddingOuter": 7 / step}},
            "yOffset": {"field": "method", "type": "ordinal"},
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": ROUND, "height": thick - 2},
                "encoding": _LOOK,
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "aria": False,
                         "fontWeight": {"expr": "datum.method ? 400 : 600"}},
                "encoding": {"text": text_of("number"), "fill": as_is("ink")},
            },
        ],
    }  # fmt: skip
    said = "; ".join(
        f"{group}: " + ", ".join(f"{m} {number(v)}" for m, v in zip(methods, line, strict=True))
        for group, line in zip(groups, values, strict=True)
    )
    return svg(chart | size(WIDTH, len(groups) * step), title, said)


def reliability(
    title: str, confidence: np.ndarray, correct: np.ndarray, num_bins: int = 15
) -> Markup:
    """Accuracy in each bin of confidence; on the diagonal the two agree.

    Args:
      confidence: `[N]` in [0, 1].  correct: bool `[N]`.
      num_bins: as in stats.calibration, so that the bars are those of the ECE.
    """
    index = np.clip(np.ceil(confidence * num_bins) - 1, 0, num_bins - 1).astype(int)
    total, right = np.bincount(index, minlength=num_bins), np.bincount(index, correct, num_bins)
    bins = [_bin(b, num_bins, right[b], total[b], total.sum()) for b in np.flatnonzero(total)]
    axis = x_axis("confidence of the prediction, %", tickCount=5)
    bars = {
        "data": rows(bins),
        "mark": {"type": "rect", "fill": palette.series(0)},
        "encoding": {
            "x": number_of("low", axis, domain=[0, 100]), "x2": {"field": "high"},
            "y": number_of("accuracy", y_axis("%"), domain=[0, 100]), "y2": {"datum": 0},
            "fillOpacity": as_is("opacity"), "description": text_of("said"),
        },
    }  # fmt: skip
    diagonal = {
        "data": rows([{"at": 0}, {"at": 100}]),
        "mark": {"type": "line", "stroke": INK, "strokeWidth": 1.5, "strokeDash": [4, 4],
                 "aria": False},
        "encoding": {"x": number_of("at", axis), "y": number_of("at", y_axis("%"))},
    }  # fmt: skip
    said = f"{int(total.sum())} test images in {num_bins} bins of confidence"
    return svg({"layer": [bars, diagonal]} | size(WIDTH, 250), title, said)


def _bin(place: int, num_bins: int, right: float, images: int, total: int) -> dict:
    """A bar of the diagram; a bin of few images says little, so its bar is paler."""
    low, high, accuracy = 100 * place / num_bins, 100 * (place + 1) / num_bins, 100 * right / images
    opacity = 0.3 + 0.7 * min(1.0, (images / total * num_bins) ** 0.5)
    said = described(
        f"confidence {low:.0f} to {high:.0f} %", f"accuracy {accuracy:.1f} %", f"{images} images"
    )
    return {"low": low + 0.3, "high": high - 0.3, "accuracy": float(accuracy),
            "opacity": round(float(opacity), 2), "said": said}  # fmt: skip


def scores(title: str, groups: Sequence[tuple[str, str, np.ndarray]], num_bins: int = 24) -> Markup:
    """Histograms over each other, each as the share of its own labels.

    Args:
      groups: (name, CSS colour, scores `[n]`).
    """
    everything = np.concatenate([values for _, _, values in groups])
    span = min(0.0, float(everything.min())), max(1.0, float(everything.max()))
    bins = []
    for name, colour, values in groups:
        shares, edges = np.histogram(values, num_bins, span)
        shares = 100 * shares / max(1, len(values))
        look = {"colour": colour, "said": described(name, f"{len(values)} labels")}
        for edge, share in zip(edges, [*shares, shares[-1]], strict=True):
            bins.append(look | {"score": float(edge), "share": float(share)})
    axis = x_axis("score that the given label is wrong", tickCount=5)
    chart = {
        "data": rows(bins),
        "mark": {"type": "area", "interpolate": "step-after", "fillOpacity": 0.28,
                 "strokeWidth": 1.6},
        "encoding": {
            "x": number_of("score", axis, domain=span, nice=False),
            "y": number_of("share", y_axis("%")) | {"stack": None},
            "stroke": as_is("colour"), **_LOOK,
        },
    }  # fmt: skip
    said = ", ".join(f"{len(values)} {name}" for name, _, values in groups)
    return svg(chart | size(WIDTH, 220), title, said)
