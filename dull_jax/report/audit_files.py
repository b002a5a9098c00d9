"""What an audit leaves for people and programs: suspects.csv, audit.json, a corrected table."""

import json
from collections.abc import Iterator

import numpy as np

from dull_jax import audited, files
from dull_jax.audited import Samples
from dull_jax.data.groups import group_of
from dull_jax.data.own import sheet
from dull_jax.report.markup import percent
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
    names = samples.class_names
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

    Predictions that name the given label about as often (within two standard errors) as its most
    frequent one is there have learnt next to nothing, or belong to other rows or columns.
    """
    size, rows = len(samples.given), max(2**22 // samples.probs.shape[1], 1)
    named = sum(
        int((samples.probs[at : at + rows].argmax(1) == samples.given[at : at + rows]).sum())
        for at in range(0, size, rows)
    )
    share, most = named / size, np.bincount(samples.given).max() / size
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
    """Writes every label, the flagged ones replaced: a table that configs/csv.py trains on.

    The images stay as they are, and those to test on what they are.
    """
    sheet.write(path, ("id", "path", "label", "split", "given", "status"), _mended(samples, found))


def _mended(samples: Samples, found: LabelAudit) -> Iterator[tuple]:
    names = samples.class_names
    better = np.where(found.flagged, found.suggested, samples.given)
    columns = (samples.ids, samples.paths, better, samples.given)
    for key, place, new, old in zip(*columns, strict=True):
        status = "corrected" if new != old else "kept"
        yield str(key), place, names[new], "train", names[old], status
    for key, place, label, split in samples.others:
        yield key, place, label, split, label, "not audited"
