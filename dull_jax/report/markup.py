"""HTML and SVG from functions that escape every string, and numbers that may be unknown.

Class names, ids and config values come from users' files. `tag` is the only place where markup is
made, and it escapes whatever is not `Markup` already, so a hostile name cannot become markup.
"""

import html
import math
from collections.abc import Iterable

NA = "n/a"

# Control characters are not allowed in HTML, and the bidirectional overrides among the format
# characters would let a file name show itself backwards.
_FORBIDDEN = {
    code: "\ufffd"
    for code in (
        *range(9),
        11,
        12,
        *range(14, 32),
        127,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}


class Markup(str):
    """Text that is HTML or SVG already."""


def text(value: object) -> Markup:
    """Escapes `value`, unless it is Markup."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(str(value).translate(_FORBIDDEN), quote=True))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """`<name attributes>children</name>`.

    Args:
      name: element name; a childless SVG or void element closes itself.
      *children: strings are escaped, Markup is kept, None is left out, lists are flattened.
      **attributes: None and False are left out; `class_` is class, `aria_label` is aria-label.

    >>> tag("b", "1 < 2", class_="best")
    '<b class="best">1 &lt; 2</b>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_short(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if not children and name in _CHILDLESS:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


_CHILDLESS = {"meta", "img", "br", "rect", "line", "path", "circle", "image"}


def join(children: Iterable[object], separator: str = "") -> Markup:
    """Children in a row: escaped, flattened, None left out."""
    parts = []
    for child in children:
        if isinstance(child, list | tuple):
            parts.append(join(child))
        elif child is not None:
            parts.append(text(child))
    return Markup(separator.join(parts))


def _short(value: object) -> object:
    """Coordinates to a tenth of a pixel: a report for 100 classes holds thousands of them."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def finite(value: object) -> float | None:
    """The number, or None where it is absent, not a number, nan or infinite."""
    try:
        number = None if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and math.isfinite(number) else None


def number(value: object, digits: int = 1, unit: str = "") -> str:
    """'85.2 %' or 'n/a'; the space before the unit does not break."""
    known = finite(value)
    if known is None:
        return NA
    return f"{known:,.{digits}f}" + (f"\u00a0{unit}" if unit else "")


def percent(share: object, digits: int = 1) -> str:
    """A share in [0, 1] as '85.2 %', or 'n/a'."""
    known = finite(share)
    return number(None if known is None else 100 * known, digits, "%")


def table(
    head: Iterable[object], rows: Iterable[Iterable[object]], class_: str = "", caption: str = ""
) -> Markup:
    """A table in a box that scrolls sideways by itself; the first cell of a row is its header.

    A row whose first item is a dict gives the attributes of its `<tr>`.
    """
    body = []
    for row in rows:
        first, *rest = row
        attributes = first if isinstance(first, dict) else {}
        name, *rest = rest if isinstance(first, dict) else (first, *rest)
        cells = [c if _is_cell(c) else tag("td", c) for c in rest]
        body.append(tag("tr", tag("th", name, scope="row"), cells, **attributes))
    top = [c if _is_cell(c) else tag("th", c, scope="col") for c in head]
    grid = tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", top)) if top else None,
        tag("tbody", body),
        class_=class_ or None,
    )
    return tag(
        "div", grid, class_="scroll", tabindex=0, role="group", aria_label=caption or "table"
    )


def _is_cell(item: object) -> bool:
    return isinstance(item, Markup) and item.startswith(("<td", "<th"))
