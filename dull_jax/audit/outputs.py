"""What an audit leaves for people and programs: the suspects, a summary, arrays of all labels."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from dull_jax import files
from dull_jax.audit import feedback, saved
from dull_jax.audit.feedback import Changes
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.verdicts import Listed, Twin
from dull_jax.data.groups import group_of
from dull_jax.data.own.image_index import NOT_USED
from dull_jax.data.tables import class_labels, csv_io
from dull_jax.report.numbers import percent
from dull_jax.run_dir import layout, overwrite
from dull_jax.stats import column_order
from dull_jax.stats.label_audit import LabelAudit
from dull_jax.stats.metrics import wrong_labels
from dull_jax.train.result import defined

_SUSPECTS = ("rank", "id", "path", "given", "suggested", "p_wrong", "group", "verdict", "twin")


def write(
    folder: files.Path,
    samples: AuditInput,
    verdict: LabelAudit,
    listed: Listed,
    features: np.ndarray | None = None,
    since: Changes | None = None,
) -> None:
    """Writes the list of suspects, the summary, and arrays of every label, flagged or not.

    Args:
      features: `[N, C]`, those that were handed to `audit_labels`.
      since: what has changed from the list before.
    """
    overwrite.make_audit(folder)
    csv_io.write(folder / layout.SUSPECTS, _SUSPECTS, _suspects(samples, verdict, listed))
    about = summary(samples, verdict, listed, since)
    files.write_text(folder / layout.AUDIT_SUMMARY, json.dumps(about, indent=1))
    saved.write(folder, samples, verdict, listed, features)


def _suspects(samples: AuditInput, verdict: LabelAudit, listed: Listed) -> Iterator[tuple]:
    names = class_labels.cells(samples.class_names)
    groups = group_of(verdict.groups, len(names))
    for rank, n, what in listed.numbered():
        given, better = int(samples.given[n]), int(verdict.suggested[n])
        twin = listed.twins.get(n)
        yield (
            rank,
            str(samples.ids[n]),
            samples.paths[n],
            names[given],
            names[better],
            f"{verdict.wrong[n]:.4f}",
            groups[given],
            what,
            "" if twin is None else _twin_id(samples, twin),
        )


def _twin_id(samples: AuditInput, twin: Twin) -> str:
    part = samples.test if twin.in_test else None
    return str((samples if part is None else part).ids[twin.row])


def summary(
    samples: AuditInput, verdict: LabelAudit, listed: Listed, since: Changes | None = None
) -> dict:
    """The summary as JSON values; undefined numbers are left out."""
    about = {
        "labels": len(samples.given),
        "flagged": int(verdict.flagged.sum()),
        "verdicts": listed.counts,
        "noise": verdict.noise,
        "evidence_nats_per_label": float(verdict.gain),
        "estimated": {group: seen._asdict() for group, seen in verdict.estimated.items()},
        "thresholds": verdict.threshold,
        "class_names": list(samples.class_names),
        "groups": {name: list(map(int, classes)) for name, classes in verdict.groups.items()},
        "transition": verdict.transition.astype(float).round(5).tolist(),
        "class_shares": verdict.prior.astype(float).round(6).tolist(),
    }
    if verdict.decided.any():
        counts = feedback.counted(samples, verdict)
        about["decided"] = {group: seen._asdict() for group, seen in counts.items()}
    if since is not None:
        about["since_the_last_list"] = {k: list(ids) for k, ids in since._asdict().items()}
    if samples.clean is not None:
        about["against_the_truth"] = against_the_truth(samples, verdict)
    return defined(about)


def console(
    samples: AuditInput, verdict: LabelAudit, listed: Listed, since: Changes | None = None
) -> str:
    """What was found, for the terminal."""
    estimated, total = verdict.estimated, len(samples.given)
    lines = [
        coverage(samples),
        f"{total:,} labels of {len(samples.class_names)} classes; the noise looks like: "
        f"{verdict.noise}{evidence(verdict)}",
        f"{int(verdict.flagged.sum()):,} labels are to be looked at "
        f"({percent(verdict.flagged.mean())} of all)",
        f"verdicts: {listed.in_words()}",
        *([f"since the last list: {since}"] if since else []),
        "",
        f"{'':10}{'labels':>9}{'flagged':>9}{'precision':>11}{'false alarms':>14}{'recall':>9}",
    ]
    counts = feedback.counted(samples, verdict)
    if counts["all"].decided:
        lines[-1] += f"{'decided':>10}{'wrong':>8}"
    for name, row in estimated.items():
        seen, line = (
            counts[name],
            (
                f"{name:10}{row.labels:9,}{row.flagged:9,}{percent(row.precision):>11}"
                f"{percent(row.false_alarm):>14}{percent(row.recall):>9}"
            ),
        )
        if counts["all"].decided:
            line += f"{seen.decided:10,}{percent(seen.precision):>8}"
        lines.append(line)
    lines.append("(estimated from the labels and predictions alone)")
    if counts["all"].decided:
        lines.append(
            "(the last two columns are counted: labels that were decided, how many were wrong)"
        )
    if samples.clean is not None:
        truth = against_the_truth(samples, verdict)
        lines.append(
            f"against the true labels: precision {percent(truth['precision'])}, recall "
            f"{percent(truth['recall'])}, AUROC {percent(truth['auroc'])}; false alarms "
            + ", ".join(f"{g} {percent(truth[f'false_alarm_{g}'])}" for g in verdict.groups)
        )
    return "\n".join(lines)


def evidence(verdict: LabelAudit) -> str:
    """How well the kind of noise explains the labels; "" where there can be no evidence."""
    return f" ({verdict.gain:.3f} nats of evidence a label)" if verdict.gain else ""


def coverage(samples: AuditInput) -> str:
    """How many of how many samples are audited, and what the others are."""
    audited, others = len(samples.given), samples.others
    if not others:
        return f"all {audited:,} samples are audited"
    apart = {
        "not audited": "of the {} part, which was set apart",
        NOT_USED: "of the {} part, not used",
        "duplicate": "copies of audited ones",
    }
    counts = Counter(apart.get(other.status, other.status).format(other.split) for other in others)
    rest = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    return f"{audited:,} of {audited + len(others):,} samples are audited; the others: {rest}"


def caution(samples: AuditInput) -> str:
    """`caution_of` of an audit's input."""
    counts = samples.predicted
    if counts is None:
        counts = column_order.predicted(samples.probs, samples.given)
    by = "--classes=FILE, a class name a line in the order of the columns"
    return caution_of(counts, samples.class_names, by)


