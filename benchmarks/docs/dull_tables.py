"""Tables of docs/dull.md: DULL without its parts, in harder settings, and beside an oracle.

From benchmarks/results: ablation, ablation_mini and ablation_features (a variant names what is left
out), stress (a folder for each setting) and ceiling (wrong labels taken out by an oracle).
"""

import pathlib
from collections import defaultdict
from collections.abc import Mapping
from statistics import mean
from typing import Any

from benchmarks.result_file import RESULTS
from dull_jax.report import table
from dull_jax.report.run import title

Result = Mapping[str, Any]


# Where parts are left out, and the results of the recipe that they are taken from.
DIGITS = ("ablation", "digits/digits-if20-t2h0.3")
MINI = ("ablation_mini", "mini_strong/cifar10-if50-t2h0.3")
FEATURES = ("ablation_features", "features/cifar100-if100-t2h0.3")


def whole(method: str, recipe: str = DIGITS[1]) -> list[pathlib.Path]:
    """Three results of a recipe that parts are taken from, or that is made harder."""
    return [RESULTS / f"{recipe}-{method}-s{seed}.json" for seed in (0, 1, 2)]


def ablated(grid: tuple[str, str]) -> dict[str, list[Result]]:
    """{variant: its results}, the whole DULL on the same seeds among them."""
    folder, recipe = grid
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in table.load([RESULTS / folder, *whole("dull", recipe)]):
        groups[result["variant"] or "DULL"].append(result)
    return groups


def ablation(grid: tuple[str, str]) -> tuple[str, list[Result]]:
    """Markdown, best first: mean ± sample deviation over seeds; and what it was made of."""
    groups = ablated(grid)
    columns = {
        "last": (("accuracy", "last"), 1),
        "tail": (("accuracy", "tail"), 1),
        "wrong: precision": (("wrong_labels", "precision"), 3),
        "wrong: recall": (("wrong_labels", "recall"), 3),
    }
    lines = [f"| variant | n | {' | '.join(columns)} |", "|---|--:" + "|--:" * len(columns) + "|"]
    for name in sorted(groups, key=lambda n: -_mean(groups[n], "last")):
        cells = [table.mean_std(groups[name], keys, digits) for keys, digits in columns.values()]
        lines.append(f"| {name} | {len(groups[name])} | {' | '.join(cells)} |")
    return "\n".join(lines), [result for group in groups.values() for result in group]


def stress() -> tuple[str, list[Result]]:
    """A row for a setting: accuracy (tail) of each method, and DULL's lead over the best peer."""
    methods = ("dull", "two_stage-simsiam", "la")
    settings = {"digits": [path for method in methods for path in whole(method)]}
    settings |= {folder.name: [folder] for folder in sorted((RESULTS / "stress").iterdir())}
    rows, used = [], []
    for setting, paths in settings.items():
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in table.load(paths):
            groups[title(dict(result))].append(result)
            used.append(result)
        rows.append((setting, groups))
    names = list(rows[0][1])
    peers = [name for name in names if name != "DULL"]
    head = f"| setting | {' | '.join(names)} | DULL's lead |"
    lines = [head, "|---|--:" + "|--:" * len(names) + "|"]
    for setting, groups in rows:
        cells = " | ".join(cell(groups[name]) for name in names)
        lead = _mean(groups["DULL"], "last") - max(_mean(groups[name], "last") for name in peers)
        lines.append(f"| {setting.replace('-', ' ')} | {cells} | {lead:+.1f} |")
    return "\n".join(lines), used


_MINI_CEILING = "ceiling/cifar10-if50"
_FROM_SIMSIAM = "the same, from SimSiam's backbone"
_KNOWN = (  # set, what is known of its labels, results, their variant
    ("digits", "as given", DIGITS[1], ""),
    ("digits", "wrong ones taken out", "ceiling/digits-if20-t2h0.3", "-oracle"),
    ("digits", "true", "stress/digits-none/digits-if20-none", ""),
    ("CIFAR-10 in small", "as given", MINI[1], ""),
    ("CIFAR-10 in small", "wrong ones taken out", f"{_MINI_CEILING}-t2h0.3", "-oracle"),
    ("CIFAR-10 in small", "true", f"{_MINI_CEILING}-none", ""),
    (_FROM_SIMSIAM, "as given", MINI[1], "-simsiam"),
    (_FROM_SIMSIAM, "wrong ones taken out", f"{_MINI_CEILING}-t2h0.3", "-simsiam-oracle"),
    *(
        (f"{shown} features, T2H {rate}", labels, f"{folder}/{name}-if100-t2h{rate}", variant)
        for name, shown in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100"))
        for rate in (0.3, 0.4)
        for labels, folder, variant in (
            ("as given", "features", ""),
            ("wrong ones taken out", "ceiling", "-oracle"),
        )
    ),
    ("CIFAR-10 features", "true", "features/cifar10-if100-none", ""),
    ("CIFAR-100 features", "true", "features/cifar100-if100-none", ""),
)


def ceiling() -> tuple[str, list[Result]]:
    """What LA and DULL reach with labels as given, without the wrong ones, and with true labels."""
    lines = ["| set | labels | Logit adjustment | DULL |", "|---|---|--:|--:|"]
    used = []
    for name, labels, recipe, variant in _KNOWN:
        paths = [whole(f"{method}{variant}", recipe) for method in ("la", "dull")]
        known = [[path for path in three if path.exists()] for three in paths]
        pair = [table.load(three) if three else [] for three in known]
        lines.append(f"| {name} | {labels} | {' | '.join(map(cell, pair))} |")
        used += [result for results in pair for result in results]
    return "\n".join(lines), used


def cell(results: list[Result]) -> str:
    """Mean ± sample deviation, and in brackets the tail's mean; empty where nothing was run."""
    if not results:
        return ""
    return f"{table.mean_std(results, ('accuracy', 'last'), 1)} ({_mean(results, 'tail'):.1f})"


def _mean(results: list[Result], key: str) -> float:
    return mean(result["accuracy"][key] for result in results)
