"""Accuracy at the end: by group, and by class against the number of its images."""

import math

import numpy as np
from markupsafe import Markup

from dull_jax.report import bars, blocks, curves
from dull_jax.report.charts import MANY
from dull_jax.report.numbers import finite, number
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.report.sections.learning import legend
from dull_jax.report.summary import best_peer
from dull_jax.stats.metrics import class_accuracy

TITLE, LINK, ORDER = "Accuracy by group and class", "Groups and classes", 40
OWN = Place(20, "Accuracy of each class", "Classes")


def content(run: Run) -> list | None:
    if run.in_doubt and 0 < run.num_classes <= MANY and by_class(run, run.num_classes) is not None:
        return _own(run)
    figures = [_by_group(run), _by_class(run)]
    return [blocks.row(figures), _folded_table(run)] if any(figures) else None


def _own(run: Run) -> list:
    """Few classes of one's own: each has a bar and a row, with its name."""
    groups = _by_group(run) if run.compared else None  # else the tiles say it
    return [blocks.row([_named_bars(run), _class_table(run), groups])]


def _named_bars(run: Run) -> Markup:
    known = [(each.name, by_class(each, run.num_classes)) for each in run.all]
    known = [(name, values) for name, values in known if values is not None]
    classes = [run.class_name(k) for k in range(run.num_classes)]
    rows = [[finite(values[k]) for _, values in known] for k in range(run.num_classes)]
    title = "Test accuracy of each class"
    drawing = bars.grouped(title, classes, [name for name, _ in known], rows)
    shown = legend(run, "box") if len(known) > 1 else None
    return blocks.figure(title, drawing, note="in %", legend=shown)


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
    given = run.data.get("counts_given") or [math.nan] * run.num_classes
    if run.in_doubt:
        counts = {"train": given, "test": _test_images(run)}
    else:
        counts = {"true": run.data["counts_true"], "given": given}
    rows = [
        (
            run.class_name(k),
            *(number(values[k]) for _, values in known),
            *(number(each[k], 0) for each in counts.values()),
            {"text": run.group_of[k], "look": "left"},
        )
        for k in range(run.num_classes)
    ]
    methods = [name for name, _ in known] if len(known) > 1 else ["accuracy"]
    head = ["Class", *methods, *counts, {"text": "group", "look": "left"}]
    return blocks.table(head, rows, caption="Test accuracy in %, and numbers of images")


def _folded_table(run: Run) -> Markup | None:
    table = _class_table(run)
    return None if table is None else blocks.details("Every class as a table", table)


def _test_images(run: Run) -> list[float]:
    """`[K]`: an accuracy of three images says little."""
    if not run.has("test_labels"):
        return [math.nan] * run.num_classes
    return np.bincount(run.outputs["test_labels"], minlength=run.num_classes).tolist()
