"""The labels that are most likely wrong, to be looked at."""

import numpy as np

from dull_jax.report import bars, cards
from dull_jax.report.markup import Markup, number, percent, table, tag
from dull_jax.report.plots import box_symbol, figure, legend, row
from dull_jax.report.run import Run
from dull_jax.report.summary import THRESHOLD
from dull_jax.stats.metrics import wrong_labels


def section(run: Run) -> Markup | None:
    if not run.has("wrongness") or "given" not in run.labels:
        return None
    return tag(
        "section",
        tag("h2", "The most suspicious labels"),
        row(_scores(run), _by_group(run)),
        tag("p", _said(run), class_="soft before"),
        _cards(run),
        id="suspects",
    )


def _suspects(run: Run) -> np.ndarray:
    return run.outputs.get("suspects", np.zeros(0, np.int64))


def _said(run: Run) -> str:
    chosen = _suspects(run)
    if not run.truth_known or not len(chosen):
        return "Most suspicious first. Given label → label that fits better."
    wrong = int((run.labels["given"][chosen] != run.labels["clean"][chosen]).sum())
    return (
        f"Most suspicious first: given label → label that fits better. Of these {len(chosen)}, "
        f"{wrong} are truly wrong ({percent(wrong / len(chosen), 0)}). "
        "The method never sees the true labels."
    )


def _cards(run: Run) -> Markup | None:
    thumbnails = run.outputs.get("thumbnails", [])
    shown = [
        _card(run, int(position), thumbnails[i] if i < len(thumbnails) else None)
        for i, position in enumerate(_suspects(run))
    ]
    return tag("ol", shown, class_="cards") if shown else None


def _card(run: Run, position: int, pixels: np.ndarray | None) -> Markup:
    ids, given = run.labels.get("ids"), int(run.labels["given"][position])
    true = run.class_name(int(run.labels["clean"][position])) if run.truth_known else None
    return cards.card(
        name=str(ids[position]) if ids is not None else f"position {position}",
        given=run.class_name(given),
        better=_better(run, position),
        score=f"score {number(run.outputs['wrongness'][position], 3)}",
        pixels=pixels,
        true=true,
    )


def _better(run: Run, position: int) -> str:
    if not run.has("suggested"):
        return ""
    index = int(run.outputs["suggested"][position])
    kept = index == int(run.labels["given"][position])
    return " (none better)" if kept else f" → {run.class_name(index)}"


def _scores(run: Run) -> Markup | None:
    score = run.outputs["wrongness"].astype(np.float64)
    known = np.isfinite(score)
    groups = [("labels", "var(--s0)", score[known])]
    key = None
    if run.truth_known:
        wrong = run.labels["given"] != run.labels["clean"]
        groups = [("rightly labelled", "var(--good)", score[known & ~wrong]),
                  ("wrongly labelled", "var(--bad)", score[known & wrong])]  # fmt: skip
        key = legend((box_symbol(fill=colour), name) for name, colour, _ in groups)
    if not known.any():
        return None
    title = "Score of all training labels"
    return figure(
        title, bars.scores(title, [g for g in groups if len(g[2])]), key, note="% of each kind"
    )


def _by_group(run: Run) -> Markup | None:
    if not run.truth_known or not run.groups:
        return None
    score = run.outputs["wrongness"]
    known = np.isfinite(score)  # an undefined score has no rank, and AUROC no value with it
    if not known.any():
        return None
    given, clean = run.labels["given"][known], run.labels["clean"][known]
    found = wrong_labels(score[known], given, clean, run.groups, THRESHOLD)
    rows = [
        (
            group,
            percent(found[f"precision_by_given_{group}"]),
            percent(found[f"recall_by_true_{group}"]),
            percent(found[f"false_alarm_{group}"]),
        )
        for group in run.groups
    ]  # fmt: skip
    head = ["Group", "precision (given)", "recall (true)", "false alarms (true)"]
    said = (
        f"Flagged: score above {THRESHOLD}. The group is that of the label's given or true class."
    )
    return figure("Wrong labels found, by group", table(head, rows), said)
