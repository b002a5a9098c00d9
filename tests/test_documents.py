"""The measured tables in README and docs are those of the committed result files."""

import pytest

from benchmarks import documents, figures


@pytest.mark.parametrize("path", documents.DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_those_of_the_results(path):
    text = path.read_text()
    assert documents.rendered(text) == text, "run `make results`"


def test_figures_are_those_of_the_results():
    for name, text in figures.drawn().items():
        assert (figures.FIGURES / name).read_text() == text, "run `make results`"


def test_every_table_is_used():
    text = "".join(path.read_text() for path in documents.DOCUMENTS)
    assert {name for _, name, _ in documents._BLOCK.findall(text)} == set(documents.TABLES)


def test_a_document_that_lies_is_mended():
    block = "before\n<!-- results: fused -->\nwrong\n<!-- end -->\nafter"
    made = documents.rendered(block)
    assert "wrong" not in made and "| mini, 64 |" in made and made.endswith("\nafter")
    assert documents.rendered(made) == made
    with pytest.raises(KeyError):
        documents.rendered("<!-- results: nothing -->\n<!-- end -->")
