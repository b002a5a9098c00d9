"""The data: how long the tail is, and which labels turned into which."""

import numpy as np

from dull_jax.report import bars, heatmap
from dull_jax.report.folder import Run
from dull_jax.report.markup import Markup, finite, number, percent, table, tag
from dull_jax.report.plots import MANY, box_symbol, figure, legend, row

_LISTED = 12


def section(run: Run) -> Markup | None:
    if not run.data.get("counts_true"):
        return None
    wide = run.num_classes > MANY
    counts, flows = _counts(run), [_transition(run), _largest(run)]
    drawn = [row(counts), row(*flows)] if wide else [row(counts, *flows)]
    return tag("section", tag("h2", "The data"), tag("p", _groups(run), class_="soft"), drawn,
               _noise_table(run), id="data")  # fmt: skip


def _groups(run: Run) -> str:
    said = str(run.data.get("group_rule") or "")
    sizes = ", ".join(f"{len(ids)} {group}" for group, ids in run.groups.items())
    return (
        f"Groups of classes by their true counts. {said}{f' ({sizes} classes).' if sizes else ''}"
    )


def _counts(run: Run) -> Markup:
    true, given = run.data["counts_true"], run.data.get("counts_given") or run.data["counts_true"]
    names = [run.class_name(k) for k in range(len(true))]
    drawing = bars.counts("Images of each class", true, given, names, run.group_of)
    groups = [(box_symbol(f"g-{group}"), f"{group}, labels as given") for group in run.groups]
    mark = tag(
        "svg", tag("line", x1=6, x2=6, y1=0, y2=12, stroke="var(--ink)", stroke_width=2),
        width=12, height=12, aria_hidden="true",
    )  # fmt: skip
    truth = [(mark, "true labels")] if run.data.get("truth_known", True) else []
    ratio = _imbalance(true), _imbalance(given)
    note = f"imbalance (largest / smallest): true {ratio[0]}, given {ratio[1]}"
    return figure(
        "Images of each class", drawing, [note, legend(groups + truth)], scroll=len(true) > MANY
    )


def _imbalance(counts: list[int]) -> str:
    return number(max(counts) / min(counts)) if min(counts) > 0 else number(None)


def _transition(run: Run) -> Markup | None:
    shares = run.data.get("transition")
    if not shares or run.data.get("truth_known") is False:
        return None
    shares = np.asarray(shares, np.float64)
    names = [run.class_name(k) for k in range(len(shares))]
    numbers = np.array([[f"{100 * v:.0f}" if v >= 0.005 else "" for v in line] for line in shares])
    axes = ("true class", "given label")
    drawing = heatmap.matrix("Given label for each true class", shares, names, axes, numbers)
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


def _noise_table(run: Run) -> Markup | None:
    noise = run.data.get("noise") or {}
    by_class = [finite(rate) for rate in noise.get("realised_by_class") or []]
    wanted, realised = percent(noise.get("rate")), percent(noise.get("realised"))
    rows = [(f"all classes ({noise.get('name', 'noise')}, wanted {wanted})", realised)]
    for group, ids in run.groups.items():
        pairs = [(by_class[k], run.data["counts_true"][k]) for k in ids if k < len(by_class)]
        pairs = [(rate, n) for rate, n in pairs if rate is not None]
        total = sum(n for _, n in pairs)
        rows.append(
            (f"{group} classes", percent(sum(r * n for r, n in pairs) / total if total else None))
        )
    if not by_class and finite(noise.get("realised")) is None:
        return None
    return tag("div", table(["Share of labels that are wrong", "realised"], rows), class_="plots")
