"""The measured tables in README and docs are those of the committed result files."""

import pathlib
import re
import sys

import pytest

from benchmarks.docs import dull_tables, figures, render
from benchmarks.docs.tables import TABLES
from benchmarks.result_file import RESULTS, read


@pytest.mark.parametrize("path", render.DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_those_of_the_results(path):
    text = path.read_text()
    assert render.rendered(text) == text, "run `make results`"


def test_figures_are_those_of_the_results():
    for name, text in figures.drawn().items():
        assert (figures.FIGURES / name).read_text() == text, "run `make results`"


def test_every_table_is_used():
    text = "".join(path.read_text() for path in render.DOCUMENTS)
    assert {name for _, name, _ in render.BLOCK.findall(text)} == set(TABLES)


def test_every_result_is_used():
    """By a table, by a figure, or by its name in a document."""
    used = set(_opened(lambda: (figures.drawn(), [made() for made in TABLES.values()])))
    text = "".join(path.read_text() for path in render.DOCUMENTS)
    unused = {str(path.relative_to(RESULTS)) for path in RESULTS.rglob("*.json")} - used
    assert {name for name in unused if f"results/{name}" not in text} == set()


def _opened(work):
    """The result files that `work` opens, by their paths below benchmarks/results."""
    opened, listening = [], True

    def listen(event, arguments):
        if listening and event == "open" and str(arguments[0]).startswith(str(RESULTS)):
            opened.append(str(pathlib.Path(arguments[0]).relative_to(RESULTS)))

    sys.addaudithook(listen)  # it cannot be taken away again, only told to be quiet
    work()
    listening = False
    return opened


def test_runs_of_several_settings_are_not_averaged():
    run = {"seed": 0, "accuracy": {"last": 90.0, "tail": 80.0}}
    assert dull_tables.cell([run, run | {"seed": 1}]).startswith("90.0")
    with pytest.raises(ValueError, match="several settings"):
        dull_tables.cell([run, run])


def test_flops_in_the_text_are_those_of_the_result():
    ratios = [row["ratio"] for row in read("speed/cost.json")["methods"]]
    text = (render.ROOT / "docs" / "speed.md").read_text()
    assert f"{min(ratios):.2f} to {max(ratios):.2f} of them" in text


def test_a_wrong_table_is_replaced():
    block = "before\n<!-- results: fused -->\nwrong\n<!-- end -->\nafter"
    text = render.rendered(block)
    assert "wrong" not in text and "| mini, 64 |" in text and text.endswith("\nafter")
    assert render.rendered(text) == text
    with pytest.raises(KeyError):
        render.rendered("<!-- results: nothing -->\n<!-- end -->")


@pytest.mark.parametrize("page", render.DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(page):
    folders, rooms = (
        "tests|configs|launch|benchmarks|docs",
        "data|stats|models|methods|train|run_dir",
    )
    for name in re.findall(rf"`((?:{folders}|dull_jax)/[\w/]+\.\w+)`", page.read_text()):
        assert (render.ROOT / name).exists(), name
    for name in re.findall(rf"`((?:{rooms})/[\w/]+)`", page.read_text()):
        assert any((render.ROOT / "dull_jax").glob(f"{name}*")), name
