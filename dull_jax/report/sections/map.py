"""The embeddings as points of a plane: where a suspicious label lies among the others."""

import numpy as np

from dull_jax.report import blocks, points
from dull_jax.report.numbers import percent
from dull_jax.report.run import Run

TITLE, LINK, ORDER = "Map of the embeddings", "Map", 65


def content(run: Run) -> list | None:
    if not run.has("map_rows", "map_points", "suggested") or "given" not in run.labels:
        return None
    rows = run.outputs["map_rows"]
    names = [run.class_name(k) for k in range(run.num_classes)]
    drawn = _points(run, rows)
    labels = {"given label": drawn.given, "suggested label": drawn.suggested}
    if run.truth_known:
        labels["true label"] = run.labels["clean"][rows]
    return [blocks.text(_about(run), "soft"), points.maps("Embeddings", drawn, names, labels)]


def _points(run: Run, rows: np.ndarray) -> points.Points:
    """Listed suspects come first in `map_rows`."""
    suspects = run.outputs.get("suspects", rows[:0])
    names = [run.sample_name(int(n)) for n in suspects]
    given, suggested = run.labels["given"][rows], run.outputs["suggested"][rows]
    return points.Points(run.outputs["map_points"], given, suggested, names)


def _about(run: Run) -> str:
    total, drawn = len(run.labels["given"]), len(run.outputs["map_rows"])
    shown = f"All {total:,} samples" if drawn == total else f"{drawn:,} of {total:,} samples"
    return f"{shown}, near each other where their embeddings are alike ({_method(run)}). {_READ}"


def _method(run: Run) -> str:
    name = str(run.outputs.get("map_method", "PCA"))
    explained = float(run.outputs.get("map_explained", np.nan))
    if not np.isfinite(explained):
        return name
    return f"{name}, {percent(explained, 0)} of the variance"


_READ = (
    "A suspicious label has a ring. It is likely to be wrong where its colour differs from those "
    "around it by the given labels, and agrees with them by the suggested ones."
)
