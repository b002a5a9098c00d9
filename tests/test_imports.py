"""An import never points left: the layers of docs/architecture.md, walked in the source."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent / "dull_jax"
LAYERS = (
    {
        "errors",
        "names",
        "memory",
        "machine",
        "streams",
        "progress",
        "invocation",
        "jax_settings",
    },
    {"files", "fields", "restricted_pickle"},
    {"run_dir"},
    {"data"},
    {"models"},
    {"losses", "contrastive_losses", "mixmatch", "optim", "stats"},
    {"methods"},
    {"config"},
    {"train", "embed"},
    {"report", "inference"},
    {"cli", "door", "recipe_files"},
    {"audit", "main", "prepare", "predict", "export"},
    {"review"},
    {"api"},
)


def layer(module: str) -> int:
    """Of 'dull_jax.data.noise' or of the file data/noise.py; a `__main__` is a command."""
    if module.endswith(".__main__"):
        return len(LAYERS) - 1
    name = module.split(".")[1] if "." in module else ""
    return next((n for n, names in enumerate(LAYERS) if name in names), -1)


def imports(path: pathlib.Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dull_jax"):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("dull_jax")]
    return found


FILES = [p for p in ROOT.rglob("*.py") if p.name != "__init__.py" or p.parent != ROOT]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_right(path):
    module = "dull_jax." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert layer(module) >= 0, "a file outside the layers"
    for other in imports(path):
        assert 0 <= layer(other) <= layer(module), f"{module} imports {other}"


def test_the_package_needs_no_tensorflow():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(n.split(".")[0] == "tensorflow" for n in names), path


def test_the_package_uses_no_private_part_of_jax():
    assert not [path for path in ROOT.rglob("*.py") if "jax._src" in path.read_text()]
