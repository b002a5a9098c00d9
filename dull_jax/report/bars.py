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
    WHOLE,
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
    classes = [
        {
            "class": k, "given": given[k], "true": (true or given)[k],
            "colour": palette.group(groups[k]),
            "number": str(given[k]) if true is None else f"{given[k]} ({true[k]})",
            "said": described(
                names[k], f"given {given[k]}", None if true is None else f"true {true[k]}"
            ),
        }
        for k in range(len(given))
    ]  # fmt: skip
    most = max(1, *given, *(true or ()))
    draw = _columns if len(given) > MANY else _lines
    chart = draw(len(given), most)
    if true is None:
        del chart["layer"][1]  # the marks
    chart |= {"data": rows(classes), "params": class_names(names)}
    known = "" if true is None else f"true {max(true)} to {min(true)}, "
    return svg(chart, title, f"{len(given)} classes; {known}given {max(given)} to {min(given)}")


def _lines(num_classes: int, most: int) -> Spec:
    """A line for each class, with its name and numbers."""
    scale = {"domain": [0, most], "range": [0, {"expr": "width - 74"}]}
    band = {"paddingInner": 0.3, "paddingOuter": 0.15}
    y = {"field": "class", "type": "ordinal", "axis": class_axis(), "scale": band}
    return {
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": ROUND},
                "encoding": {"x": number_of("given", **scale), **_LOOK},
            },
            {
                "mark": {"type": "tick", "thickness": 2, "size": 19, "color": INK},
                "encoding": {"x": number_of("true", **scale), "description": text_of("said")},
            },
            {
                "transform": [{"calculate": "max(datum.given, datum.true)", "as": "end"}],
                "mark": {"type": "text", "align": "left", "dx": 7, "fill": SOFT, "aria": False},
                "encoding": {"x": number_of("end", **scale), "text": text_of("number")},
            },
        ],
        **size(WIDTH, 22 * num_classes + 6),
    }  # fmt: skip


def _columns(num_classes: int, most: int) -> Spec:
    """Log scale: with 500 images in one class and 5 in another, a linear bar of 5 is invisible."""
    low, high = 0.7, most * 1.15
    ids = x_axis("class id; images on a log scale", **WHOLE)
    scale = {"type": "log", "domain": [low, high], "nice": False, "clamp": True}
    y = {"axis": y_axis(values=log_ticks(low, high), labelOverlap=False), **scale}

    def across(field: str) -> Spec:
        return number_of(field, ids, domain=[0, num_classes], nice=False)

    return {
        "transform": [
            {"calculate": expression, "as": name}
            for name, expression in {
                "left": "datum.class + 0.12", "right": "datum.class + 0.88",
                "end": "datum.class + 1", "floor": f"{low}",
                "bar": f"max(datum.given, {low})", "mark": f"max(datum.true, {low})",
            }.items()
        ],
        "layer": [
            {
                "mark": "rect",
                "encoding": {"x": across("left"), "x2": {"field": "right"},
                             "y": number_of("bar", **y), "y2": {"field": "floor"}, **_LOOK},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "stroke": INK},
                "encoding": {"x": across("class"), "x2": {"field": "end"},
                             "y": number_of("mark", **y), "description": text_of("said")},
            },
        ],
        **size(1070, 230),
    }  # fmt: skip


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
