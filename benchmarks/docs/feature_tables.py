"""Tables of docs/results.md and docs/dull.md: all methods on CIFAR's frozen features.

A cell is a data set, its imbalance and the noise of its labels.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from benchmarks.docs import best_other, dull_tables, targets
from benchmarks.docs.best_other import Result, Runs
from benchmarks.result_file import RESULTS, read
from dull_jax.report import table
from dull_jax.report.run import title

Table: TypeAlias = tuple[str, list[Result]]  # Markdown, and what it was made of
Cell: TypeAlias = tuple[str, float, str]

_MAIN = ("dull", "two_stage", "la", "elr", "ldam_drw", "ce")
_OTHERS = ("tabasco", "dividemix", "sfa", "dasc", "rolt", "co_teaching")
_NOISES = {"t2h": "T2H", "file": "human labels"}
_FOLDERS = (  # folders of results, and what the noise of a name is in them
    ("features", {"file": ", 17 % wrong"}),
    ("features_aggregate", {"file": ", 9 % wrong"}),
    ("features_similar", {"t2h": ", look-alikes"}),
)


def features() -> Table:
    """A row for each noise, a column for each method; what DULL gains, and of how much.

    The gap is from the best other method to logit adjustment on the true labels.
    """
    cells, used = _runs()
    names = [title({"method": method}) for method in _MAIN]
    added = ["LA, true labels", "DULL to the best other", "closed"]
    head = ["set", "IF", "noise", "n", *names, *added]
    lines = [f"| {' | '.join(head)} |", "|---|--:|---|" + "--:|" * (len(head) - 3)]
    for cell, runs in _of_dull(cells):
        right = best_other.paired(_right(cells, cell), runs["dull"])
        gap = _gap(runs, right)
        closed = f"{100 * best_other.gained(runs) / gap:.0f} %" if gap > 1 else ""
        row = [cell[0], f"{cell[1]:g}", cell[2], str(len(runs["dull"]))]
        row += [dull_tables.cell(runs[method]) if runs[method] else "" for method in _MAIN]
        row += [f"{best_other.accuracy(right):.1f}", best_other.lead(runs), closed]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines), used


def targets_reached() -> str:
    """What was aimed at with DULL, over all noises; see `features` for the gap."""
    cells, _ = _runs()
    closed, leads, behind, tails = {}, {}, {}, {}
    for cell, runs in _of_dull(cells):
        name, noise = f"{cell[0]}, IF {cell[1]:g}, {cell[2]}", cell[2]
        gained, gap = best_other.gained(runs), _gap(runs, _right(cells, cell))
        behind[name] = -1 - gained
        if noise.startswith("T2H"):
            closed[name] = 60 - 100 * gained / gap
        if gap > 11:
            leads[name] = 6.73 - gained
        if noise != "none" and "tail" in runs["dull"][0]["accuracy"]:
            rest = max(best_other.gained(runs, group) for group in ("head", "medium"))
            tails[name] = rest - best_other.gained(runs, "tail")
    return targets.table(
        "cells",
        targets.Target("T2H: 60 % of the gap closed", closed),
        targets.Target("a lead of 6.73 points where the gap exceeds 11", leads),
        targets.Target("never more than a point behind the best other", behind),
        targets.Target("the tail gains more than head and medium classes", tails),
    )


def _of_dull(cells: Mapping[Cell, Runs]) -> list[tuple[Cell, Runs]]:
    """Sorted; without those that were run for the column of true labels alone."""
    return sorted((cell, runs) for cell, runs in cells.items() if runs["dull"])


def _right(cells: Mapping[Cell, Runs], cell: Cell) -> Sequence[Result]:
    """Logit adjustment on the true labels of a cell."""
    return cells[*cell[:2], "none"]["la"]


def _gap(runs: Runs, right: Sequence[Result]) -> float:
    """From the best other to runs on the true labels, over the seeds of both and of DULL."""
    best = best_other.paired(best_other.of(runs), runs["dull"])
    right = best_other.paired(right, best)
    return best_other.accuracy(right) - best_other.accuracy(best)


def others() -> Table:
    """A row for each noise that the methods beside those of `features` have run on, on three
    seeds at most."""
    cells, _ = _runs()
    names = [title({"method": method}) for method in ("dull", *_OTHERS)]
    head = ["set", "IF", "noise", "n", *names, "DULL to the best of them"]
    lines = [f"| {' | '.join(head)} |", "|---|--:|---|" + "--:|" * (len(head) - 3)]
    used = []
    for (dataset, factor, noise), found in sorted(cells.items()):
        if not any(found[method] for method in _OTHERS):
            continue
        runs = {
            method: [run for run in found[method] if run["seed"] < 3]
            for method in ("dull", *_OTHERS)
        }
        most = len(runs["dull"])
        text = [
            dull_tables.cell(column) + f" (n={len(column)})" * (len(column) < most)
            if column
            else ""
            for column in runs.values()
        ]
        row = [dataset, f"{factor:g}", noise, str(most), *text, best_other.lead(runs)]
        lines.append(f"| {' | '.join(row)} |")
        used += [run for column in runs.values() for run in column]
    return "\n".join(lines), used


def _runs() -> tuple[dict[Cell, dict[str, list]], list]:
    """({(set, imbalance, noise): {method: its runs}}, all of them), of CIFAR's frozen features."""
    cells: dict[Cell, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    used = []
    for folder, details in _FOLDERS:
        used += (results := table.load([RESULTS / folder]))
        for result in results:
            cells[_cell(result, details)][result["method"]].append(result)
    return cells, used


def _cell(result: Result, details: Mapping[str, str]) -> Cell:
    """The cell of a result; details: what the noise of a name is in its folder."""
    noise = result["noise"]
    kind = _NOISES.get(noise["name"], noise["name"])
    name = f"{kind} {noise.get('rate') or ''}".strip() + details.get(noise["name"], "")
    return result["dataset"], result["imbalance_factor"], name


def without_h2t() -> Table:
    """DULL without head-to-tail transfer, on the seeds and labels of DULL."""
    cells, _ = _runs()
    changed: dict[Cell, list[Result]] = defaultdict(list)
    for result in table.load([RESULTS / "ablation_h2t", RESULTS / dull_tables.FEATURES[0]]):
        if result["variant"] == "no-H2T":
            changed[_cell(result, _FOLDERS[0][1])].append(result)
    lines = ["| set | IF | noise | n | DULL | no-H2T | to DULL |", "|---|--:|---|--:|--:|--:|--:|"]
    used = []
    for cell, found in sorted(changed.items()):
        whole = best_other.paired(cells[cell]["dull"], found)
        row = [cell[0], f"{cell[1]:g}", cell[2], str(len(found))]
        row += [dull_tables.cell(whole), dull_tables.cell(found)]
        lines.append(f"| {' | '.join([*row, table.paired_difference(found, whole)])} |")
        used += [*whole, *found]
    return "\n".join(lines), used


def rates() -> Table:
    """T2H 0.3 at a third of the learning rate, beside the recipe's, on the same seeds."""
    methods = ("dull", "two_stage", "la")
    head = ["set", "rate", "n", *(title({"method": m}) for m in methods), "DULL to the best other"]
    lines = [f"| {' | '.join(head)} |", "|---|--:|" + "--:|" * (len(head) - 2)]
    cells, _ = _runs()
    changed: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    used = []
    for result in table.load([RESULTS / "features_rate"]):
        changed[result["dataset"]][result["method"]].append(result)
    for dataset, low in sorted(changed.items()):
        usual = cells[dataset, 100, "T2H 0.3"]
        same = {method: best_other.paired(usual[method], low["dull"]) for method in methods}
        for rate, runs in (("0.001", low), ("0.003", same)):
            row = [dataset, rate, str(len(runs["dull"]))]
            row += [dull_tables.cell(runs[method]) for method in methods]
            lines.append(f"| {' | '.join([*row, best_other.lead(runs)])} |")
            used += [run for method in methods for run in runs[method]]
    return "\n".join(lines), used


def tuning(setting: str, part: str = "") -> str:
    """What a noisy hold-out says of a setting's values, method by method."""
    measured = read("features/tuning.json")
    runs = (measured[part] if part else measured)["runs"]
    values = sorted({run[setting] for run in runs})
    known = {(run["method"], run[setting]): f"{run['holdout_class_mean']:.1f}" for run in runs}
    lines = [f"| method | {' | '.join(map(str, values))} |"]
    lines.append("|---|" + "--:|" * len(values))
    for method in sorted({run["method"] for run in runs}):
        cells = " | ".join(known.get((method, value), "") for value in values)
        lines.append(f"| {title({'method': method})} | {cells} |")
    return "\n".join(lines)
