"""A page of its own: one HTML document without scripts and without anything to load."""

from dull_jax.report.markup import Markup, tag
from dull_jax.report.style import css


def document(title: str, *body: object) -> str:
    """The whole file; what is in `body` is what its <body> holds."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(css())),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", *body), lang="en") + "\n"
