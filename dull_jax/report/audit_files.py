"""What an audit leaves for people and programs: suspects.csv, audit.json, a corrected table."""

import json
from collections.abc import Iterator

import numpy as np

from dull_jax import audited, files
from dull_jax.audited import Samples
from dull_jax.data.groups import group_of
from dull_jax.data.own import class_labels, sheet
from dull_jax.report.numbers import percent
from dull_jax.stats import column_order
from dull_jax.stats.label_audit import LabelAudit
from dull_jax.stats.metrics import wrong_labels
from dull_jax.train.result import defined

_SUSPECTS = ("rank", "id", "path", "given", "suggested", "p_wrong", "group")


def write(folder: files.Path, samples: Samples, found: LabelAudit) -> None:
    """Writes suspects.csv, audit.json and audit.npz (every label, flagged or not)."""
    audited.make(folder)
    sheet.write(folder / "suspects.csv", _SUSPECTS, _suspects(samples, found))
    files.write_text(folder / "audit.json", json.dumps(summary(samples, found), indent=1))
    with files.whole(folder / "audit.npz") as file:
        np.savez_compressed(
            file,
            ids=samples.ids,
            given=samples.given,
            suggested=found.suggested,
            p_wrong=found.wrong,
            flagged=found.flagged,
            transition=found.transition,
        )


def ranked(found: LabelAudit) -> np.ndarray:
    """Positions of the flagged labels, the likeliest wrong first."""
    flagged = np.flatnonzero(found.flagged)
    return flagged[np.argsort(-found.wrong[flagged], kind="stable")]


def _suspects(samples: Samples, found: LabelAudit) -> Iterator[tuple]:
    names = class_labels.cells(samples.class_names)
    groups = group_of(found.groups, len(names))
    for rank, n in enumerate(ranked(found), 1):
        given, better = int(samples.given[n]), int(found.suggested[n])
        yield (
            rank,
            str(samples.ids[n]),
            samples.paths[n],
            names[given],
            names[better],
            f"{found.wrong[n]:.4f}",
            groups[given],
        )


def summary(samples: Samples, found: LabelAudit) -> dict:
    """audit.json; undefined numbers are left out."""
    about = {
        "labels": len(samples.given),
        "flagged": int(found.flagged.sum()),
        "noise": found.noise,
        "evidence_nats_per_label": float(found.gain),
        "estimated": {group: seen._asdict() for group, seen in found.estimated.items()},
        "thresholds": found.threshold,
        "class_names": list(samples.class_names),
        "groups": {name: list(map(int, classes)) for name, classes in found.groups.items()},
        "transition": found.transition.astype(float).round(5).tolist(),
        "class_shares": found.prior.astype(float).round(6).tolist(),
    }
    if samples.clean is not None:
        about["against_the_truth"] = against_the_truth(samples, found)
    return defined(about)


def console(samples: Samples, found: LabelAudit) -> str:
    """What was found, for the terminal."""
    estimated, total = found.estimated, len(samples.given)
    lines = [
        f"{total:,} labels of {len(samples.class_names)} classes; the noise looks like: "
        f"{found.noise} ({found.gain:.3f} nats of evidence a label)",
        f"{int(found.flagged.sum()):,} labels are probably wrong "
        f"({percent(found.flagged.mean())} of all)",
        "",
        f"{'':10}{'labels':>9}{'flagged':>9}{'precision':>11}{'false alarms':>14}{'recall':>9}",
    ]
    for name, row in estimated.items():
        lines.append(
            f"{name:10}{row.labels:9,}{row.flagged:9,}{percent(row.precision):>11}"
            f"{percent(row.false_alarm):>14}{percent(row.recall):>9}"
        )
    lines.append("(estimated from the labels and predictions alone)")
    if samples.clean is not None:
        truth = against_the_truth(samples, found)
        lines.append(
            f"against the true labels: precision {percent(truth['precision'])}, recall "
            f"{percent(truth['recall'])}, AUROC {percent(truth['auroc'])}; false alarms "
            + ", ".join(f"{g} {percent(truth[f'false_alarm_{g}'])}" for g in found.groups)
        )
    return "\n".join(lines)


def caution(samples: Samples) -> str:
    """Why nothing should be believed, "" where there is no reason to say so.

    Either another order of the columns fits the labels far better, or the predictions name the
    given label about as often (within two standard errors) as its most frequent one is there: then
    they have learnt next to nothing, or belong to other rows.
    """
    counts = samples.predicted
    if counts is None:
        counts = column_order.predicted(samples.probs, samples.given)
    if pairs := column_order.exchanged(counts):
        label, column = (samples.class_names[k] for k in pairs[0])
        return (
            f"CAUTION: {len(pairs)} columns seem to be in another order than the classes: what is "
            f"labelled {label} is mostly predicted in the column of {column}. Give "
            "--classes=FILE, a class name a line in the order of the columns; do not rely on what "
            "follows"
        )
    size = len(samples.given)
    share, most = np.trace(counts) / size, counts.sum(1).max() / size
    if share == 1 or share > most + 2 * np.sqrt(most * (1 - most) / size):
        return ""
    return (
        f"CAUTION: the predictions name the given label for {100 * share:.1f} % of the samples; "
        f"naming the most frequent one always would for {100 * most:.1f} %. They have learnt too "
        "little, or their rows or columns are in another order: do not rely on what follows"
    )


def against_the_truth(samples: Samples, found: LabelAudit) -> dict[str, float]:
    """`metrics.wrong_labels` of the flags, for noise that was simulated."""
    above, below = np.maximum(found.wrong, 0.5001), np.minimum(found.wrong, 0.5)
    score = np.where(found.flagged, above, below)
    return wrong_labels(score, samples.given, samples.clean, found.groups)


def apply(path: files.Path, samples: Samples, found: LabelAudit) -> None:
    """Writes all files of the data set, the flagged labels replaced: configs/csv.py trains on it.

    A copy of an audited image takes the same label: else the table would contradict itself. The
    images stay as they are, and those to test on, and those that cannot be read, what they are.
    """
    header = ("id", "path", "label", "split", "given", "status")
    sheet.write(path, header, _corrected(samples, found))


def _corrected(samples: Samples, found: LabelAudit) -> Iterator[tuple]:
    names = class_labels.cells(samples.class_names)
    cells = dict(zip(samples.class_names, names, strict=True))
    better = np.where(found.flagged, found.suggested, samples.given)
    splits = np.full(len(better), "train", object) if samples.splits is None else samples.splits
    columns = (samples.ids, samples.paths, better, samples.given, splits)
    for key, place, new, old, split in zip(*columns, strict=True):
        status = "corrected" if new != old else "kept"
        yield str(key), place, names[new], split, names[old], status
    for other in samples.others:
        old = cells.get(other.label, other.label)
        new = names[better[other.twin]] if other.twin >= 0 else old
        yield other.id, other.path, new, other.split, old, other.status
