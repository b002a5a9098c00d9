"""Inside the method: which channel belongs to which class, and the noise it believes in."""

import numpy as np

from dull_jax.report import curves, heatmap
from dull_jax.report.markup import Markup, number, tag
from dull_jax.report.plots import MANY, figure, row
from dull_jax.report.run import Run
from dull_jax.stats.metrics import transition_distance

_OTHERS = ("test/", "labels/", "time/", "train/loss")  # what every method logs
_SHOWN = 12


def section(run: Run) -> Markup | None:
    drawn = [row(_gate(run)), row(*_transitions(run)), row(*_own_curves(run))]
    if not any(drawn):
        return None
    return tag("section", tag("h2", "Inside the method"), drawn, id="inside")


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


def _gate(run: Run) -> Markup | None:
    if not run.has("gate"):
        return None
    gate = np.nan_to_num(run.outputs["gate"].astype(np.float64))
    order, owned = sort_channels(gate)
    classes = gate.shape[1]
    ticks = [(k, f"{run.class_name(k)[:11]}") for k in range(classes)] if classes <= MANY else None
    height = 20 * classes if classes <= MANY else 340
    width = 930 if len(gate) > 60 else 560
    axes = ("class", "channels, sorted by the class that owns them")
    title, strongest = "Channel-class matrix G", max(float(gate.max()), 1e-12)
    drawing = heatmap.picture(title, gate[order].T, axes, (width, height), ticks, strongest)
    live = gate[gate.max(1) > 0]
    pure = float((live.max(1) / live.sum(1)).mean()) if len(live) else None
    said = (
        f"{len(gate)} channels, {owned.min()} to {owned.max()} a class. Class specificity "
        f"{number(pure, 3)}: 1 when every channel serves one class only, "
        f"{1 / classes:.2g} when all serve all."
    )
    return figure(title, drawing, said, scroll=True)


def _transitions(run: Run) -> list[Markup | None]:
    if not run.has("transition_estimate"):
        return []
    estimate = run.outputs["transition_estimate"].astype(np.float64)
    true = run.data.get("transition") if run.data.get("truth_known") else None
    drawn = [_transition(run, "Estimated by the method", estimate, _distance(estimate, true))]
    if true:
        drawn.append(
            _transition(
                run, "True", np.asarray(true, np.float64), "As realised in the training labels."
            )
        )
    return drawn


def _distance(estimate: np.ndarray, true: list | None) -> str:
    if not true:
        return "P(given label | true class)."
    gap = transition_distance(estimate, np.asarray(true, np.float64))
    return f"Rows differ from the true ones in {100 * gap:.1f} % of their mass on average."


def _transition(run: Run, title: str, shares: np.ndarray, said: str) -> Markup:
    names = [run.class_name(k) for k in range(len(shares))]
    drawing = heatmap.transition(f"Label transition, {title}", shares, names)
    return figure("Label transition", drawing, said, note=title.lower())


def _own_curves(run: Run) -> list[Markup | None]:
    """Values that only this method logs, such as 'dull/specificity'."""
    keys = dict.fromkeys(key for line in run.metrics for key in line if "/" in key)
    keys = sorted(key for key in keys if not key.startswith(_OTHERS))
    drawn = []
    for key in keys[:_SHOWN]:
        drawing = curves.lines(key, [(run.name, curves.points_of(run.metrics, key))])
        drawn.append(figure(key, drawing) if drawing else None)
    return drawn
