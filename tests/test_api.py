"""What `from dull_jax import …` offers: all of it there, its examples true."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import dull_jax
from dull_jax import api


@pytest.mark.parametrize("name", dull_jax.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(dull_jax, name).__doc__


@pytest.mark.parametrize(
    "name",
    (
        "dull_jax",
        "dull_jax.recipe_files",
        *(f"dull_jax.api.{module.name}" for module in pkgutil.iter_modules(api.__path__)),
    ),
)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="audit_label"):
        dull_jax.audit_label  # noqa: B018


def test_importing_the_package_imports_no_jax():
    code = "import sys, dull_jax; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
