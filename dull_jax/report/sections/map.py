"""The embeddings as points of a plane: where a suspicious label lies among the others."""

import numpy as np

from dull_jax.report import blocks, points
from dull_jax.report.run import Run
from dull_jax.report.sections import Place

TITLE, LINK, ORDER = "Map of the embeddings", "Map", 65
OWN = Place(50, link="Map")


def content(run: Run) -> list | None:
    needed = ("map_rows", "map_points", "map_method", "map_explained", "suspects", "suggested")
    if not run.has(*needed) or "given" not in run.labels:
        return None
    rows, total = run.outputs["map_rows"], len(run.labels["given"])
    method, explained = str(run.outputs["map_method"]), float(run.outputs["map_explained"])
    drawn = _points(run, rows)
    labels = {"given label": drawn.given, "suggested label": drawn.suggested}
    if run.truth_known:
        labels["true label"] = run.labels["clean"][rows]
    names = [run.class_name(k) for k in range(run.num_classes)]
    about = points.about(total, len(rows), method, explained) + (_LEARNT if _learnt(run) else "")
    return [blocks.text(about, "soft"), points.maps("Embeddings", drawn, names, labels)]


_LEARNT = (
    " The embeddings are the features of the trained network: a wrong label that it has memorised "
    "lies among those of the class that it names."
)


def _learnt(run: Run) -> bool:
    """Whether the embeddings come from images and from no frozen backbone."""
    return len(run.data.get("image_shape") or ()) == 3 and not run.data.get("embeddings")


def _points(run: Run, rows: np.ndarray) -> points.Points:
    """The listed suspects come first in `map_rows`."""
    names = [run.sample_name(int(n)) for n in run.outputs["suspects"]]
    given, suggested = run.labels["given"][rows], run.outputs["suggested"][rows]
    return points.Points(run.outputs["map_points"], given, suggested, names)