def caution_of(counts: np.ndarray, class_names: Sequence[str], settled_by: str) -> str:
    """Why nothing should be believed, "" where there is no reason to say so.

    Either another order of the columns fits the labels far better, or the predictions name the
    given label about as often (within two standard errors) as its most frequent one is there: then
    they have learnt next to nothing, or belong to other rows.

    Args:
      counts: of `column_order.predicted`.
      settled_by: how the user says what the order of the columns is.
    """
    if pairs := column_order.exchanged(counts):
        label, column = (class_names[k] for k in pairs[0])
        return (
            f"CAUTION: {len(pairs)} columns seem to be in another order than the classes: what is "
            f"labelled {label} is mostly predicted in the column of {column}. Give "
            f"{settled_by}; do not rely on what follows"
        )
    size = int(counts.sum())
    share, most = np.trace(counts) / size, counts.sum(1).max() / size
    if share == 1 or share > most + 2 * np.sqrt(most * (1 - most) / size):
        return ""
    return (
        f"CAUTION: the predictions name the given label for {100 * share:.1f} % of the samples; "
        f"naming the most frequent one always would for {100 * most:.1f} %. They have learnt too "
        "little, or their rows or columns are in another order: do not rely on what follows"
    )


def against_the_truth(samples: AuditInput, verdict: LabelAudit) -> dict[str, float]:
    """`metrics.wrong_labels` of the flags, for noise that was simulated."""
    above, below = np.maximum(verdict.wrong, 0.5001), np.minimum(verdict.wrong, 0.5)
    score = np.where(verdict.flagged, above, below)
    assert samples.clean is not None  # as the noise was simulated
    return wrong_labels(score, samples.given, samples.clean, verdict.groups)
