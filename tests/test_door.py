"""Exit codes and one-line errors of every command, in processes of their own."""

import os
import pathlib
import subprocess
import sys

import pytest

from outside import LONG

PROGRAM = """
from absl import flags
from ml_collections import config_flags
from dull_jax import door, errors

CONFIG = config_flags.DEFINE_config_file("config", None, "recipe")
RAISE = flags.DEFINE_string("raise", "", "an error")

def main(argv):
    if RAISE.value:
        kinds = {"user": errors.UserError, "stop": errors.Stopped, "bug": KeyError}
        raise kinds[RAISE.value]("a\\nb")
    print("ran", argv[1:], CONFIG.value and CONFIG.value.lr)

if __name__ == "__main__":
    door.run(main)
"""

CONFIG = """
import ml_collections
from dull_jax.errors import UserError

def get_config(arg=""):
    if arg == "value":
        raise ValueError("no such variant")
    if arg == "user":
        raise UserError("choose a variant")
    if arg == "bug":
        return undefined
    return ml_collections.ConfigDict({"lr": 0.1, "epochs": 3})
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "x.py").write_text(CONFIG)
    (tmp_path / "syntax.py").write_text("def get_config(:\n")

    def run(*arguments):
        arguments = [a.replace("DIR", str(tmp_path)) for a in arguments]
        command = [sys.executable, str(tmp_path / "program.py"), *arguments]
        environ = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parent.parent)}
        return subprocess.run(command, capture_output=True, text=True, timeout=LONG, env=environ)

    return run


def test_success_and_help_leave_with_0(call):
    done = call("--config=DIR/x.py", "--config.lr=0.5", "word")
    assert done.returncode == 0 and done.stdout == "ran ['word'] 0.5\n" and done.stderr == ""
    assert call("--help").returncode == 0


def test_a_bug_keeps_its_traceback(call):
    done = call("--raise=bug")
    assert done.returncode == 1 and "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--raise=user"], 2, "dull_jax: a b\n"),
        (["--raise=stop"], 75, "dull_jax: a b\n"),
        (["--rais=user"], 2, "Did you mean: raise"),
        (["--config=DIR/none.py"], 2, "No such file or directory"),
        (["--config=DIR/syntax.py"], 2, "invalid syntax"),
        (["--config=DIR/x.py:value"], 2, "no such variant"),
        (["--config=DIR/x.py:user"], 2, "dull_jax: choose a variant\n"),
        (["--config=DIR/x.py:bug"], 2, "x.py:11)"),
        (["--config=DIR/x.py", "--config.epoch=3"], 2, "no key 'epoch' Did you mean \"epochs\""),
        (["--config=DIR/x.py", "--config.nonsense=3"], 2, "no key 'nonsense'"),
        (["--config=DIR/x.py", "--config.epochs=1.5"], 2, "config.epochs=1.5"),
    ],
)
def test_what_the_user_can_mend_is_one_line(call, arguments, code, expected):
    done = call(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("dull_jax: ") and expected in done.stderr
