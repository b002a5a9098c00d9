"""Figures of README and docs as SVG files, from the committed results; `make results` draws them.

The drawings are the report's; a file carries the style sheet, so that it follows the reader's
light or dark scheme wherever it is shown.
"""

import json
import pathlib
import statistics

from markupsafe import Markup

from benchmarks.docs import audit_tables
from benchmarks.result_file import RESULTS
from dull_jax.report import curves, heatmap
from dull_jax.report.blocks import css

FIGURES = pathlib.Path(__file__).parents[2] / "docs" / "figures"


def drawn() -> dict[str, str]:
    """{file name: SVG text} of every figure."""
    seen, without = (
        json.loads((RESULTS / "dull" / f"{name}.json").read_text())
        for name in ("digits", "digits-no-IFPU")
    )
    figures = {
        "review.svg": _review("photographs"),
        "transition_true.svg": heatmap.transition(
            "Transition as drawn", seen["transition"], seen["class_names"]
        ),
        "unlearning.svg": curves.lines(
            "Probability left to the wrong label",
            [
                ("plain path", seen["curves"]["dull/doubted_given"]),
                ("plain path, without IFPU", without["curves"]["dull/doubted_given"]),
                ("behind IFPU's mask", seen["curves"]["train/unlearned_given"]),
            ],
        ),
    }
    return {name: standalone(figure) for name, figure in figures.items()}


def standalone(drawing: Markup) -> str:
    """An `<svg>` of the report as a file of its own."""
    style = f"<style>{css()}svg{{background:var(--card);font-family:sans-serif}}</style>"
    head, _, rest = str(drawing).partition(">")
    return head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"') + f">{style}{rest}\n"


def _review(cell: str) -> Markup:
    """Wrong labels that are found, over labels looked at; means over seeds."""
    measured = audit_tables.reviews(cell)
    every, chance = measured[0]["every"], measured[0]["labels"] / 100
    found = [
        (name, _found(every, [run["curves"][key] for run in measured]))
        for key, name in audit_tables.ORDERS.items()
        if key != "chance"
    ]
    found.append(("chance", [(0, 0), (100 * chance, 100)]))
    title = "Wrong labels found, over labels looked at"
    return curves.lines(title, found, "%", span=(0, 100), along="labels looked at")


def _found(every: int, runs: list[list[float]]) -> list[tuple[int, float]]:
    means = [0.0, *map(statistics.mean, zip(*runs, strict=False))]  # as far as all have come
    return [(every * n, value) for n, value in enumerate(means)]
