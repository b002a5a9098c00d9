"""The data: how long the tail is, and which labels turned into which."""

from collections import Counter

import numpy as np
from markupsafe import Markup

from dull_jax.data.own.image_index import NOT_USED
from dull_jax.report import bars, blocks, heatmap, palette
from dull_jax.report.charts import INK, MANY
from dull_jax.report.numbers import finite, number, percent
from dull_jax.report.pairs import largest_pairs
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.run_dir import layout

TITLE, ORDER = "The data", 20
OWN = Place(60, "Your images")


def content(run: Run) -> list | None:
    if not run.data.get("counts_true"):
        return None
    counts, flows, rates = _counts(run), [_transition(run), _largest(run)], _rates(run)
    if run.num_classes > MANY:
        figures = [blocks.row([counts]), blocks.row([*flows, rates])]
    else:
        figures = [blocks.row([blocks.row([counts, rates], "stack"), *flows])]
    return [blocks.text(_groups(run), "soft"), _unused(run), *figures]


def _unused(run: Run) -> Markup | None:
    """How many files were found and not used."""
    counts = Counter(status for _, _, status in run.manifest if status != "used")
    if not counts:
        return None
    words = {"duplicate": "copies of used images", NOT_USED: "set apart from training"}
    said = ", ".join(f"{count:,} {words.get(status, status)}" for status, count in counts.items())
    return blocks.text(f"Files that were not used: {said}. {layout.MANIFEST} says why.", "soft")


def _groups(run: Run) -> str:
    rule = str(run.data.get("group_rule") or "unknown rule").rstrip(".")
    sizes = ", ".join(f"{len(ids)} {group}" for group, ids in run.groups.items())
    kind = "labels as given" if run.in_doubt else "true counts"
    return f"Groups of classes by {kind} – {rule}" + (f" ({sizes} classes)." if sizes else ".")


def _counts(run: Run) -> Markup:
    true, given = run.data["counts_true"], run.data.get("counts_given") or run.data["counts_true"]
    names = [run.class_name(k) for k in range(len(true))]
    many = len(true) > MANY
    shown = None if run.in_doubt else true
    drawing = bars.counts("Images of each class", shown, given, names, run.group_of)
    legend = [blocks.swatch(f"{g}, labels as given", palette.group(g)) for g in run.groups]
    if shown:
        legend.append(blocks.swatch("true labels", INK, "flat" if many else "upright"))
    ratio = f"true {_imbalance(true)}, " if shown else ""
    caption = f"Imbalance (largest / smallest): {ratio}given {_imbalance(given)}"
    return blocks.figure(
        "Images of each class", drawing, caption, legend=blocks.legend(legend), scroll=many
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
    numbers = "numbers are percent." if len(shares) <= MANY else "classes by id."
    return blocks.figure("From true to given", drawing, f"Each row adds up to 1; {numbers}")


def flows(run: Run) -> np.ndarray | None:
    """`[K, K]` numbers of labels, true class by given class, or None where truth is unknown."""
    if not run.truth_known:
        return None
    counts = np.zeros((run.num_classes, run.num_classes), np.int64)
    np.add.at(counts, (run.labels["clean"], run.labels["given"]), 1)
    return counts


def _largest(run: Run) -> Markup | None:
    counts = flows(run)
    if counts is None:
        return None
    return largest_pairs(run, counts, "Largest flows", "true → given", "No label was changed.")


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
    caption = f"Noise: {noise.get('name') or 'unknown'}, wanted {percent(noise.get('rate'))}."
    return blocks.figure("Labels that are wrong", blocks.table([], rows), caption, "by true class")


def _pooled(run: Run, by_class: list[float | None], ids: list[int]) -> float | None:
    """Rates of classes weighted by their images; a class without images has no rate."""
    counts = run.data["counts_true"]
    known = [(by_class[k], counts[k]) for k in ids if k < len(by_class) and by_class[k] is not None]
    total = sum(count for _, count in known)
    return sum(rate * count for rate, count in known) / total if total else None
