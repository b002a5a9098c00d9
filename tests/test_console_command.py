"""`dull-jax`: help on one screen without imports, subcommands as `python -m` runs them."""

import os
import pathlib
import subprocess
import sys
import tomllib

import pytest

import commands
from dull_jax import __main__ as console
from dull_jax import invocation
from outside import LONG, our_line

ROOT = pathlib.Path(__file__).parent.parent


def run(*words, **options):
    return commands.run("dull_jax", *words, **options)


def test_help_fits_a_screen_and_imports_nothing():
    code = (
        "import sys; sys.argv = ['dull-jax', '--help']\n"
        "from dull_jax import __main__ as console\n"
        "try: console.main()\n"
        "except SystemExit as end: code = end.code\n"
        "sys.exit(code or len({'jax', 'numpy', 'absl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert all(f"  {name} " in done.stdout for name in console.SUBCOMMANDS)


@pytest.mark.parametrize("name", console.SUBCOMMANDS)
def test_help_of_a_subcommand_begins_with_an_example(name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Example: dull-jax {name}")
    wanted = console.SUBCOMMANDS[name].module
    plain = commands.run(f"dull_jax.{wanted}", "--help")
    if name != "demo":  # whose recipe is known, and described
        assert done.stdout.partition("\n\n")[2] == plain.stdout


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["audit", "--help"]])
def test_help_to_nobody_says_nothing(words):
    """As of `dull-jax train --help | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "dull_jax", *words]
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adit"], "unknown subcommand 'adit'; did you mean 'audit'?"),
        (["x\ny"], "unknown subcommand 'x y'; there are demo, train"),
        (["--config=folder"], "unknown subcommand '--config=folder'"),
        ([], "name a subcommand: demo, train"),
    ],
)
def test_what_is_no_subcommand(words, said):
    done = run(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_exit_codes_are_those_of_the_modules(tmp_path):
    done = run("audit", cwd=tmp_path)
    assert done.returncode == 2 and "give --run" in our_line(done.stderr)
    done = run("predict", "word", cwd=tmp_path)
    assert done.returncode == 2 and "unexpected argument 'word'" in our_line(done.stderr)
    assert run("table", cwd=tmp_path).returncode == 2
    assert run("--version").stdout.startswith("dull_jax ")


def test_the_demo_in_small(tmp_path):
    """Flags that follow win; the report can be written again."""
    small = "--config.train.epochs=1 --config.model.width=8 --config.train.view=weak".split()
    done = run("demo", "--config=digits_t2h:method=ce", *small, "--config.compare=()", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = tmp_path / "runs/digits_t2h/report/index.html"
    text = report.read_text()
    report.unlink()
    again = run("report", "--run=runs/digits_t2h", cwd=tmp_path)
    assert again.stdout == "report: runs/digits_t2h/report/index.html\n", again.stderr
    assert report.read_text() == text
    nothing = run("report", "--run=nothing", cwd=tmp_path)
    assert nothing.returncode == 2 and "nothing" in our_line(nothing.stderr)


def test_commands_are_named_as_they_were_started(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["/x/bin/python3", "-m", "dull_jax.audit", "--run=a b"])
    assert invocation.named("main") == "python -m dull_jax.main"
    assert invocation.command_line() == "python3 -m dull_jax.audit '--run=a b'".replace(
        "python3", os.path.basename(sys.executable)
    )
    monkeypatch.setattr(sys, "orig_argv", ["/x/bin/python3", "/x/bin/dull-jax", "audit"])
    assert invocation.named("main") == "dull-jax train"
    assert invocation.named("audit") == "dull-jax audit"
    assert invocation.command_line() == "dull-jax audit"


@pytest.mark.parametrize("words, ours", [
    (["-m", "dull_jax.main"], True), (["-W", "ignore", "-m", "dull_jax"], True),
    (["-m", "mine"], False), (["-m", "pytest", "-m", "dull_jax"], False), (["-m"], False),
    (["/x/bin/dull-jax"], False), (["mine.py"], False),
])  # fmt: skip
def test_whose_signals_are_ours(monkeypatch, words, ours):
    """A program that imports dull_jax keeps its own."""
    monkeypatch.setattr(sys, "orig_argv", ["python3", *words])
    assert invocation.is_module() == ours


def test_the_recipes_are_built_into_the_package(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    words = ["-q", "build", "--build-base", str(tmp_path), "egg_info", "--egg-base", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "setup.py", *words], capture_output=True, text=True, cwd=ROOT, timeout=LONG
    )
    assert done.returncode == 0, done.stderr
    built, recipes = tmp_path / "lib", tmp_path / "lib/dull_jax/recipes/configs"
    assert {path.name for path in built.iterdir()} == {"dull_jax"}, "nothing else on top"
    expected = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.py")}
    assert {path.relative_to(recipes) for path in recipes.rglob("*.py")} == expected
    code = "from dull_jax import recipe_files as r; print(r.folder()); r.load('mini/cifar10')"
    environ = os.environ | {"PYTHONPATH": str(built)}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environ
    )
    assert found.stdout.strip() == str(recipes), found.stderr


def test_the_script_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"dull-jax": "dull_jax.__main__:main"}
