"""File names of a run and of an audit are written down once."""

import ast
import pathlib

import dull_jax
from dull_jax.run_dir import layout

ROOT = pathlib.Path(dull_jax.__file__).parent
NAMES = {*layout.FILES, *layout.AUDIT_FILES} - {layout.LOCK}


def literals(path):
    """The texts in a program that are no docstrings."""
    tree = ast.parse(path.read_text())
    documented = [n for n in ast.walk(tree) if hasattr(n, "body") and isinstance(n.body, list)]
    firsts = [node.body[0] for node in documented if node.body]
    docstrings = {id(first.value) for first in firsts if isinstance(first, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def test_nobody_else_spells_them():
    for path in ROOT.rglob("*.py"):
        if path != ROOT / "run_dir" / "layout.py":
            spelt = [text for text in literals(path) for name in NAMES if name in text]
            assert not spelt, path


def test_what_a_path_belongs_to(tmp_path):
    assert layout.owner(tmp_path / "run" / layout.CONFIG) is None
    (tmp_path / "run").mkdir()
    for name in (layout.CONFIG, layout.LABELS):
        (tmp_path / "run" / name).touch()
    for name in ("metrics.jsonl", "checkpoints/3/x", "report/index.html", ".lock"):
        assert layout.owner(tmp_path / "run" / name) == tmp_path / "run"
    assert layout.owner(tmp_path / "run" / "audit" / "mine.csv") is None


def test_the_page_of_run_folders_names_every_file():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "runs.md").read_text()
    files = [*layout.FILES, *layout.AUDIT_FILES, layout.DECISIONS]
    folders = [f"{name}/" for name in (*layout.FOLDERS, layout.AUDIT)]
    assert [name for name in files + folders if f"`{name}`" not in page] == []
