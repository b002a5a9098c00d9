"""Tables of docs/dull.md: DULL without its parts, in harder settings, and beside an oracle.

From benchmarks/results: ablation and others of that name (a variant names what is changed), stress
(a folder for each setting) and ceiling (wrong labels taken out by an oracle).
"""

import pathlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from benchmarks.docs import best_other
from benchmarks.docs.best_other import Result, accuracy
from benchmarks.result_file import RESULTS
from dull_jax.report import table
from dull_jax.report.run import title

_DIGITS = "digits-if20-t2h0.3"

# Where parts are changed, and the results of the recipe that they belong to; without one it is
# among the others.
UNSEEN = ("ablation_unseen", f"digits_unseen/{_DIGITS}")
DIGITS = ("ablation", "")
MINI = ("ablation_mini", "mini_strong/cifar10-if50-t2h0.3")
FEATURES = ("ablation_features", "features/cifar100-if100-t2h0.3")
MLP = ("ablation_mlp", "")
MLP_TWO_LAYERS = ("ablation_mlp_two", "")


def whole(method: str, recipe: str, seeds: Iterable[int] = (0, 1, 2)) -> list[pathlib.Path]:
    """Results of a recipe that parts are changed of, or that is made harder."""
    return [RESULTS / f"{recipe}-{method}-s{seed}.json" for seed in seeds]


def ablated(grid: tuple[str, str], base: str) -> dict[str, list[Result]]:
    """{variant: its results}; those of the recipe as it is are called `base`."""
    folder, recipe = grid
    groups: dict[str, list[Result]] = defaultdict(list)
    changed = table.load([RESULTS / folder])
    seeds = sorted({result["seed"] for result in changed})
    for result in [*changed, *(table.load(whole("dull", recipe, seeds)) if recipe else [])]:
        groups[result["variant"] or base].append(result)
    return groups


def ablation(grid: tuple[str, str], base: str = "DULL") -> tuple[str, list[Result]]:
    """Markdown, best first: mean ± sample deviation over seeds, paired difference to `base`; and
    what it was made of.

    Args:
      base: a variant, or what the recipe as it is shall be called.
    """
    groups = ablated(grid, base)
    columns = {
        "last": (("accuracy", "last"), 1),
        "tail": (("accuracy", "tail"), 1),
        "wrong: precision": (("wrong_labels", "precision"), 3),
        "wrong: recall": (("wrong_labels", "recall"), 3),
    }
    head = ["variant", "n", *columns, f"to {base}"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for name in sorted(groups, key=lambda n: -accuracy(groups[n])):
        cells = [table.mean_std(groups[name], keys, digits) for keys, digits in columns.values()]
        cells += [table.paired_difference(groups[name], groups[base]) if name != base else ""]
        lines.append(f"| {name} | {len(groups[name])} | {' | '.join(cells)} |")
    return "\n".join(lines), [result for group in groups.values() for result in group]


def stress() -> tuple[str, list[Result]]:
    """A row for a setting: accuracy (tail) of each method, and DULL's lead over the best other.

    DULL has IFD and IFPU, as in the folder of parts that are left out.
    """
    recipes = {"dull": "ablation", "two_stage-simsiam": "digits", "la": "digits"}
    settings = {
        "digits": [
            path
            for method, folder in recipes.items()
            for path in whole(method, f"{folder}/{_DIGITS}")
        ]
    }
    settings |= {folder.name: [folder] for folder in sorted((RESULTS / "stress").iterdir())}
    rows, used = [], []
    for setting, paths in settings.items():
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in table.load(paths):
            groups[title(dict(result))].append(result)
            used.append(result)
        rows.append((setting, groups))
    names = list(rows[0][1])
    head = f"| setting | n | {' | '.join(names)} | DULL to the best other |"
    lines = [head, "|---" + "|--:" * (len(names) + 2) + "|"]
    for setting, groups in rows:
        runs = {groups[name][0]["method"]: groups[name] for name in names}
        cells = " | ".join(cell(groups[name]) for name in names)
        row = [_in_words(setting), str(len(runs["dull"])), cells, best_other.lead(runs)]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines), used


