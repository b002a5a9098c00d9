"""An extension of Griffe (mkdocs.yml): doctests of docstrings as blocks of code."""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^( *)>>> .*(?:\n[ ]*\S.*)*", re.MULTILINE)


class DoctestBlocks(griffe.Extension):
    """Without it only a section `Examples:` would be code, and the rest a nested quotation."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """
    >>> fenced("What it does.\\n\\n>>> 1 + 1\\n2").splitlines()
    ['What it does.', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    return _DOCTEST.sub(lambda m: f"{m[1]}```pycon\n{m[0]}\n{m[1]}```", docstring)
