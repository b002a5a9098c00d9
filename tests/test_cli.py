"""Exit codes and one-line errors of every command, in processes of their own."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from outside import LONG

ROOT = str(pathlib.Path(__file__).parent.parent)
PROGRAM = """
from absl import flags, logging
from ml_collections import config_flags
from dull_jax import cli, errors

CONFIG = config_flags.DEFINE_config_file("config", None, "recipe")
RAISE = flags.DEFINE_string("raise", "", "an error")

def main(argv):
    if RAISE.value:
        kinds = {"user": errors.UserError, "stop": errors.Stopped, "bug": KeyError}
        raise kinds[RAISE.value]("a\\nb")
    logging.info("of a library")
    print("ran", argv[1:], CONFIG.value and CONFIG.value.lr)

if __name__ == "__main__":
    cli.run(main)
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

    def run(*arguments, **variables):
        arguments = [a.replace("DIR", str(tmp_path)) for a in arguments]
        command = [sys.executable, str(tmp_path / "program.py"), *arguments]
        environ = os.environ | {"PYTHONPATH": ROOT} | variables
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


def test_a_recipe_below_home(call, tmp_path):
    done = call("--config=~/x.py", HOME=str(tmp_path))
    assert done.returncode == 0 and done.stdout == "ran [] 0.1\n"


NUMBERS = """
import jax, jax.numpy as jnp
from dull_jax import cli

def main(argv):
    key = jax.random.key(0)
    x = jnp.arange(6).reshape(3, 2) * 0.5 + jnp.ones(2) * jnp.float32(1)
    print(x.dtype, (x + jax.random.normal(key, (2,))).tolist(), jax.random.key_data(key))

cli.run(main)
"""


@pytest.mark.parametrize(
    "variables",
    [
        {"JAX_ENABLE_X64": "1", "JAX_NUMPY_RANK_PROMOTION": "raise"},
        {"JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_DEFAULT_PRNG_IMPL": "rbg"},
        {"JAX_THREEFRY_PARTITIONABLE": "0", "JAX_RANDOM_SEED_OFFSET": "7", "JAX_DISABLE_JIT": "1"},
    ],
)
def test_variables_change_no_number(tmp_path, variables):
    """Each of them would change a type, a random number, or end in an error."""

    def run(**variables):
        command = [sys.executable, "-c", NUMBERS]
        environ = os.environ | {"PYTHONPATH": ROOT} | variables
        return subprocess.run(command, capture_output=True, text=True, timeout=LONG, env=environ)

    plain, found = run(), run(**variables)
    assert found.returncode == 0 and found.stdout == plain.stdout != "", found.stderr
    for name in variables:
        assert f"note: {name}=" in found.stderr


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("main", "workdir"),
        ("prepare", "data_dir"),
        ("audit", "apply"),
        ("predict", "run"),
        ("export", "output"),
    ],
)
def test_a_path_flag_that_is_empty(tmp_path, command, flag):
    """`--workdir=$UNSET`: nothing is written into the current folder."""
    words = {
        "main": [f"--config={ROOT}/configs/digits_t2h.py"],
        "prepare": ["digits"],
        "audit": ["--run=x"],
        "predict": ["--input=x", "--output=x.csv"],
        "export": ["--run=x"],
    }[command]
    done = subprocess.run(
        [sys.executable, "-m", f"dull_jax.{command}", *words, f"--{flag}="],
        capture_output=True,
        text=True,
        timeout=LONG,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ROOT},
    )
    assert done.returncode == 2 and f"--{flag} is empty" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.fixture
def readable_package():
    """Where everybody may read a copy of the package; a checkout may be private."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(pathlib.Path(ROOT, "dull_jax"), pathlib.Path(place, "dull_jax"))
        os.chmod(place, 0o755)
        yield place


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to be nobody")
def test_a_user_without_name_and_home(call, readable_package, tmp_path):
    """`docker run -u 54321`: no cache, no traceback."""
    environ = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    become = "main([])  # imports what nobody may read\nos.setgid(54321); os.setuid(54321)\n"
    text = "import os\n" + NUMBERS.replace("cli.run", become + "cli.run")
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=LONG,
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": readable_package},
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_what_libraries_tell_is_not_printed_unless_asked_for(call):
    assert "of a library" not in call().stderr
    assert "of a library" in call("--verbosity=0").stderr
