"""Recipes by name: found from any folder, a file wins, and `configs` leads to the right folder."""

import pathlib
import sys

import pytest

import commands
from dull_jax import recipe_files
from dull_jax.errors import UserError
from outside import our_line

ROOT = str(pathlib.Path(__file__).parent.parent)
OWN = """
from configs import base

def get_config():
    config = base.get_config()
    config.seed = 7
    return config
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder that is no checkout, in a process that has not imported `configs`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.path[:] = [
        part for part in sys.path if part not in ("", ROOT)
    ]  # undone with the line above
    loaded = [name for name in sys.modules if name.partition(".")[0] == "configs"]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize("name", recipe_files.names())
def test_every_recipe_is_loaded_by_its_name(elsewhere, name):
    assert recipe_files.load(name).seed == 0
    assert not [module for module in sys.modules if module.partition(".")[0] == "configs"]


def test_arguments_follow_a_name():
    config = recipe_files.load("mini/cifar10:method=la,rate=0.4")
    assert config.method == "la" and config.noise.rate == 0.4
    with pytest.raises(UserError, match="did you mean 'method'"):
        recipe_files.load("folder:metod=la")


def test_a_file_wins(elsewhere):
    (elsewhere / "mine.py").write_text(OWN)
    assert recipe_files.located("mine.py:a=b") == "mine.py:a=b"
    assert recipe_files.load("mine.py").seed == 7
    (elsewhere / "digits_t2h").mkdir()  # a folder of that name is no recipe
    assert recipe_files.load("digits_t2h").data.name == "digits"


def test_a_file_that_is_no_recipe(elsewhere):
    (elsewhere / "digits_t2h").write_text("mine")
    assert recipe_files.load("digits_t2h").data.name == "digits"
    (elsewhere / "notes").write_text("mine")
    with pytest.raises(UserError, match=r"notes: a recipe is a Python file"):
        recipe_files.load("notes")


def test_neighbours_of_a_recipe_are_its_own(elsewhere):
    """`configs` of another project, with a `base` of its own, is in the way of none."""
    other = elsewhere / "configs"
    other.mkdir()
    (other / "__init__.py").write_text("")
    (other / "base.py").write_text("def get_config():\n    raise ValueError('not mine')\n")
    import configs

    assert recipe_files.load("folder").data.name == "folder"
    assert sys.modules["configs"] is configs, "as it was before"


def test_an_own_folder_of_recipes_has_base_too(elsewhere):
    (elsewhere / "configs").mkdir()
    (elsewhere / "configs" / "start.py").write_text(OWN)
    (elsewhere / "configs" / "mine.py").write_text("from configs.start import get_config\n")
    assert recipe_files.load("configs/mine.py").seed == 7


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nope", "neither a file nor a recipe; recipes are base, cifar100_features, "),
        ("cifar", "neither a file nor a recipe"),  # a helper
        ("../folder", "neither a file nor a recipe"),
        ("configs/folder.py", "no such file here; the recipe itself is --config=folder"),
        ("configs/nope.py", "there is no such recipe"),
        ("", "--config is empty"),
        ("a\nb", r"a\nb"),
    ],
)
def test_what_is_no_recipe(elsewhere, named, said):
    with pytest.raises(UserError) as caught:
        recipe_files.load(named)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_names_on_the_command_line(tmp_path):
    for words in (["--config=nope"], ["--config", "nope"]):
        done = commands.run("dull_jax.main", *words, "--workdir=run", cwd=tmp_path)
        assert done.returncode == 2 and "mini/cifar10" in our_line(done.stderr)
    helped = commands.run("dull_jax.main", "--help", "--config", "folder:seed=5", cwd=tmp_path)
    assert helped.returncode == 0 and "--config.seed=5 " in helped.stdout
    assert not list(tmp_path.iterdir())
