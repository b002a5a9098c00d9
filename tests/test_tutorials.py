"""Every tutorial runs as it is printed, with fewer epochs, and shows outputs of such a run."""

import nbformat
import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

from benchmarks.docs import notebooks

QUICK = "any_probabilities"  # the others take half a minute each; `pytest -m benchmark`
RUN = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.benchmark] * (path.stem != QUICK))
    for path in notebooks.TUTORIALS
]


@pytest.mark.parametrize("path", RUN)
def test_a_tutorial_runs(path, tmp_path):
    """A failing cell, or a command that ends with an error, raises."""
    printed = nbformat.read(path, as_version=4)
    ran = notebooks.executed(path, tmp_path, {"EPOCHS": 2})
    assert [cell.source for cell in ran.cells] == [cell.source for cell in printed.cells]


@pytest.mark.parametrize("path", notebooks.TUTORIALS, ids=lambda path: path.stem)
def test_what_is_committed_was_run(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs and all(output.output_type != "error" for output in outputs)
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert path.stat().st_size < 200_000


def test_a_command_that_fails_is_an_error(tmp_path):
    cell = nbformat.v4.new_code_cell("!exit 3")
    path = tmp_path / "broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(Exception, match="the command failed"):
        notebooks.executed(path, folder)
