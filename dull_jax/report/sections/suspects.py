"""The labels that are most likely wrong, to be looked at."""

import numpy as np
from PIL import Image

from dull_jax.report import bars
from dull_jax.report.findings import THRESHOLD
from dull_jax.report.folder import Run
from dull_jax.report.heatmap import data_url
from dull_jax.report.markup import Markup, number, percent, table, tag
from dull_jax.report.plots import box_symbol, figure, legend, row
from dull_jax.stats.metrics import wrong_labels

_SIDE = 96  # pixels of a picture on the page; more would only make the file larger


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
    cards = [
        _card(run, int(position), thumbnails[i] if i < len(thumbnails) else None)
        for i, position in enumerate(_suspects(run))
    ]
    return tag("ol", cards, class_="cards") if cards else None


def _card(run: Run, position: int, pixels: np.ndarray | None) -> Markup:
    ids = run.labels.get("ids")
    name = str(ids[position]) if ids is not None else f"position {position}"
    given = run.class_name(int(run.labels["given"][position]))
    better = _better(run, position)
    picture = None
    if pixels is not None:
        picture = tag(
            "img",
            src=thumbnail(pixels),
            alt=f"{name}, given label {given}",
            width=_SIDE,
            height=_SIDE,
        )
    score = number(run.outputs["wrongness"][position], 3)
    return tag("li", picture, tag("b", given), better, tag("span", f"score {score}", class_="id"),
               tag("span", name, class_="id"), _mark(run, position))  # fmt: skip


def _better(run: Run, position: int) -> str:
    if not run.has("suggested"):
        return ""
    index = int(run.outputs["suggested"][position])
    kept = index == int(run.labels["given"][position])
    return " (none better)" if kept else f" → {run.class_name(index)}"


def _mark(run: Run, position: int) -> Markup | None:
    """Colour and symbol and words: no reader depends on colour."""
    if not run.truth_known:
        return None
    given, clean = run.labels["given"][position], run.labels["clean"][position]
    if given == clean:
        return tag("span", "✓ label is right", class_="mark good")
    return tag("span", f"✗ wrong, true: {run.class_name(int(clean))}", class_="mark bad")


def thumbnail(pixels: np.ndarray) -> str:
    """uint8 `[H, W, C]` as a PNG data address; one channel is grey, of more the first three count.

    Small pictures keep their pixels (the page enlarges them crisply), large ones shrink.
    """
    pixels = np.asarray(pixels, np.uint8)
    image = Image.fromarray(pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0])
    image.thumbnail((_SIDE, _SIDE))
    return data_url(image)


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
