"""Inside the method: which channel belongs to which class, and the noise it believes in."""

import numpy as np
from markupsafe import Markup

from dull_jax.report import blocks, curves, heatmap
from dull_jax.report.charts import MANY
from dull_jax.report.numbers import number
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.stats.metrics import transition_distance

TITLE, ORDER = "Inside the method", 60
OWN = Place(85, folded=True)

_OTHERS = ("test/", "labels/", "time/", "train/loss")  # what every method logs
_SHOWN = 12


def content(run: Run) -> list | None:
    rows = [blocks.row(figures) for figures in (_gate(run), _transitions(run)) if figures]
    if figures := _own_curves(run):
        drawn = blocks.row(figures)
        rows.append(drawn if run.in_doubt else blocks.details("Curves of its own values", drawn))
    return rows or None


def sort_channels(gate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Channels by the class that owns them (largest entry), the purest first within a class.

    Args:
      gate: `[C, K]`.

    Returns:
      (`[C]` order, `[K]` channels owned); a channel without any entry has no owner and comes last.
    """
    owner, strength = gate.argmax(1), gate.max(1)
    owned = np.bincount(owner[strength > 0], minlength=gate.shape[1])
    purity = strength / np.maximum(gate.sum(1), 1e-12)
    return np.lexsort((-purity, np.where(strength > 0, owner, gate.shape[1]))), owned


def _gate(run: Run) -> list[Markup]:
    if not run.has("gate"):
        return []
    gate = np.nan_to_num(run.outputs["gate"].astype(np.float64))
    order, owned = sort_channels(gate)
    classes = gate.shape[1]
    names = [run.class_name(k) for k in range(classes)] if classes <= MANY else None
    side = 930 if len(gate) > 60 else 560, 20 * classes if classes <= MANY else 340
    axes = ("class", "channels, sorted by the class that owns them")
    title, strongest = "Channel-class matrix G", max(float(gate.max()), 1e-12)
    drawing = heatmap.picture(title, gate[order].T, axes, side, names, strongest)
    live = gate[gate.max(1) > 0]
    pure = float((live.max(1) / live.sum(1)).mean()) if len(live) else None
    caption = (
        f"{len(gate)} channels, {owned.min()} to {owned.max()} a class. Class specificity "
        f"{number(pure, 3)}: 1 when every channel serves one class only, "
        f"{1 / classes:.2g} when all serve all."
    )
    return [blocks.figure(title, drawing, caption, scroll=True)]


def _transitions(run: Run) -> list[Markup]:
    if not run.has("transition_estimate"):
        return []
    estimate = run.outputs["transition_estimate"].astype(np.float64)
    true = run.data.get("transition") if run.data.get("truth_known") else None
    figures = [_transition(run, "estimated by the method", estimate, _distance(estimate, true))]
    if true:
        caption = "As realised in the training labels."
        figures.append(_transition(run, "true", np.asarray(true, np.float64), caption))
    return figures


def _distance(estimate: np.ndarray, true: list | None) -> str:
    if not true:
        return "Each row adds up to 1; numbers are percent."
    gap = transition_distance(estimate, np.asarray(true, np.float64))
    return f"Rows differ from the true ones in {100 * gap:.1f} % of their mass on average."


def _transition(run: Run, kind: str, shares: np.ndarray, caption: str) -> Markup:
    names = [run.class_name(k) for k in range(len(shares))]
    rows = heatmap.ESTIMATED if run.in_doubt else heatmap.TRUE
    drawing = heatmap.transition(f"Label transition, {kind}", shares, names, rows)
    return blocks.figure("Label transition", drawing, caption, kind)


def _own_curves(run: Run) -> list[Markup]:
    """Values that only this method logs, such as 'dull/specificity'."""
    keys = sorted({key for line in run.metrics for key in line if "/" in key})
    own = [key for key in keys if not key.startswith(_OTHERS)][:_SHOWN]
    drawings = {
        key: curves.lines(key, [(run.name, curves.points_of(run.metrics, key))]) for key in own
    }
    return [blocks.figure(key, drawing) for key, drawing in drawings.items() if drawing]
