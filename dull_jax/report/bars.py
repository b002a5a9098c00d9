"""Bars: class counts, accuracy by group, calibration, the scores of right and wrong labels."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from dull_jax.report import charts, palette
from dull_jax.report.charts import Spec
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
    many = len(given) > charts.MANY
    low = 0.7 if many else 0  # of a log scale
    classes = []
    for k, name in enumerate(names):
        row = {"class": k, "colour": palette.group(groups[k]), "given": max(given[k], low)}
        row |= {"end": given[k], "number": f"{given[k]}", "true": None}
        row["said"] = charts.described(name, f"given {given[k]}")
        if true is not None:
            row |= {"end": max(given[k], true[k]), "number": f"{given[k]} ({true[k]})"}
            row |= {"true": max(true[k], low), "said": f"{row['said']} · true {true[k]}"}
        classes.append(row)
    chart = {"data": charts.rows(classes), "params": charts.class_names(names)}
    most = max(1, *given, *(true or ()))
    chart |= _columns(len(given), low, most * 1.15) if many else _lines(len(given), most)
    known = "" if true is None else f"true {max(true)} to {min(true)}, "
    return charts.svg(
        chart, title, f"{len(given)} classes; {known}given {max(given)} to {min(given)}"
    )


def _lines(num_classes: int, most: int) -> Spec:
    """A line for each class, with its name and numbers."""
    length = {"domain": [0, most], "range": [0, {"expr": "width - 74"}]}
    text = {"x": charts.number_of("end", **length), "text": charts.text_of("number")}
    numbers = charts.layer("text", text, align="left", dx=7, fill=charts.SOFT, aria=False)
    return {
        "encoding": {"y": _band(charts.class_axis(), 0.3)},
        "layer": [*_bars_and_marks("x", length, 19), numbers],
        **charts.size(charts.WIDTH, 22 * num_classes + 6),
    }


def _columns(num_classes: int, low: float, high: float) -> Spec:
    """Log scale: with 500 images in one class and 5 in another, a linear bar of 5 is invisible."""
    axis = charts.y_axis(values=charts.log_ticks(low, high), labelOverlap=False)
    length = {"axis": axis, "type": "log", "domain": [low, high], "nice": False}
    ids = charts.x_axis("class id; images on a log scale", labelAngle=0, labelOverlap=True,
                 values=list(range(0, num_classes, max(1, num_classes // 20))))  # fmt: skip
    return {
        "encoding": {"x": _band(ids, 0.24)},
        "layer": _bars_and_marks("y", length, 1030 / num_classes),
        **charts.size(1070, 230),
    }


def _band(axis: Spec, padding: float) -> Spec:
    scale = {"paddingInner": padding, "paddingOuter": padding / 2}
    return {"field": "class", "type": "ordinal", "axis": axis, "scale": scale}


def _bars_and_marks(direction: str, length: Spec, mark_size: float) -> list[Spec]:
    bar = {direction: charts.number_of("given", **length) | {"stack": None}, **_LOOK}
    mark = {direction: charts.number_of("true", **length), "description": charts.text_of("said")}
    return [
        charts.layer("bar", bar, cornerRadius=charts.ROUND if direction == "x" else 0),
        charts.layer("tick", mark, "datum.true !== null", thickness=2, opacity=1, size=mark_size,
              color=charts.INK),
    ]  # fmt: skip


_LOOK: Spec = {"fill": charts.as_is("colour"), "description": charts.text_of("said")}


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
            "colour": palette.series(m), "ink": charts.SOFT if m else charts.INK,
            "said": charts.described(f"{method} · {group}", number(value, 1, "%")),
        }
        for group, line in zip(groups, values, strict=True)
        for m, (method, value) in enumerate(zip(methods, line, strict=True))
    ]  # fmt: skip
    thick = 15 if len(methods) <= 4 else 11
    step = len(methods) * thick + 14
    y = {"field": "group", "type": "nominal", "sort": None,
         "axis": {"title": None, "labelColor": charts.INK, "labelLimit": 110},
         "scale": {"paddingInner": 14 / step, "paddingOuter": 7 / step}}  # fmt: skip
    text = {"text": charts.text_of("number"), "fill": charts.as_is("ink")}
    weight = {"expr": "datum.method ? 400 : 600"}
    chart = {
        "data": charts.rows(bars),
        "encoding": {
            "x": charts.number_of("value", domain=[0, 100], range=[0, {"expr": "width - 40"}]),
            "y": y,
            "yOffset": {"field": "method", "type": "ordinal"},
        },
        "layer": [
            charts.layer("bar", _LOOK, cornerRadius=charts.ROUND, height=thick - 2),
            charts.layer("text", text, align="left", dx=6, aria=False, fontWeight=weight),
        ],
    }
    said = "; ".join(
        f"{group}: " + ", ".join(f"{m} {number(v)}" for m, v in zip(methods, line, strict=True))
        for group, line in zip(groups, values, strict=True)
    )
    return charts.svg(chart | charts.size(charts.WIDTH, len(groups) * step), title, said)


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
    axis = charts.x_axis("confidence of the prediction, %", tickCount=5)
    x = {"axis": axis, "domain": [0, 100]}
    y = {"axis": charts.y_axis("%"), "domain": [0, 100]}
    bars = charts.layer(
        "rect",
        {
            "x": charts.number_of("low", **x), "x2": {"field": "high"},
            "y": charts.number_of("accuracy", **y), "y2": {"datum": 0},
            "fillOpacity": charts.as_is("opacity"), "description": charts.text_of("said"),
        },
        fill=palette.series(0),
    )  # fmt: skip
    dashed = {"stroke": charts.INK, "strokeWidth": 1.5, "strokeDash": [4, 4], "aria": False}
    diagonal = charts.layer(
        "line", {"x": charts.number_of("at", **x), "y": charts.number_of("at", **y)}, **dashed
    )
    layers = [
        bars | {"data": charts.rows(bins)},
        diagonal | {"data": charts.rows([{"at": 0}, {"at": 100}])},
    ]
    said = f"{int(total.sum())} test images in {num_bins} bins of confidence"
    return charts.svg({"layer": layers} | charts.size(charts.WIDTH, 250), title, said)


def _bin(place: int, num_bins: int, right: float, images: int, total: int) -> dict:
    """A bar of the diagram; a bin of few images says little, so its bar is paler."""
    low, high, accuracy = 100 * place / num_bins, 100 * (place + 1) / num_bins, 100 * right / images
    opacity = 0.3 + 0.7 * min(1.0, (images / total * num_bins) ** 0.5)
    said = charts.described(
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
        look = {"colour": colour, "said": charts.described(name, f"{len(values)} labels")}
        for edge, share in zip(edges, [*shares, shares[-1]], strict=True):
            bins.append(look | {"score": float(edge), "share": float(share)})
    axis = charts.x_axis("score that the given label is wrong", tickCount=5)
    encoding = {
        "x": charts.number_of("score", axis, domain=span, nice=False),
        "y": charts.number_of("share", charts.y_axis("%")) | {"stack": None},
        "stroke": charts.as_is("colour"),
        **_LOOK,
    }
    chart = charts.layer(
        "area", encoding, interpolate="step-after", fillOpacity=0.28, strokeWidth=1.6
    )
    chart |= {"data": charts.rows(bins)}
    said = ", ".join(f"{len(values)} {name}" for name, _, values in groups)
    return charts.svg(chart | charts.size(charts.WIDTH, 220), title, said)
