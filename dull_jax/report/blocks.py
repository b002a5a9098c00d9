"""What a page is made of: the macros of `templates/blocks.html`, called as functions.

    blocks.figure("Accuracy", drawing, note="in %")   # -> Markup

Class names, ids and settings come from users' files: the templates escape every string that is
not Markup, so a hostile name cannot become markup.
"""

import functools
from collections.abc import Callable, Iterable, Mapping

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
    """What a template prints: Markup is HTML already, None is nothing."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else clean(value)


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


def __getattr__(name: str) -> Callable[..., Markup]:
    """The macro of that name; its arguments are described beside it."""
    macro = getattr(_templates().get_template("blocks.html").module, name, None)
    if name.startswith("_") or macro is None:
        raise AttributeError(f"templates/blocks.html has no macro {name!r}")
    return macro


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
    return _templates().get_template("page.html").render(
        title=title, eyebrow=eyebrow, heading=heading, lead=lead, body=body, footer=footer,
        nav=nav or {}, css=Markup(css()),
    )  # fmt: skip
