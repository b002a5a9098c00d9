"""The labels that are most likely wrong, to be looked at."""

import numpy as np
from markupsafe import Markup

from dull_jax.report import bars, blocks, neighbours
from dull_jax.report.numbers import number, percent
from dull_jax.report.pairs import largest_pairs
from dull_jax.report.pictures import thumbnail
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.report.summary import THRESHOLD
from dull_jax.stats.metrics import wrong_labels

TITLE, LINK, ORDER = "The most suspicious labels", "Suspicious labels", 70
OWN = Place(5, "Labels that look wrong")

_AT_ONCE = 12  # cards that are seen without a click


def content(run: Run) -> list | None:
    if not run.has("wrongness") or "given" not in run.labels:
        return None
    return _own(run) if run.in_doubt else _simulated(run)


def _simulated(run: Run) -> list:
    cards, roomy = _cards(run), run.has("neighbours")
    more = cards[_AT_ONCE:]
    return [
        blocks.row([_scores(run), _by_group(run)]),
        blocks.text(_introduction(run), "soft before"),
        blocks.cards(cards[:_AT_ONCE], roomy) if cards else None,
        _folded(f"{len(more)} more", more, roomy),
    ]


def _own(run: Run) -> list:
    """Pictures first; what does not look wrong is folded away."""
    cards, roomy = _cards(run), run.has("neighbours")
    doubtful = int((run.outputs["wrongness"][_suspects(run)] > THRESHOLD).sum())
    first, more, rest = (
        cards[: min(doubtful, _AT_ONCE)],
        cards[_AT_ONCE:doubtful],
        cards[doubtful:],
    )
    return [
        blocks.text(_counted(run)),
        blocks.text(_how_to_read(run), "soft"),
        blocks.cards(first, roomy) if first else None,
        _folded(f"{len(more)} more that look wrong", more, roomy),
        _folded(f"{len(rest)} less suspicious ones", rest, roomy),
        blocks.row([_moves(run)]),
    ]


def _folded(title: str, cards: list[Markup], roomy: bool) -> Markup | None:
    return blocks.details(title, blocks.cards(cards, roomy)) if cards else None


def _counted(run: Run) -> str:
    score = run.outputs["wrongness"]
    flagged, total, listed = int((score > THRESHOLD).sum()), len(score), len(_suspects(run))
    if not flagged:
        return f"None of {total:,} training labels looks wrong to the trained network."
    said = f"{flagged:,} of {total:,} training labels ({percent(flagged / total)}) look wrong to "
    said += "the trained network"
    return f"{said}; the {listed} most suspicious are below." if flagged > listed else f"{said}."


def _how_to_read(run: Run) -> str:
    near = f" {neighbours.EXPLAINED}" if run.has("neighbours") else ""
    folder = f" Paths begin in {run.data_folder}." if run.paths and run.data_folder else ""
    return (
        "Most suspicious first: given label → label that fits better, and a score from 0 (right) "
        f"to 1 (wrong).{folder}{near} A network finds nothing wrong with a wrong label that it has "
        "memorised. An audit finds those, too: it is among the next commands."
    )


def _moves(run: Run) -> Markup | None:
    """Which classes the labels that look wrong would leave, and for which."""
    if not run.has("suggested"):
        return None
    doubtful = run.outputs["wrongness"] > THRESHOLD
    counts = np.zeros((run.num_classes, run.num_classes), np.int64)
    pair = run.labels["given"][doubtful], run.outputs["suggested"][doubtful]
    np.add.at(counts, pair, 1)
    none = "No other class fits better."
    return largest_pairs(run, counts, "Which classes are mixed up", "given → suggested", none)


def _suspects(run: Run) -> np.ndarray:
    return run.outputs.get("suspects", np.zeros(0, np.int64))


def _introduction(run: Run) -> str:
    chosen = _suspects(run)
    near = f" {neighbours.EXPLAINED}" if run.has("neighbours") else ""
    if not run.truth_known or not len(chosen):
        return f"Most suspicious first. Given label → label that fits better.{near}"
    wrong = int((run.labels["given"][chosen] != run.labels["clean"][chosen]).sum())
    return (
        f"Most suspicious first: given label → label that fits better. Of these {len(chosen)}, "
        f"{wrong} are truly wrong ({percent(wrong / len(chosen), 0)}). "
        f"The method never sees the true labels.{near}"
    )


def _cards(run: Run) -> list[Markup]:
    thumbnails = run.outputs.get("thumbnails", [])
    return [
        _card(run, int(index), thumbnails[i] if i < len(thumbnails) else None, _near(run, i))
        for i, index in enumerate(_suspects(run))
    ]


def _near(run: Run, rank: int) -> list[dict]:
    """The nearest neighbours of a suspect."""
    rows, pictures = run.outputs.get("neighbours", []), run.outputs.get("neighbour_pictures")
    if rank >= len(rows):
        return []
    others = [(run.sample_name(int(n)), run.class_name(int(run.labels["given"][n])))
              for n in rows[rank]]  # fmt: skip
    index = _suspects(run)[rank]
    better = run.class_name(int(run.outputs["suggested"][index])) if run.has("suggested") else None
    return neighbours.near(others, better, None if pictures is None else pictures[rank])


def _card(run: Run, index: int, pixels: np.ndarray | None, near: list[dict]) -> Markup:
    given = int(run.labels["given"][index])
    return blocks.card(
        name=run.sample_name(index),
        given=run.class_name(given),
        better=_better(run, index),
        score=f"score {number(run.outputs['wrongness'][index], 3)}",
        picture="" if pixels is None else thumbnail(pixels),
        true_class=run.class_name(int(run.labels["clean"][index])) if run.truth_known else None,
        near=near,
    )


def _better(run: Run, index: int) -> str:
    if not run.has("suggested"):
        return ""
    better = int(run.outputs["suggested"][index])
    kept = better == int(run.labels["given"][index])
    return " (none better)" if kept else f" → {run.class_name(better)}"


def _scores(run: Run) -> Markup | None:
    score = run.outputs["wrongness"].astype(np.float64)
    known = np.isfinite(score)
    if not known.any():
        return None
    groups, legend = [("labels", "var(--s0)", score[known])], None
    if run.truth_known:
        wrong = run.labels["given"] != run.labels["clean"]
        groups = [("rightly labelled", "var(--good)", score[known & ~wrong]),
                  ("wrongly labelled", "var(--bad)", score[known & wrong])]  # fmt: skip
        legend = blocks.legend([blocks.swatch(name, colour) for name, colour, _ in groups])
    title = "Score of all training labels"
    drawing = bars.scores(title, [group for group in groups if len(group[2])])
    return blocks.figure(title, drawing, note="% of each kind", legend=legend)


def _by_group(run: Run) -> Markup | None:
    if not run.truth_known or not run.groups:
        return None
    score = run.outputs["wrongness"]
    known = np.isfinite(score)  # an undefined score has no rank, and AUROC no value with it
    if not known.any():
        return None
    given, clean = run.labels["given"][known], run.labels["clean"][known]
    quality = wrong_labels(score[known], given, clean, run.groups, THRESHOLD)
    rows = [
        (
            group,
            percent(quality[f"precision_by_given_{group}"]),
            percent(quality[f"recall_by_true_{group}"]),
            percent(quality[f"false_alarm_{group}"]),
        )
        for group in run.groups
    ]
    head = ["Group", "precision (given)", "recall (true)", "false alarms (true)"]
    caption = (
        f"Flagged: score above {THRESHOLD}. The group is that of the label's given or true class."
    )
    return blocks.figure("Wrong labels found, by group", blocks.table(head, rows), caption)
