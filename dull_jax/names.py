"""Names from outside (of files, of classes, cells of a table), as messages and pages show them."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from dull_jax.errors import UserError


def shown(text: str) -> str:
    r"""A name on one line, whatever is in it, unambiguous.

    >>> shown("rot\ngrün\udcff.png")
    'rot\\ngrün\\udcff.png'
    """
    return repr(text)[1:-1]


def composed(text: str) -> str:
    """Text in the one form in which names and paths are compared (Unicode NFC).

    >>> composed("cafe\u0301") == composed("caf\xe9")
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


# Control characters, those that turn text around or break lines, and halves of pairs. Line breaks
# and tabs are not among them, nor are blanks of other widths and what joins letters.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless(text: str) -> str:
    r"""Text of any number of lines as a terminal may have it: control characters spelt out.

    >>> harmless("a\x1b[2J\n\tb")
    'a\\x1b[2J\n\tb'
    """
    return UNSAFE.sub(lambda match: shown(match[0]), text)


def quoted(value: object) -> str:
    """A cell of a user's file, in a message: as `repr`, and not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def printable(source: str | os.PathLike, names: Iterable[str]) -> tuple[str, ...]:
    """Class names as messages, pages and tables have them: each on one line, all different.

    Raises:
      UserError: two look the same; names `source`.
    """
    printed = tuple(name if name.isprintable() else shown(name) for name in names)
    if len(set(printed)) < len(printed):
        name, _ = Counter(printed).most_common(1)[0]
        raise UserError(
            f"{shown(str(source))}: two classes are shown as {quoted(name)}; rename one"
        )
    return printed
