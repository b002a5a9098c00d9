"""The sections of a report: each file of this folder is one, found by listing the folder.

A section has a `TITLE`, an `ORDER` on the page, perhaps a shorter `LINK` for the links at the top,
and `content(run)`: its blocks (`dull_jax.report.blocks`), or None without the files it needs. The
name of the file is the id that links lead to.

Where nobody knows the true labels, the reader is the owner of the images: what is wrong comes
first, then what the classifier can do, then what to do next. `OWN` is a section's place there.
"""

from types import ModuleType
from typing import NamedTuple

from markupsafe import Markup

from dull_jax import fields
from dull_jax.report import blocks
from dull_jax.report.run import Run


class Place(NamedTuple):
    """Where a section stands and what it is called; "" for the `TITLE` of the file.

    folded: only its title is seen until it is clicked.
    """

    order: int
    title: str = ""
    link: str = ""
    folded: bool = False


def of(run: Run) -> tuple[list[Markup], dict[str, str]]:
    """The sections that `run` has the files for, in order, and {id: link text} for each."""
    sections, links = [], {}
    placed = [(module, _place(module, run)) for module in _modules()]
    for module, place in sorted(placed, key=lambda pair: pair[1].order):
        content = module.content(run)
        if content is not None:
            id = module.__name__.rpartition(".")[2]
            sections.append(blocks.section(id, place.title, content, place.folded))
            links[id] = place.link
    return sections, links


def _place(module: ModuleType, run: Run) -> Place:
    link = getattr(module, "LINK", module.TITLE)
    own = getattr(module, "OWN", Place(module.ORDER)) if run.in_doubt else Place(module.ORDER)
    return own._replace(title=own.title or module.TITLE, link=own.link or own.title or link)


def _modules() -> list[ModuleType]:
    return sorted(fields.kinds(__name__).values(), key=lambda module: module.ORDER)
