"""Bars: class counts, accuracy by group, calibration, the scores of right and wrong labels."""

from collections.abc import Sequence

import numpy as np

from dull_jax.report.markup import Markup, finite, number, tag
from dull_jax.report.plots import MANY, WIDTH, Axis, clip, frame, hover, series, svg, text_width


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
    known = "" if true is None else f"true {max(true)} to {min(true)}, "
    said = f"{len(given)} classes; {known}given {max(given)} to {min(given)}"
    draw = _count_columns if len(given) > MANY else _count_rows
    return draw(title, said, true, given, names, groups)


def _count_rows(title, said, true, given, names, groups) -> Markup:
    shown = [clip(name) for name in names]
    left = max(30.0, text_width(shown) + 10)
    x = Axis(0, max(*(true or given), *given, 1), left, WIDTH - 74)
    parts, step = [], 22
    for k, name in enumerate(shown):
        top = k * step + 3
        text = _counted(names[k], given, true, k)
        end, mark, also = x(given[k]), None, None
        if true is not None:
            end, also = max(end, x(true[k])), f" ({true[k]})"
            mark = tag("line", text, x1=x(true[k]), x2=x(true[k]), y1=top - 2, y2=top + 17,
                       stroke="var(--ink)", stroke_width=2)  # fmt: skip
        parts += [
            tag("text", name, text, x=left - 7, y=top + 12, text_anchor="end", class_="ink"),
            tag("rect", text, x=left, y=top, width=x(given[k]) - left, height=15, rx=2,
                class_=f"g-{groups[k]}"),
            mark,
            tag("text", tag("tspan", given[k], class_="strong"), also, x=end + 7, y=top + 12),
        ]  # fmt: skip
    return svg(WIDTH, len(given) * step + 6, title, said, parts)


def _counted(name: str, given: Sequence[int], true: Sequence[int] | None, k: int) -> Markup:
    return hover(name, f"given {given[k]}", None if true is None else f"true {true[k]}")


def _count_columns(title, said, true, given, names, groups) -> Markup:
    """Log scale: with 500 images in one class and 5 in another, a linear bar of 5 is invisible."""
    width, height = 1070, 230
    low = 0.7
    y = Axis(low, max(*(true or given), *given, 1) * 1.15, height - 38, 8, log=True)
    x = Axis(0, len(given), 42, width - 6)
    parts, pitch = [], (x.end - x.start) / len(given)
    for k in range(len(given)):
        text = _counted(f"{k} {names[k]}", given, true, k)
        top = y(max(given[k], low))
        parts.append(
            tag("rect", text, x=x(k) + 0.12 * pitch, width=0.76 * pitch, y=top,
                height=y.start - top, class_=f"g-{groups[k]}")
        )  # fmt: skip
        if true is None:
            continue
        at = y(max(true[k], low))
        parts.append(
            tag("line", text, x1=x(k), x2=x(k) + pitch, y1=at, y2=at, stroke="var(--ink)",
                stroke_width=2)
        )  # fmt: skip
    label = "class id; images on a log scale"
    ticks = [t for t in x.ticks(10) if t < len(given) and t == int(t)]
    return svg(width, height, title, said, frame(x, y, label, ticks), parts)


def grouped(
    title: str,
    rows: Sequence[str],
    methods: Sequence[str],
    values: Sequence[Sequence[float | None]],
) -> Markup:
    """Accuracy in percent: for each row (overall, head, …) one bar a method.

    Args:
      values: `[rows][methods]`, None where unknown.
    """
    thick = 15 if len(methods) <= 4 else 11
    step = len(methods) * thick + 14
    x = Axis(0, 100, 62, WIDTH - 46)
    parts = []
    for r, row_name in enumerate(rows):
        top = r * step + 4
        middle = top + len(methods) * thick / 2 + 4
        parts.append(tag("text", row_name, x=54, y=middle, text_anchor="end", class_="ink"))
        for m, method in enumerate(methods):
            parts.append(_bar(x, top + m * thick, thick, m, f"{method} · {row_name}", values[r][m]))
    said = "; ".join(
        f"{row_name}: " + ", ".join(f"{m} {number(v)}" for m, v in zip(methods, line, strict=True))
        for row_name, line in zip(rows, values, strict=True)
    )
    return svg(WIDTH, len(rows) * step, title, said, parts)


