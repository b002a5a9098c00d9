"""The data: how long the tail is, and which labels turned into which."""

import numpy as np

from dull_jax.report import bars, heatmap
from dull_jax.report.markup import Markup, finite, number, percent, table, tag
from dull_jax.report.plots import MANY, box_symbol, figure, legend, row
from dull_jax.report.run import Run

_LISTED = 12


def section(run: Run) -> Markup | None:
    if not run.data.get("counts_true"):
        return None
    wide = run.num_classes > MANY
    counts, flows, rates = _counts(run), [_transition(run), _largest(run)], _rates(run)
    if wide:
        drawn = [row(counts), row(*flows, rates)]
    else:
        drawn = row(tag("div", counts, rates, class_="stack"), *flows)
    about = tag("p", _groups(run), class_="soft")
    return tag("section", tag("h2", "The data"), about, drawn, id="data")


def _groups(run: Run) -> str:
    said = str(run.data.get("group_rule") or "unknown rule").rstrip(".")
    sizes = ", ".join(f"{len(ids)} {group}" for group, ids in run.groups.items())
    kind = "labels as given" if run.in_doubt else "true counts"
    return f"Groups of classes by {kind} – {said}" + (f" ({sizes} classes)." if sizes else ".")


def _counts(run: Run) -> Markup:
    true, given = run.data["counts_true"], run.data.get("counts_given") or run.data["counts_true"]
    names = [run.class_name(k) for k in range(len(true))]
    shown = None if run.in_doubt else true
    drawing = bars.counts("Images of each class", shown, given, names, run.group_of)
    groups = [(box_symbol(f"g-{group}"), f"{group}, labels as given") for group in run.groups]
    shape = "M0 6H12" if len(true) > MANY else "M6 0V12"
    mark = tag("path", d=shape, stroke="var(--ink)", stroke_width=2)
    mark = tag("svg", mark, width=12, height=12, aria_hidden="true")
    truth = [] if run.in_doubt else [(mark, "true labels")]
    ratio = "" if run.in_doubt else f"true {_imbalance(true)}, "
    note = f"Imbalance (largest / smallest): {ratio}given {_imbalance(given)}"
    return figure(
        "Images of each class", drawing, [note, legend(groups + truth)], scroll=len(true) > MANY
    )


def _imbalance(counts: list[int]) -> str:
    return (
        number(max(counts) / min(counts)) if min(counts) > 0 else "without bound (an empty class)"
    )


def _transition(run: Run) -> Markup | None:
    shares = run.data.get("transition")
    if not shares or run.in_doubt:
        return None
    names = [run.class_name(k) for k in range(len(shares))]
    drawing = heatmap.transition("Given label for each true class", shares, names)
    return figure("From true to given", drawing, "Each row adds up to 1" + (
        "; numbers are percent." if len(shares) <= MANY else "; classes by id."))  # fmt: skip


def flows(run: Run) -> np.ndarray | None:
    """`[K, K]` numbers of labels, true class by given class, or None where truth is unknown."""
    if not run.truth_known:
        return None
    found = np.zeros((run.num_classes, run.num_classes), np.int64)
    np.add.at(found, (run.labels["clean"], run.labels["given"]), 1)
    return found


def _largest(run: Run) -> Markup | None:
    found = flows(run)
    if found is None:
        return None
    return largest_pairs(run, found, "Largest flows", "true → given", "No label was changed.")


def largest_pairs(run: Run, counts: np.ndarray, title: str, note: str, none: str) -> Markup:
    """The largest off-diagonal entries of `[K, K]` counts, as a list."""
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:_LISTED]
    pairs = [(i, j, off[i, j]) for i, j in zip(*np.unravel_index(order, off.shape), strict=True)]
    items = [
        tag("li", tag("span", f"{run.class_name(i)} → {run.class_name(j)}"), tag("b", f"{n:,}"))
        for i, j, n in pairs
        if n > 0
    ]
    return figure(title, tag("ol", items, class_="flow") if items else tag("p", none), note=note)


def _rates(run: Run) -> Markup | None:
    """Realised noise: over all labels and by group of the true class."""
    noise = run.data.get("noise") or {}
    by_class = [finite(rate) for rate in noise.get("realised_by_class") or []]
    if run.in_doubt:
        return None
    if not by_class and finite(noise.get("realised")) is None:
        return None
    rows = [("all labels", percent(noise.get("realised")))]
    for group, ids in run.groups.items():
        rows.append((f"{group} classes", percent(_pooled(run, by_class, ids))))
    name, wanted = noise.get("name") or "unknown", percent(noise.get("rate"))
    return figure(
        "Labels that are wrong",
        table([], rows),
        f"Noise: {name}, wanted {wanted}.",
        "by true class",
    )


def _pooled(run: Run, by_class: list[float | None], ids: list[int]) -> float | None:
    """Rates of classes weighted by their images; a class without images has no rate."""
    counts = run.data["counts_true"]
    known = [(by_class[k], counts[k]) for k in ids if k < len(by_class) and by_class[k] is not None]
    total = sum(count for _, count in known)
    return sum(rate * count for rate, count in known) / total if total else None