def _in_words(folder: str) -> str:
    """'digits-if-10' -> 'digits, IF 10'; 'cifar-100-in-small' -> 'reduced CIFAR-100'."""
    name = re.sub(r"^cifar-(\d+)-in-small", r"reduced CIFAR_\1", folder).replace("-", " ")
    name = re.sub(r"\bif (\d+)", r"IF \1", name).replace("CIFAR_", "CIFAR-")
    return re.sub(r"^(digits|reduced CIFAR-\d+) ", r"\1, ", name)


_MINI_CEILING = "ceiling/cifar10-if50"
_FROM_SIMSIAM = "the same, from SimSiam's backbone"
_BOTH = ("la", "dull")
_KNOWN = (  # set, what is known of its labels, results, their variant, methods that were run
    ("digits", "as given", f"digits/{_DIGITS}", "", _BOTH),
    ("digits", "wrong ones taken out", "ceiling/digits-if20-t2h0.3", "-oracle", _BOTH),
    ("digits", "true", "stress/digits-none/digits-if20-none", "", _BOTH),
    ("reduced CIFAR-10", "as given", MINI[1], "", _BOTH),
    ("reduced CIFAR-10", "wrong ones taken out", f"{_MINI_CEILING}-t2h0.3", "-oracle", _BOTH),
    ("reduced CIFAR-10", "true", f"{_MINI_CEILING}-none", "", _BOTH),
    (_FROM_SIMSIAM, "as given", MINI[1], "-simsiam", _BOTH),
    (_FROM_SIMSIAM, "wrong ones taken out", f"{_MINI_CEILING}-t2h0.3", "-simsiam-oracle", _BOTH),
    *(
        (f"{shown} features, T2H {rate}", labels, f"{folder}/{name}-if100-t2h{rate}", *rest)
        for name, shown in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100"))
        for rate in (0.3, 0.4)
        for labels, folder, *rest in (
            ("as given", "features", "", _BOTH),
            ("wrong ones taken out", "ceiling", "-oracle", ("la",)),
        )
    ),
    ("CIFAR-10 features", "true", "features/cifar10-if100-none", "", _BOTH),
    ("CIFAR-100 features", "true", "features/cifar100-if100-none", "", ("la",)),
)


def ceiling() -> tuple[str, list[Result]]:
    """What LA and DULL reach with labels as given, without the wrong ones, and with true labels."""
    lines = ["| set | labels | n | Logit adjustment | DULL | DULL to logit adjustment |"]
    lines.append("|---|---|--:|--:|--:|--:|")
    used = []
    for name, labels, recipe, variant, methods in _KNOWN:
        known = {m: table.load(whole(f"{m}{variant}", recipe)) for m in methods}
        cells = [cell(known[m]) if m in known else "" for m in _BOTH]
        both = "dull" in known
        gained = table.paired_difference(known["dull"], known["la"]) if both else ""
        row = [name, labels, str(len(known["la"])), *cells, gained]
        lines.append(f"| {' | '.join(row)} |")
        used += [result for results in known.values() for result in results]
    return "\n".join(lines), used


def cell(results: list[Result]) -> str:
    """Mean ± sample deviation of two or more, and in brackets the tail's mean, if there is one."""
    check_one_setting(results)
    tail = all("tail" in result["accuracy"] for result in results)
    brackets = f" ({accuracy(results, 'tail'):.1f})" if tail else ""
    last = table.mean_std(results, ("accuracy", "last"), 1)
    return f"{last.removesuffix(f' ± {table.NA}')}{brackets}"


def check_one_setting(results: Sequence[Result]) -> None:
    """Raises ValueError for two runs of one seed: they differ in what the table leaves out."""
    seeds = [result["seed"] for result in results]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"runs of several settings in one cell: seeds {sorted(seeds)}")