def _bar(x: Axis, top: float, thick: int, index: int, name: str, value: float | None) -> Markup:
    known = finite(value)
    label = tag(
        "text", number(known), x=x(known or 0) + 6, y=top + thick / 2 + 4,
        class_="ink strong" if index == 0 else None, font_size=10.5 if thick < 14 else None,
    )  # fmt: skip
    if known is None:
        return label
    shape = tag(
        "rect", hover(name, number(known, 1, "%")), x=x.start, y=top + 1, rx=2,
        width=max(1.0, x(known) - x.start), height=thick - 2, class_=f"f{series(index)}",
    )  # fmt: skip
    return tag("g", shape, label)


def reliability(
    title: str, confidence: np.ndarray, right: np.ndarray, num_bins: int = 15
) -> Markup:
    """Accuracy of the predictions of each confidence (Guo et al. 2017, fig. 1).

    Args:
      confidence: `[M]` max_k p_k.  right: `[M]` bool.  Bins are (a, b], as in the ECE.
    """
    bins = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    total = np.bincount(bins, minlength=num_bins)
    hits = np.bincount(bins, right, minlength=num_bins)
    height = 250
    x, y = Axis(0, 100, 40, WIDTH - 15), Axis(0, 100, height - 38, 10)
    parts = []
    for b in np.flatnonzero(total):
        accuracy, left = 100 * hits[b] / total[b], x(100 * b / num_bins)
        text = hover(f"confidence {100 * b / num_bins:.0f} to {100 * (b + 1) / num_bins:.0f} %",
                     f"accuracy {accuracy:.1f} %", f"{total[b]} images")  # fmt: skip
        # A bin of few images says little: its bar is paler.
        opacity = round(0.3 + 0.7 * min(1.0, (total[b] / total.sum() * num_bins) ** 0.5), 2)
        width = x(100 * (b + 1) / num_bins) - left - 2
        parts.append(tag("rect", text, x=left + 1, width=width, y=y(accuracy), class_="f0",
                         height=y.start - y(accuracy), fill_opacity=opacity))  # fmt: skip
    diagonal = tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.end, stroke="var(--ink)",
                   stroke_width=1.5, stroke_dasharray="4 4")  # fmt: skip
    said = f"{int(total.sum())} test images in {num_bins} bins of confidence"
    label = "confidence of the prediction, %"
    return svg(WIDTH, height, title, said, frame(x, y, label, x.ticks(), "%"), parts, diagonal)


def scores(title: str, groups: Sequence[tuple[str, str, np.ndarray]], num_bins: int = 24) -> Markup:
    """Histograms over each other, each as the share of its own labels.

    Args:
      groups: (name, CSS colour, scores `[n]`).
    """
    everything = np.concatenate([s for _, _, s in groups])
    low, high = min(0.0, float(everything.min())), max(1.0, float(everything.max()))
    found = [np.histogram(s, num_bins, (low, high))[0] / max(1, len(s)) * 100 for _, _, s in groups]
    height = 220
    x = Axis(low, high, 40, WIDTH - 15)
    y = Axis(0, max(1.0, *(float(f.max()) for f in found)), height - 38, 10)
    edges = np.linspace(low, high, num_bins + 1)
    parts = []
    for (name, colour, values), shares in zip(groups, found, strict=True):
        steps = "".join(
            f"L{x(edges[b]):g} {y(s):g}L{x(edges[b + 1]):g} {y(s):g}" for b, s in enumerate(shares)
        )
        outline = f"M{x.start:g} {y.start:g}{steps}L{x.end:g} {y.start:g}Z"
        parts.append(tag("path", hover(f"{name}: {len(values)} labels"), d=outline, fill=colour,
                         fill_opacity=0.28, stroke=colour, stroke_width=1.6))  # fmt: skip
    said = ", ".join(f"{len(values)} {name}" for name, _, values in groups)
    label = "score that the given label is wrong"
    return svg(WIDTH, height, title, said, frame(x, y, label, x.ticks(), "%"), parts)
