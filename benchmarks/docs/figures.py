"""Figures of docs/dull.md as SVG files, from the committed results; `make results` draws them.

The drawings are the report's; a file carries the style sheet, so that it follows the reader's
light or dark scheme wherever it is shown.
"""

import json
import pathlib
import statistics

import numpy as np
from markupsafe import Markup

from benchmarks.docs import audit_tables, dull_tables
from benchmarks.result_file import RESULTS
from dull_jax.report import bars, curves, heatmap
from dull_jax.report.blocks import css
from dull_jax.report.sections.inside import sort_channels

FIGURES = pathlib.Path(__file__).parents[2] / "docs" / "figures"

PARTS = (  # one at a time; pairs stand in the table only
    "no-IFD",
    "no-IFPU",
    "no-AML",
    "no-H2T",
    "no-neighbours",
    "no-transition",
    "free-transition",
    "mixup",
    "sinkhorn",
)


def drawn() -> dict[str, str]:
    """{file name: SVG text} of every figure."""
    seen, without = (
        json.loads((RESULTS / "dull" / f"{name}.json").read_text())
        for name in ("digits", "digits-no-IFPU")
    )
    figures = {
        "review.svg": _review("photographs"),
        "ablation.svg": _ablation(),
        "transition_true.svg": heatmap.transition(
            "Transition as drawn", seen["transition"], seen["class_names"]
        ),
        "transition_estimated.svg": heatmap.transition(
            "Transition as found", seen["transition_estimate"], seen["class_names"]
        ),
        "gate.svg": _gate(seen),
        "unlearning.svg": curves.lines(
            "Probability left to the wrong label",
            [
                ("plain path", seen["curves"]["dull/doubted_given"]),
                ("plain path, without IFPU", without["curves"]["dull/doubted_given"]),
                ("behind IFPU's mask", seen["curves"]["train/unlearned_given"]),
            ],
        ),
        "gated_path.svg": curves.lines(
            "Accuracy of the gated path",
            [
                ("right gate", seen["curves"]["train/gated_right"]),
                ("wrong gate", seen["curves"]["train/gated_wrong"]),
            ],
            span=(0.0, 1.0),
        ),
    }
    return {name: standalone(figure) for name, figure in figures.items()}


def standalone(drawing: Markup) -> str:
    """An `<svg>` of the report as a file of its own."""
    style = f"<style>{css()}svg{{background:var(--card);font-family:sans-serif}}</style>"
    head, _, rest = str(drawing).partition(">")
    return head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"') + f">{style}{rest}\n"


def _ablation() -> Markup:
    """Means over seeds of the last epoch's accuracy, overall and of the tail, best first."""
    keys = {"overall": "last", "tail": "tail"}
    mean = {
        name: [statistics.mean(run["accuracy"][key] for run in runs) for key in keys.values()]
        for name, runs in dull_tables.ablated(dull_tables.DIGITS).items()
        if name == "DULL" or name in PARTS
    }
    names = sorted(mean, key=lambda name: -mean[name][0])
    title = "Parts of DULL left out, digits"
    return bars.grouped(title, names, list(keys), [mean[name] for name in names])


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


def _gate(seen: dict) -> Markup:
    gate = np.array(seen["gate"], np.float64)
    order, _ = sort_channels(gate)
    axes = ("class", "channels, sorted by the class that owns them")
    return heatmap.picture(
        "Channel-class matrix G", gate[order].T, axes, (560, 200), seen["class_names"]
    )
