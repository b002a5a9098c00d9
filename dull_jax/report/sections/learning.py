"""Learning over epochs, and accuracy by group and class at the end."""

import math

import numpy as np

from dull_jax.report import bars, curves
from dull_jax.report.markup import Markup, number, table, tag
from dull_jax.report.plots import box_symbol, figure, legend, line_symbol, row, series
from dull_jax.report.run import Run
from dull_jax.report.summary import best_peer
from dull_jax.run_dir import layout
from dull_jax.stats.metrics import class_accuracy

_CURVES = (
    ("Test accuracy", "test/accuracy", "%"),
    ("Head classes", "test/head", "%"),
    ("Medium classes", "test/medium", "%"),
    ("Tail classes", "test/tail", "%"),
    ("Wrong labels: AUROC", "labels/auroc", ""),
    ("Training loss", "train/loss", ""),
)


def section(run: Run) -> Markup | None:
    """Curves of this run and the compared ones, each quantity in its own small chart."""
    drawn = [_curve(run, *curve, _shared_span(run)) for curve in _CURVES]
    if not any(drawn):
        return None
    names = legend((line_symbol(i), each.name) for i, each in enumerate(run.all))
    broken = sum(each.broken_lines for each in run.all)
    missing = f"{broken} unreadable line(s) of {layout.METRICS} left out." if broken else None
    return tag(
        "section",
        tag("h2", "Learning"),
        names,
        row(*drawn),
        tag("p", missing, class_="soft") if missing else None,
        id="learning",
    )


def _shared_span(run: Run) -> tuple[float, float] | None:
    """One range for all accuracies: the gap between head and tail is seen across the charts."""
    keys = [key for _, key, unit in _CURVES if unit == "%"]
    points = [p for each in run.all for key in keys for p in curves.points_of(each.metrics, key)]
    known = [value for _, value in points if value is not None]
    return curves.span_of(known, "%") if known else None


def _curve(run: Run, title: str, key: str, unit: str, span: tuple | None) -> Markup | None:
    found = [(each.name, curves.points_of(each.metrics, key)) for each in run.all]
    drawing = curves.lines(title, found, unit, span if unit == "%" else None)
    if drawing is None:
        return None
    own = [value for _, value in found[0][1] if value is not None]
    return figure(
        title, drawing, note=f"ends at {number(own[-1], 1 if unit else 3, unit)}" if own else ""
    )


def accuracy(run: Run) -> Markup | None:
    """Accuracy by group, and by class against the number of its images."""
    drawn = row(_by_group(run), _by_class(run))
    if drawn is None:
        return None
    return tag(
        "section", tag("h2", "Accuracy by group and class"), drawn, _class_table(run), id="accuracy"
    )


def _by_group(run: Run) -> Markup | None:
    kinds = (("overall", "last"), ("head", "head"), ("medium", "medium"), ("tail", "tail"))
    values = [[each.value("accuracy", key) for each in run.all] for _, key in kinds]
    rows = [
        (name, line)
        for (name, _), line in zip(kinds, values, strict=True)
        if any(v is not None for v in line)
    ]
    if not rows:
        return None
    title, names = "Test accuracy by group", [each.name for each in run.all]
    drawing = bars.grouped(title, [name for name, _ in rows], names, [line for _, line in rows])
    key = legend((box_symbol(f"f{series(i)}"), name) for i, name in enumerate(names))
    return figure(title, drawing, key, note="in %")


def by_class(run: Run, num_classes: int) -> np.ndarray | None:
    """`[K]` test accuracy in percent, nan for a class without test images."""
    if not run.has("test_probs", "test_labels"):
        return None
    return class_accuracy(
        run.outputs["test_probs"].argmax(1), run.outputs["test_labels"], num_classes
    )


def _by_class(run: Run) -> Markup | None:
    own, counts = by_class(run, run.num_classes), run.data.get("counts_true")
    if own is None or not counts:
        return None
    peer = best_peer(run)
    other = None if peer is None else by_class(peer, run.num_classes)
    index = run.all.index(peer) if other is not None else 1
    names = [f"{run.class_name(k)} ({counts[k]} images)" for k in range(run.num_classes)]
    title = "Accuracy of each class by its size"
    labels = "given" if run.in_doubt else "true"
    drawing = curves.scatter(title, counts, own, other, names, index, labels)
    said = (
        f"● {run.name}" + (f", ○ {peer.name}" if other is not None else "") + "; one point a class."
    )
    return figure(title, drawing, said)


def _class_table(run: Run) -> Markup | None:
    known = [(each, by_class(each, run.num_classes)) for each in run.all]
    known = [(each, values) for each, values in known if values is not None]
    if not known or not run.data.get("counts_true"):
        return None
    counts = {} if run.in_doubt else {"true": run.data["counts_true"]}
    counts["given"] = run.data.get("counts_given") or [math.nan] * run.num_classes
    rows = [
        (
            run.class_name(k),
            tag("td", run.group_of[k], class_="left"),
            *(number(each[k], 0) for each in counts.values()),
            *(number(values[k]) for _, values in known),
        )
        for k in range(run.num_classes)
    ]
    head = ["Class", tag("th", "group", class_="left", scope="col"), *counts]
    inside = table(
        [*head, *(each.name for each, _ in known)], rows, caption="Images, and test accuracy in %"
    )
    return tag("details", tag("summary", "Every class as a table"), inside)
