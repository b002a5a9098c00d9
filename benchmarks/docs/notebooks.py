"""Measures nothing: runs the tutorials, as a reader would, each in an empty folder.

    python -m benchmarks.docs.notebooks [NAME ...]

Takes about two minutes on two cores.
Writes the outputs into docs/tutorials/*.ipynb.
"""

import argparse
import os
import pathlib
import sys
import tempfile
from collections.abc import Mapping
from typing import Any
from unittest import mock

import nbformat
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
_CHECK = '\nassert _exit_code == 0, "the command failed"'  # IPython goes on without a word


def executed(
    path: pathlib.Path, folder: pathlib.Path, parameters: Mapping[str, Any] | None = None
) -> nbformat.NotebookNode:
    """The notebook with the outputs of now, run in `folder`.

    Args:
      parameters: replace those of its cell with the metadata `parameters`; the text stays.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell failed, or a command in it.
    """
    notebook = nbformat.read(path, as_version=4)
    sources = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:
        if cell.metadata.get("parameters"):
            cell.source += "".join(f"\n{k} = {v!r}" for k, v in (parameters or {}).items())
        if cell.cell_type == "code" and "\n!" in f"\n{cell.source}":
            cell.source += _CHECK
    _run(notebook, folder)
    for cell, source in zip(notebook.cells, sources, strict=True):
        cell.source = source
        cell.metadata.pop("execution", None)  # when each line ran
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/jpeg", None)  # PNG says the same
    return notebook


def _run(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> None:
    here = {
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONWARNINGS": "ignore::RuntimeWarning",  # JAX's, of the fork by which IPython runs `!`
    }
    with mock.patch.dict(os.environ, here):
        client = NotebookClient(
            notebook,
            timeout=300,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        client.execute()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of tutorials; all without it")
    names = parser.parse_args().names
    for path in TUTORIALS:
        if not names or path.stem in names:
            with tempfile.TemporaryDirectory() as folder:
                nbformat.write(executed(path, pathlib.Path(folder)), path)
            print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
