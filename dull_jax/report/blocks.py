"""What a page is made of: blocks of data that the templates turn into HTML.

A section builds blocks; `templates/blocks.html` has one macro for each class, of the same name.
Class names, ids and settings come from users' files: the templates escape every string that is
not Markup, so a hostile name cannot become markup.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence

import jinja2
from markupsafe import Markup

from dull_jax.report import palette

# Control characters are not allowed in HTML, and the bidirectional overrides among the format
# characters would let a file name show itself backwards.
_FORBIDDEN = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    "\ufffd",
)


def clean(value: object) -> str:
    """`value` as text that HTML can hold: no control characters, no lone surrogates."""
    return str(value).translate(_FORBIDDEN).encode("utf-8", "replace").decode()


def _shown(value: object) -> object:
    """What a template prints: blocks and Markup are HTML already, None is nothing."""
    if value is None:
        return ""
    return value if hasattr(value, "__html__") else clean(value)


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("dull_jax.report"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def css() -> str:
    """The style sheet."""
    return _templates().get_template("style.css").render(scale=palette.scale_variables)


def page(
    title: str, eyebrow: str, heading: str, lead: Iterable[object], body: Iterable[object],
    footer: str, nav: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """A whole HTML document without scripts and without anything to load.

    Args:
      title: of the browser's tab.  eyebrow: a few words above the heading.
      lead: what stands below the heading.  body: the sections.
      nav: {id of a section: its name} of the links at the top.
    """
    template = _templates().get_template("page.html")
    return template.render(
        title=title, eyebrow=eyebrow, heading=heading, lead=lead, body=body, footer=footer,
        nav=nav or {}, css=Markup(css()),
    )  # fmt: skip


class Block:
    """Base of the blocks: shown by the macro that is named as the class, in lower case."""

    def __html__(self) -> Markup:
        macros = _templates().get_template("blocks.html").module
        return getattr(macros, type(self).__name__.lower())(self)


@dataclasses.dataclass(frozen=True)
class Section(Block):
    """A titled box; `id` is what links lead to."""

    id: str
    title: str
    content: Sequence[object]


@dataclasses.dataclass(frozen=True)
class Text(Block):
    """A paragraph; `look` is 'soft', 'soft before', 'note' or nothing."""

    text: str
    look: str = ""


@dataclasses.dataclass(frozen=True)
class Bold(Text):
    """A paragraph that must not be overlooked."""


@dataclasses.dataclass(frozen=True)
class Row(Block):
    """Figures side by side as far as they fit; those that are None are left out."""

    figures: Sequence[object]


@dataclasses.dataclass(frozen=True)
class Stack(Row):
    """Figures one below the other, as one item of a row."""


@dataclasses.dataclass(frozen=True)
class Figure(Block):
    """A titled drawing; `note` stands beside the title, `caption` and `legend` beneath.

    A drawing much wider than a phone sets `scroll`: it then moves sideways inside its own box.
    """

    title: str
    drawing: object
    caption: str = ""
    note: str = ""
    legend: "Legend | None" = None
    scroll: bool = False


@dataclasses.dataclass(frozen=True)
class Swatch:
    """A symbol of a legend and its name; `shape` is 'box', 'line', 'upright' or 'flat'."""

    name: str
    colour: str
    shape: str = "box"
    dash: Sequence[int] = (1, 0)


@dataclasses.dataclass(frozen=True)
class Legend(Block):
    items: Sequence[Swatch]


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a table with a look: 'left' or 'best'."""

    text: str
    look: str = ""


@dataclasses.dataclass(frozen=True)
class Table(Block):
    """A table in a box that scrolls sideways by itself; the first cell of a row is its header.

    Args:
      head, rows: text or `Cell`s; an empty head is left out.
      look: 'wide' for long text that may break.
      own: the row that stands out, if any.
      note: a sentence beneath; unlike a caption it stays where it is when the table scrolls.
    """

    head: Sequence[object]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    look: str = ""
    own: int | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Tiles(Block):
    """Large numbers: (value, what it is); the first stands out."""

    items: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Topics(Block):
    """Short texts beside each other, each with a heading."""

    items: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Counts(Block):
    """A list of (what, how many); `none` is said when it is empty."""

    items: Sequence[tuple[str, int]]
    none: str


@dataclasses.dataclass(frozen=True)
class Details(Block):
    """What is shown on a click."""

    title: str
    content: object


@dataclasses.dataclass(frozen=True)
class Code(Block):
    text: str


@dataclasses.dataclass(frozen=True)
class Card(Block):
    """A label in doubt, to be looked at.

    Args:
      name: of the image.  given: its class, as the label says.
      better: what to say after it, such as " → cat".
      score: how doubtful the label is, in words.
      picture: a data: address, where there is a picture.
      true: its true class, where that is known.
    """

    name: str
    given: str
    better: str
    score: str
    picture: str = ""
    true: str | None = None


@dataclasses.dataclass(frozen=True)
class Cards(Block):
    items: Sequence[Card]
