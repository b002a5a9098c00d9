"""Blocks: whatever a user's file says stays text, in every place where a block shows it."""

import dataclasses

import pytest
from markupsafe import Markup

from dull_jax.report import blocks

HOSTILE = "</p><script>\"'&\x00\x1b\u202e"
ESCAPED = "&lt;/p&gt;&lt;script&gt;&#34;&#39;&amp;\ufffd\ufffd\ufffd"

HOLDERS = {
    "section": lambda text: blocks.Section("id", text, [blocks.Text(text)]),
    "bold": blocks.Bold,
    "figure": lambda text: blocks.Figure(text, text, text, text),
    "wide figure": lambda text: blocks.Figure(text, text, scroll=True),
    "row": lambda text: blocks.Row([None, text]),
    "stack": lambda text: blocks.Stack([text]),
    "legend": lambda text: blocks.Legend([blocks.Swatch(text, "var(--s0)", "line", (7, 3))]),
    "table": lambda text: blocks.Table(
        [text], [(text, blocks.Cell(text, "best"))], text, note=text
    ),
    "tiles": lambda text: blocks.Tiles([(text, text)]),
    "topics": lambda text: blocks.Topics([(text, text)]),
    "counts": lambda text: blocks.Counts([(text, 3)], none=""),
    "no counts": lambda text: blocks.Counts([], none=text),
    "details": lambda text: blocks.Details(text, text),
    "code": blocks.Code,
    "cards": lambda text: blocks.Cards([blocks.Card(text, text, text, text, text, text + "!")]),
    "right card": lambda text: blocks.Card(text, text, text, text, true=text),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_text_is_escaped(name):
    shown = HOLDERS[name](HOSTILE).__html__()
    assert ESCAPED in shown and "<script" not in shown
    assert not set(shown) & set("\x00\x1b\u202e")
    assert shown.count(ESCAPED) == HOLDERS[name]("§").__html__().count("§")


def test_every_block_is_tried():
    known = {type(make("")) for make in HOLDERS.values()} | {blocks.Text}
    assert known == set(blocks.Block.__subclasses__()) | {blocks.Bold, blocks.Stack}


def test_a_page_escapes_its_own_words():
    page = blocks.page(HOSTILE, HOSTILE, HOSTILE, [HOSTILE], [HOSTILE], HOSTILE, {"a": HOSTILE})
    assert page.count(ESCAPED) == 7 and "<script" not in page


def test_markup_is_kept_and_none_is_nothing():
    assert "<p>a</p>" in blocks.Row([None, Markup("<p>a</p>")]).__html__()
    assert blocks.Row([None]).__html__().strip() == ""
    assert "None" not in blocks.page("", "", "", [None], [None], "")


def test_a_lone_surrogate_becomes_a_question_mark():
    assert blocks.clean("caf\udce9") == "caf?"


def test_a_table_marks_its_own_row_and_its_headers():
    shown = blocks.Table(["a", "b"], [("x", 1), ("y", 2)], own=1).__html__()
    assert shown.count('<th scope="col">') == 2 and shown.count('<th scope="row">') == 2
    assert '<tr class="own"><th scope="row">y' in shown
    assert "<thead>" not in blocks.Table([], [("x", 1)]).__html__()


def test_blocks_are_values():
    assert all(dataclasses.is_dataclass(kind) for kind in blocks.Block.__subclasses__())
