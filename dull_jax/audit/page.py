"""The page of an audit: what was audited, how sure it is, and the suspects to look at.

One HTML file without scripts and without anything to load, as the report of a run is.
"""

import shlex

import numpy as np
from markupsafe import Markup

from dull_jax import files, invocation
from dull_jax.audit import feedback, outputs, verdict_cards
from dull_jax.audit.feedback import Changes
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.verdicts import Listed
from dull_jax.report import bars, blocks, heatmap, points
from dull_jax.report.numbers import percent
from dull_jax.run_dir import layout
from dull_jax.stats.label_audit import LabelAudit
from dull_jax.train import embedding_map

_COPIED = 120  # files of one content that are named
_PAIRS = 12  # flows given -> suggested
_MANY = 40  # classes above which a matrix has no room


def write(
    folder: files.Path,
    samples: AuditInput,
    verdict: LabelAudit,
    listed: Listed,
    caution: str = "",
    since: Changes | None = None,
) -> files.Path:
    """Writes the page and returns its path.

    Args:
      caution: as from `outputs.caution`.  since: what has changed from the list before.
    """
    path = folder / layout.AUDIT_PAGE
    with files.whole(path) as file:
        file.write(page(samples, verdict, listed, caution, since, folder).encode())
    return path


def page(
    samples: AuditInput,
    verdict: LabelAudit,
    listed: Listed,
    caution: str = "",
    since: Changes | None = None,
    folder: files.Path | None = None,
) -> str:
    """The whole document; folder: of the audit, for the command that reviews it."""
    chapters = {
        **verdict_cards.sections(samples, verdict, listed),
        "overview": ("How sure is this?", _overview(samples, verdict)),
        "noise": ("What kind of noise", _noise(samples, verdict)),
        "map": ("Map", _map(samples, verdict, listed)),
        "duplicates": ("Copies", _duplicates(samples)),
    }
    there = {id: pair for id, pair in chapters.items() if pair[1] is not None}
    flagged, estimated = int(verdict.flagged.sum()), verdict.estimated["all"]
    summary = (
        f"{outputs.coverage(samples).capitalize()}. Of these labels {flagged:,} "
        f"({percent(verdict.flagged.mean())}) are worth a look. About "
        f"{percent(estimated.precision, 0)} of them are wrong, and they are about "
        f"{percent(estimated.recall, 0)} of all wrong labels."
    )
    return blocks.page(
        title="Audit of labels",
        eyebrow="Audit of labels",
        heading=f"{flagged:,} labels to look at",
        lead=[
            blocks.text(caution, "caution") if caution else None,
            blocks.text(summary),
            blocks.text("Verdicts: " + listed.in_words() + ".", "soft"),
            blocks.text(f"Since the last list: {since}.", "soft") if since else None,
            _decided(samples, verdict),
            *(_review(folder) if folder is not None else ()),
        ],
        body=[section for _, section in there.values()],
        footer=f"Written by dull_jax.audit; {layout.SUSPECTS} beside this page has the whole list.",
        nav={id: name for id, (name, _) in list(there.items())[1:]},  # the first is in sight
    )


def _decided(samples: AuditInput, verdict: LabelAudit) -> Markup | None:
    """What was decided so far."""
    seen = feedback.counted(samples, verdict)["all"]
    if not seen.decided:
        return None
    return blocks.text(
        f"{seen.decided:,} labels have been decided, {seen.wrong:,} of them wrong "
        f"({percent(seen.precision, 0)}). They are no longer listed, and the others are judged by "
        "what they taught.",
        "soft",
    )


def _review(folder: files.Path) -> list[Markup]:
    """How to decide."""
    place = shlex.quote(files.absolute(folder))
    command = [invocation.named("review"), f"--audit={place}", "--open"]
    return [blocks.text("To decide about them with the keyboard:", "soft"), blocks.command(command)]


def _overview(samples: AuditInput, verdict: LabelAudit) -> Markup:
    score = verdict.wrong.astype(np.float64)
    groups = [
        ("kept", "var(--s0)", score[~verdict.flagged & ~verdict.decided]),
        ("flagged", "var(--bad)", score[verdict.flagged]),
    ]
    title = f"P(label is wrong), all {'undecided ' * bool(verdict.decided.any())}labels"
    drawing = bars.scores(title, [group for group in groups if len(group[2])])
    histogram = blocks.figure(title, drawing, note="blue: kept, red: flagged; % of each kind")
    explained = (
        "Groups are of the class a label names: head classes have many labels, tail classes "
        "few. Precision, false alarms and recall are estimates, made from the labels and "
        "predictions alone: the mean probability that a flagged label is wrong, the share of "
        "right labels that are flagged, and the share of wrong ones that are."
    )
    content = [
        blocks.row([_by_group(samples, verdict), histogram]),
        blocks.text(explained, "soft before"),
    ]
    return blocks.section("overview", "How sure is this?", [*content, _truth(samples, verdict)])


