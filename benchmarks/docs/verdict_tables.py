"""The tables of docs/audit.md that show what verdicts are worth; see audit/verdicts.py."""

from collections.abc import Iterable
from statistics import mean

from benchmarks.docs.audit_tables import named
from benchmarks.result_file import read

WRONG, AMBIGUOUS, OUTSIDE = "wrong", "ambiguous", "none of the classes"


def _seeds() -> list[dict]:
    return list(read("audit/verdicts.json")["seeds"].values())


def flagged() -> str:
    """Of what is flagged: how much is wrong, and how often the right class is named."""
    seeds = _seeds()
    lines = ["| labels | n | verdict | of 1,000 flagged | wrong | right class named |"]
    lines.append("|---|--:|---|--:|--:|--:|")
    for cell in seeds[0]["flagged"]:
        for verdict in (WRONG, AMBIGUOUS):
            runs = [seed["flagged"][cell] for seed in seeds]
            share = mean(
                run[verdict]["labels"] / (run[WRONG]["labels"] + run[AMBIGUOUS]["labels"])
                for run in runs
            )
            found = [run[verdict] for run in runs]
            cells = [_share(found, key, "labels") for key in ("wrong", "right_class_named")]
            row = [named(cell), str(len(runs)), f"`{verdict}`", f"{1000 * share:.0f}", *cells]
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def copies() -> str:
    """Of each way in which an image is changed: how many copies are found."""
    found = [seed["copies"] for seed in _seeds()]
    lines = ["| the copy is | planted | found |", "|---|--:|--:|"]
    for change in found[0]["changes"]:
        runs = [one["changes"][change] for one in found]
        planted = sum(run["planted"] for run in runs)
        lines.append(f"| {change} | {planted:,} | {_share(runs, 'found', 'planted')} |")
    pairs = [1000 * mean(one[key] / one["samples"] for one in found)
             for key in ("pairs_without_copies", "other_pairs")]  # fmt: skip
    return "\n".join(lines) + (
        f"\n\nOther pairs named, of 1,000 images: {pairs[0]:.1f} where nothing is planted, "
        f"{pairs[1]:.1f} beside the copies."
    )


def strangers() -> str:
    """What becomes of images of no class, and of the others beside them."""
    seeds = [seed["strangers"] for seed in _seeds()]
    head = (
        "strangers",
        "planted",
        "`none of the classes`",
        "`wrong` or `ambiguous`",
        "others named",
    )
    lines = [f"| {' | '.join(head)} |", "|---|--:|--:|--:|--:|"]
    for kind in seeds[0]:
        runs = [seed[kind] for seed in seeds]
        planted = sum(run["planted"] for run in runs)
        outside, flagged = (
            sum(run["verdicts"][verdict]["strangers"] for run in runs for verdict in verdicts)
            for verdicts in ((OUTSIDE,), (WRONG, AMBIGUOUS))
        )
        others = sum(run["verdicts"][OUTSIDE]["others"] for run in runs)
        cells = [kind, planted, outside, flagged, others]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    told = "Images of all seeds. Others are of the set, and named `none of the classes`."
    return "\n".join([*lines, "", told])


def _share(runs: Iterable[dict], part: str, whole: str) -> str:
    return f"{100 * mean(run[part] / run[whole] for run in runs):.0f} %"
