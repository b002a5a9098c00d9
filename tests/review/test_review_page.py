"""The files of the page: what they must never contain, and what they share with the reports."""

import pathlib
import re

from dull_jax import report, review

PAGE = pathlib.Path(review.__file__).parent / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))


def test_the_page_has_no_script_or_style_of_its_own():
    text = (PAGE / "review.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:", text)


def test_names_are_set_as_text():
    assert SCRIPTS
    for path in SCRIPTS:
        found = re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|"
                          r"new Function|setAttribute\('(style|on)", path.read_text())  # fmt: skip
        assert not found, f"{path.name}: {found}"


def test_colours_are_those_of_the_reports():
    ours = colours((PAGE / "review.css").read_text())
    theirs = colours((pathlib.Path(report.__file__).parent / "templates/style.css").read_text())
    shared = ours[0].keys() & theirs[0].keys()
    assert {"page", "card", "ink", "soft", "line", "accent", "good", "bad"} <= shared
    for own, other in zip(ours, theirs, strict=True):
        assert {name: own[name] for name in shared} == {name: other[name] for name in shared}


def colours(text):
    """Of the light and of the dark scheme, by name."""
    blocks = re.findall(r":root\{(.*?)\n\}", text, re.S)
    assert len(blocks) == 2
    return [dict(re.findall(r"--([\w-]+):(#\w+)", block)) for block in blocks]