def _by_group(samples: AuditInput, verdict: LabelAudit) -> Markup:
    """Estimates; where labels were decided, beside them what was counted."""
    counts = feedback.counted(samples, verdict)
    any_decided = bool(counts["all"].decided)
    rows = [
        (
            name,
            f"{seen.labels:,}",
            f"{seen.flagged:,}",
            percent(seen.precision),
            percent(seen.false_alarm),
            percent(seen.recall),
            *([f"{counts[name].decided:,}", percent(counts[name].precision)] * any_decided),
        )
        for name, seen in verdict.estimated.items()
    ]
    head = ["Group", "labels", "flagged", "precision", "false alarms", "recall"]
    head += ["decided", "wrong"] * any_decided
    note = "Estimated, not counted."
    if any_decided:
        note = "Of undecided labels, estimated. The last two columns are counted."
    return blocks.figure("Flagged labels, by group", blocks.table(head, rows), note)


def _truth(samples: AuditInput, verdict: LabelAudit) -> Markup | None:
    if samples.clean is None:
        return None
    truth = outputs.against_the_truth(samples, verdict)
    alarms = ", ".join(f"{g} {percent(truth[f'false_alarm_{g}'])}" for g in verdict.groups)
    return blocks.text(
        f"The noise of these labels was simulated, so the truth is known: precision "
        f"{percent(truth['precision'])}, recall {percent(truth['recall'])}, AUROC "
        f"{percent(truth['auroc'])}; false alarms {alarms}."
    )


def _noise(samples: AuditInput, verdict: LabelAudit) -> Markup:
    explained = (
        f"The noise looks like: {verdict.noise}{outputs.evidence(verdict)}. Noise that depends on "
        "the image cannot be told from images that are hard: its amount is that of the images "
        "which the predictions are sure of."
    )
    rows = heatmap.ESTIMATED if samples.clean is None else heatmap.TRUE
    matrix = _matrix(list(samples.class_names), verdict.transition, rows)
    figures = [_flows(samples, verdict), matrix]
    return blocks.section(
        "noise", "What kind of noise", [blocks.text(explained), blocks.row(figures)]
    )


def _flows(samples: AuditInput, verdict: LabelAudit) -> Markup:
    names, flagged = samples.class_names, verdict.flagged
    pairs = np.stack([samples.given[flagged], verdict.suggested[flagged]], 1)
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_PAIRS]
    items = [(f"{names[kinds[n][0]]} → {names[kinds[n][1]]}", counts[n]) for n in order]
    listed = blocks.counts(items, "No label is flagged.")
    return blocks.figure("Given → suggested", listed, note="number of flagged labels")


def _matrix(names: list[str], transition: np.ndarray, rows: str) -> Markup | None:
    if len(names) > _MANY:
        return None
    title = "Estimated: how each class was labelled"
    drawing = heatmap.transition(title, transition, names, rows)
    return blocks.figure(title, drawing, "Each row adds up to 1; numbers are percent.")


def _map(samples: AuditInput, verdict: LabelAudit, listed: Listed) -> Markup | None:
    """Where the suspects lie among the others, if there are embeddings."""
    if samples.vectors is None:
        return None
    suspects = listed.rows[verdict.flagged[listed.rows]][: verdict_cards.SHOWN]
    rows, (place, method, explained) = embedding_map.drawn_rows(samples.vectors, suspects)
    names = [verdict_cards.name(samples, n) for n in suspects]
    drawn = points.Points(place, samples.given[rows], verdict.suggested[rows], names)
    labels = {"given label": drawn.given, "suggested label": drawn.suggested}
    if samples.clean is not None:
        labels["true label"] = samples.clean[rows]
    about = points.about(len(samples.given), len(rows), method, explained)
    maps = points.maps("Embeddings", drawn, samples.class_names, labels)
    return blocks.section("map", "Map of the embeddings", [blocks.text(about, "soft"), maps])


def _duplicates(samples: AuditInput) -> Markup | None:
    if not samples.duplicates:
        return None
    rows = [
        (group.id, ", ".join(group.paths), ", ".join(group.labels), group.action)
        for group in samples.duplicates[:_COPIED]
    ]
    table = blocks.table(["content", "files", "labels", "what was done"], rows, look="wide")
    counted = blocks.text(f"{len(samples.duplicates):,} images have copies.", "soft")
    return blocks.section("duplicates", "The same image more than once", [counted, table])
