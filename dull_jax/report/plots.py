"""What all charts share: the SVG with its description, axes, ticks, the legend, the figure."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from dull_jax.report.markup import Markup, number, tag
from dull_jax.report.style import NUM_SERIES

# Charts are drawn at the width of a phone and never scaled up: text keeps its size everywhere.
WIDTH = 342
# Beyond this many classes single names and numbers no longer fit.
MANY = 20
# The run's own line is solid; the others differ by colour and by dash.
_DASHES = (None, "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 2 2")


@dataclasses.dataclass(frozen=True)
class Axis:
    """Maps [low, high] to pixels [start, end]; a log axis needs low > 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (self._place(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def _place(self, value: float) -> float:
        return math.log(max(value, 1e-12)) if self.log else value

    def ticks(self, about: int = 5) -> list[float]:
        if self.log:
            return log_ticks(self.low, self.high)
        return nice_ticks(self.low, self.high, about)


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers inside [low, high], 1, 2, 2.5 or 5 times a power of ten apart.

    >>> nice_ticks(0, 100)
    [0, 20, 40, 60, 80, 100]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten; only the powers when these alone are enough."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 3 else (1, 2, 5)
    ticks = [s * 10.0**d for d in decades for s in steps]
    return [t for t in ticks if low * 0.999 <= t <= high * 1.001]


def short(value: float) -> str:
    """A tick label: 0.25, 40, 2k.

    >>> short(0.25), short(40.0), short(20000)
    ('0.25', '40', '20k')
    """
    return f"{value / 1000:g}k" if abs(value) >= 10000 else f"{value:g}"


def frame(x: Axis, y: Axis, x_label: str, x_ticks: Sequence[float], unit: str = "") -> list[Markup]:
    """Horizontal grid lines, tick labels on both sides and the name of the x axis."""
    parts = []
    for i, tick in enumerate(y.ticks()):
        at = y(tick)
        parts.append(tag("line", x1=x.start, x2=x.end, y1=at, y2=at, stroke="var(--grid)"))
        name = short(tick) + (unit if i == len(y.ticks()) - 1 else "")
        parts.append(tag("text", name, x=x.start - 6, y=at + 4, text_anchor="end"))
    for tick in x_ticks:
        parts.append(tag("text", short(tick), x=x(tick), y=y.start + 16, text_anchor="middle"))
    parts.append(tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, stroke="var(--soft)"))
    middle = (x.start + x.end) / 2
    return [*parts, tag("text", x_label, x=middle, y=y.start + 32, text_anchor="middle")]


def svg(width: float, height: float, title: str, description: str, *children: object) -> Markup:
    """The drawing; its description is what a screen reader says instead of the shapes."""
    return tag(
        "svg",
        tag("desc", description),
        *children,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=round(width),
        height=round(height),
        role="img",
        aria_label=f"{title}. {description}",
    )


def figure(
    title: str, drawing: object, caption: object = "", note: str = "", scroll: bool = False
) -> Markup:
    """A titled drawing; `note` stands beside the title, `caption` beneath the drawing.

    A drawing much wider than a phone sets `scroll`: it then moves sideways inside its own box.
    """
    if scroll:
        drawing = tag("div", drawing, class_="scroll", tabindex=0, role="group", aria_label=title)
    heading = tag("h3", title, tag("small", f" {note}") if note else None)
    told = tag("figcaption", caption) if caption else None
    return tag("figure", heading, drawing, told, class_="wide" if scroll else None)


def row(*figures: object) -> Markup | None:
    """Figures side by side as far as they fit."""
    kept = [f for f in figures if f is not None]
    return tag("div", kept, class_="plots") if kept else None


def dash(index: int) -> str | None:
    return _DASHES[index % len(_DASHES)]


def series(index: int) -> int:
    """The colour of method `index`; after the last colour they start again, with another dash."""
    return index % NUM_SERIES


def clip(name: str, length: int = 13) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def text_width(names: Iterable[str]) -> float:
    """Pixels the longest name needs, about."""
    return 6.3 * max((len(name) for name in names), default=0)


def legend(items: Iterable[tuple[Markup, str]]) -> Markup:
    """Symbols with their names."""
    return tag(
        "ul", [tag("li", symbol, tag("span", name)) for symbol, name in items], class_="legend"
    )


def line_symbol(index: int) -> Markup:
    stroke = tag(
        "line", x1=1, x2=27, y1=6, y2=6, class_=f"s{series(index)}",
        stroke_width=2.6 if index == 0 else 1.8, stroke_dasharray=dash(index),
    )  # fmt: skip
    return tag("svg", stroke, width=28, height=12, aria_hidden="true")


def box_symbol(class_: str | None = None, fill: str | None = None) -> Markup:
    box = tag("rect", width=12, height=12, rx=2, class_=class_, fill=fill)
    return tag("svg", box, width=12, height=12, aria_hidden="true")


def hover(*parts: object) -> Markup:
    """What the mouse shows over a shape."""
    known = [part for part in parts if part is not None]
    return tag("title", " · ".join(number(p) if isinstance(p, float) else str(p) for p in known))
