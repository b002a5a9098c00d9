"""Nothing that can run code is read: pickles by one restricted reader, no eval, no shell."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent / "dull_jax"
FILES = sorted(ROOT.rglob("*.py"))
_UNPICKLERS = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
_RUN = {"eval", "exec", "compile", "__import__"}
_LOADS = {"torch.load", "yaml.load", "os.system", "os.popen", "pd.read_pickle", "np.fromregex"}


def calls(tree: ast.AST):
    """(the call, 'np.load') for each call of a name or an attribute of a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_unpickled_or_run(path):
    tree = ast.parse(path.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    allowed = {"pickle"} if path.name == "restricted_pickle.py" else set()
    assert not (imported & _UNPICKLERS) - allowed
    for call, name in calls(tree):
        assert name not in _RUN | _LOADS, f"line {call.lineno}: {name}"
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        assert options.get("shell", "False") == "False", f"line {call.lineno}: a shell"
        if name in ("np.load", "numpy.load", "np.lib.format.read_array"):
            assert options.get("allow_pickle") == "False", f"line {call.lineno}: {name}"


def test_the_one_unpickler_is_restricted():
    """How it refuses is in test_restricted_pickle; these are all that it may hand out."""
    from dull_jax import restricted_pickle
    from dull_jax.data.tfds import cifar_archive
    from dull_jax.models.weights import torch_legacy

    source = pathlib.Path(restricted_pickle.__file__).read_text()
    uses = [name for _, name in calls(ast.parse(source))]
    assert "find_class" in vars(restricted_pickle.Unpickler)
    assert not {"pickle.load", "pickle.loads", "pickle.Unpickler"} & set(uses)
    assert len(cifar_archive._ALLOWED_GLOBALS) == len(torch_legacy._ALLOWED) == 4
