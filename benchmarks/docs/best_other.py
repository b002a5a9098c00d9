"""DULL beside the best other method of one data set.

`runs` is {method: its results}, one of each seed.
"""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from dull_jax.report import table
from dull_jax.report.run import title

Result = Mapping[str, Any]
Runs = Mapping[str, Sequence[Result]]


def of(runs: Runs) -> Sequence[Result]:
    """Of the method with the best accuracy, of those with as many seeds as any, or 3."""
    others = [found for method, found in runs.items() if method != "dull" and found]
    least = min(3, max(map(len, others), default=0))
    return max((found for found in others if len(found) >= least), key=accuracy)


def lead(runs: Runs) -> str:
    """'+4.4 [2.5, 6.3] over SFA', and 'n = 3' where fewer seeds are paired than DULL has."""
    best = of(runs)
    text = (
        f"{table.paired_difference(runs['dull'], best)} over {title({'method': best[0]['method']})}"
    )
    both = len(paired(best, runs["dull"]))
    return text if both == len(runs["dull"]) else f"{text} (n = {both})"


def gained(runs: Runs, group: str = "last") -> float:
    """By how many points DULL is above it, over the seeds of both."""
    dull, best = runs["dull"], of(runs)
    return accuracy(paired(dull, best), group) - accuracy(paired(best, dull), group)


def paired(runs: Sequence[Result], others: Sequence[Result]) -> list[Result]:
    """Those whose seed the others have, too."""
    seeds = {run["seed"] for run in others}
    return [run for run in runs if run["seed"] in seeds]


def accuracy(runs: Sequence[Result], group: str = "last") -> float:
    """Mean over the runs: in the last epoch, or of the head, medium or tail then; percent."""
    return mean(run["accuracy"][group] for run in runs)
