"""Blocks: whatever a user's file says stays text, in every place where a block shows it."""

import re

import pytest
from markupsafe import Markup

from dull_jax.report import blocks

HOSTILE = "</p><script>\"'&\x00\x1b\u202e"
ESCAPED = "&lt;/p&gt;&lt;script&gt;&#34;&#39;&amp;\ufffd\ufffd\ufffd"

HOLDERS = {
    "section": lambda text: blocks.section("id", text, [text]),
    "folded section": lambda text: blocks.section("id", text, [text], True),
    "text": lambda text: blocks.text(text, "soft"),
    "row": lambda text: blocks.row([None, text]),
    "figure": lambda text: blocks.figure(text, text, text, text),
    "wide figure": lambda text: blocks.figure(text, text, scroll=True),
    "legend": lambda text: blocks.legend([text, blocks.swatch(text, "var(--s0)")]),
    "swatch": lambda text: blocks.swatch(text, "var(--s0)", "line", [7, 3]),
    "table": lambda text: blocks.table(
        [text], [(text, {"text": text, "look": "best"})], text, note=text
    ),
    "tiles": lambda text: blocks.tiles([(text, text)]),
    "topics": lambda text: blocks.topics([(text, text)]),
    "counts": lambda text: blocks.counts([(text, 3)], ""),
    "no counts": lambda text: blocks.counts([], text),
    "details": lambda text: blocks.details(text, text),
    "command": lambda text: blocks.command([text, text]),
    "steps": lambda text: blocks.steps([(text, text, [text])]),
    "cards": lambda text: blocks.cards([text]),
    "card": lambda text: blocks.card(text, text, text, text, text, text + "!"),
    "right card": lambda text: blocks.card(text, text, text, text, true_class=text),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_text_is_escaped(name):
    shown = str(HOLDERS[name](HOSTILE)).replace("<wbr>", "")  # where a path may break
    assert ESCAPED in shown and "<script" not in shown
    assert not set(shown) & set("\x00\x1b\u202e")
    assert shown.count(ESCAPED) == HOLDERS[name]("§").count("§")


def test_every_block_is_tried():
    source = blocks._templates().loader.get_source(None, "blocks.html")[0]
    assert set(re.findall(r"macro ([a-z]\w*)", source)) == set(HOLDERS) - {
        "folded section",
        "wide figure",
        "no counts",
        "right card",
    }


def test_a_block_that_is_none():
    with pytest.raises(AttributeError, match="no macro 'figur'"):
        blocks.figur("a", "b")


def test_a_page_escapes_its_own_words():
    page = blocks.page(HOSTILE, HOSTILE, HOSTILE, [HOSTILE], [HOSTILE], HOSTILE, {"a": HOSTILE})
    assert page.count(ESCAPED) == 7 and "<script" not in page


def test_markup_is_kept_and_none_is_nothing():
    assert "<p>a</p>" in blocks.row([None, Markup("<p>a</p>")])
    assert blocks.row([None]).strip() == ""
    assert "None" not in blocks.page("", "", "", [None], [None], "")


def test_a_lone_surrogate_becomes_a_question_mark():
    assert blocks.clean("caf\udce9") == "caf?"


def test_a_command_can_be_copied_and_a_folded_section_is_closed():
    assert re.sub("<.*?>", "", blocks.command(["dull_jax", "--run=a b"])) == "dull_jax --run=a b\n"
    folded = blocks.section("id", "Title", ["text"], folded=True)
    assert "<details><summary><h2>Title</h2></summary>" in folded and " open" not in folded


def test_a_table_marks_its_own_row_and_its_headers():
    shown = blocks.table(["a", "b"], [("x", 1), ("y", 2)], own=1)
    assert shown.count('<th scope="col">') == 2 and shown.count('<th scope="row">') == 2
    assert '<tr class="own"><th scope="row">y' in shown
    assert "<thead>" not in blocks.table([], [("x", 1)])
