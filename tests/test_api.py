"""What `from dull_jax import …` offers: all of it there, its examples true."""

import subprocess
import sys

import pytest

import dull_jax


@pytest.mark.parametrize("name", dull_jax.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(dull_jax, name).__doc__


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="audit_label"):
        dull_jax.audit_label  # noqa: B018


def test_importing_the_package_imports_no_jax():
    code = "import sys, dull_jax; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
