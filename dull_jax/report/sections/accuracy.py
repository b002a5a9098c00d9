"""Accuracy at the end: by group, and by class against the number of its images."""

import math

import numpy as np
from markupsafe import Markup

from dull_jax.report import bars, blocks, curves
from dull_jax.report.numbers import number
from dull_jax.report.run import Run
from dull_jax.report.sections.learning import legend
from dull_jax.report.summary import best_peer
from dull_jax.stats.metrics import class_accuracy

TITLE, LINK, ORDER = "Accuracy by group and class", "Groups and classes", 40


def content(run: Run) -> list | None:
    figures = [_by_group(run), _by_class(run)]
    return [blocks.row(figures), _class_table(run)] if any(figures) else None


def _by_group(run: Run) -> Markup | None:
    kinds = (("overall", "last"), ("head", "head"), ("medium", "medium"), ("tail", "tail"))
    values = {name: [each.value("accuracy", key) for each in run.all] for name, key in kinds}
    rows = {name: line for name, line in values.items() if any(v is not None for v in line)}
    if not rows:
        return None
    title, names = "Test accuracy by group", [each.name for each in run.all]
    drawing = bars.grouped(title, list(rows), names, list(rows.values()))
    return blocks.figure(title, drawing, note="in %", legend=legend(run, "box"))


def by_class(run: Run, num_classes: int) -> np.ndarray | None:
    """`[K]` test accuracy in percent, nan for a class without test images."""
    if not run.has("test_probs", "test_labels"):
        return None
    predicted = run.outputs["test_probs"].argmax(1)
    return class_accuracy(predicted, run.outputs["test_labels"], num_classes)


def _by_class(run: Run) -> Markup | None:
    own, counts = by_class(run, run.num_classes), run.data.get("counts_true")
    if own is None or not counts:
        return None
    peer = best_peer(run)
    other = None if peer is None else by_class(peer, run.num_classes)
    index = run.all.index(peer) if other is not None else 1
    names = [f"{run.class_name(k)} ({counts[k]} images)" for k in range(run.num_classes)]
    title, labels = "Accuracy of each class by its size", "given" if run.in_doubt else "true"
    drawing = curves.scatter(title, counts, own, other, names, index, labels)
    second = f", ○ {peer.name}" if other is not None else ""
    return blocks.figure(title, drawing, f"● {run.name}{second}; one point a class.")


def _class_table(run: Run) -> Markup | None:
    known = [(each.name, by_class(each, run.num_classes)) for each in run.all]
    known = [(name, values) for name, values in known if values is not None]
    if not known or not run.data.get("counts_true"):
        return None
    counts = {} if run.in_doubt else {"true": run.data["counts_true"]}
    counts["given"] = run.data.get("counts_given") or [math.nan] * run.num_classes
    rows = [
        (
            run.class_name(k),
            {"text": run.group_of[k], "look": "left"},
            *(number(each[k], 0) for each in counts.values()),
            *(number(values[k]) for _, values in known),
        )
        for k in range(run.num_classes)
    ]
    head = ["Class", {"text": "group", "look": "left"}, *counts, *(name for name, _ in known)]
    table = blocks.table(head, rows, caption="Images, and test accuracy in %")
    return blocks.details("Every class as a table", table)
