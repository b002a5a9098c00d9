"""The sections of a report: each file of this folder is one, found by listing the folder.

A section has a `TITLE`, an `ORDER` on the page, perhaps a shorter `LINK` for the links at the top,
and `content(run)`: its blocks (`dull_jax.report.blocks`), or None without the files it needs. The
name of the file is the id that links lead to.
"""

from types import ModuleType

from markupsafe import Markup

from dull_jax import fields
from dull_jax.report import blocks
from dull_jax.report.run import Run


def of(run: Run) -> tuple[list[Markup], dict[str, str]]:
    """The sections that `run` has the files for, in order, and {id: link text} for each."""
    sections, links = [], {}
    for module in _modules():
        content = module.content(run)
        if content is not None:
            id = module.__name__.rpartition(".")[2]
            sections.append(blocks.section(id, module.TITLE, content))
            links[id] = getattr(module, "LINK", module.TITLE)
    return sections, links


def _modules() -> list[ModuleType]:
    return sorted(fields.kinds(__name__).values(), key=lambda module: module.ORDER)
