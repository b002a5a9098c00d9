"""Learning over epochs: this run and the compared ones, each quantity in its own small chart."""

from markupsafe import Markup

from dull_jax.report import blocks, curves, palette
from dull_jax.report.numbers import number
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.run_dir import layout

TITLE, ORDER = "Learning", 30
OWN = Place(80, "Curves of the training", folded=True)

_CURVES = (
    ("Test accuracy", "test/accuracy", "%"),
    ("Head classes", "test/head", "%"),
    ("Medium classes", "test/medium", "%"),
    ("Tail classes", "test/tail", "%"),
    ("Wrong labels: AUROC", "labels/auroc", ""),
    ("Training loss", "train/loss", ""),
)


def content(run: Run) -> list | None:
    span = _shared_span(run)
    figures = [_curve(run, *curve, span if curve[2] == "%" else None) for curve in _CURVES]
    if not any(figures):
        return None
    parts = [legend(run, "line"), blocks.row(figures)]
    if broken := sum(each.broken_lines for each in run.all):
        parts.append(
            blocks.text(f"{broken} unreadable line(s) of {layout.METRICS} left out.", "soft")
        )
    return parts


def legend(run: Run, shape: str) -> Markup:
    """The colour of each method."""
    names = enumerate(each.name for each in run.all)
    return blocks.legend(
        [blocks.swatch(name, palette.series(i), shape, palette.dash(i)) for i, name in names]
    )


def _shared_span(run: Run) -> tuple[float, float] | None:
    """One range for all accuracies: the gap between head and tail is seen across the charts."""
    keys = [key for _, key, unit in _CURVES if unit == "%"]
    points = [p for each in run.all for key in keys for p in curves.points_of(each.metrics, key)]
    known = [value for _, value in points if value is not None]
    return (min(known), max(known)) if known else None


def _curve(run: Run, title: str, key: str, unit: str, span: tuple | None) -> Markup | None:
    lines = [(each.name, curves.points_of(each.metrics, key)) for each in run.all]
    drawing = curves.lines(title, lines, unit, span)
    if drawing is None:
        return None
    own = [value for _, value in lines[0][1] if value is not None]
    note = f"ends at {number(own[-1], 1 if unit else 3, unit)}" if own else ""
    return blocks.figure(title, drawing, note=note)
