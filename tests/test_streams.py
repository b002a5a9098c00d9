"""Standard output and error that are closed, full, cut off or plain ASCII: commands go on."""

import io
import os
import pathlib
import subprocess
import sys

import pytest

from dull_jax.streams import Stream
from outside import LONG

PROGRAM = r"""
import pathlib, sys
from absl import logging
from dull_jax import cli
from dull_jax.errors import UserError

def main(argv):
    for n in range(2000):
        print(n, "копия \x1b[31m \x9b2J \u202e \udcff", flush=n % 100 == 0)
    logging.warning("a warning of \x1b]0;title\x07")
    pathlib.Path(argv[1]).write_text("done")
    if len(argv) > 2:
        raise UserError(argv[2])

cli.run(main)
"""


def run(tmp_path, shell, *words, **variables):
    """(exit code, standard output, standard error) of the program, started by a line of a shell."""
    program, done = tmp_path / "program.py", tmp_path / "done"
    program.write_text(PROGRAM)
    line = shell.replace("PROGRAM", '"$0" "$@"')
    command = ["bash", "-c", line, sys.executable, program, done, *words]
    environ = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parent.parent)} | variables
    ended = subprocess.run(command, capture_output=True, timeout=LONG, env=environ)
    assert done.read_text() == "done", ended.stderr  # the work was done whatever became of its log
    return ended.returncode, ended.stdout, ended.stderr.decode()


@pytest.mark.parametrize(
    "shell",
    [
        "PROGRAM > /dev/full",
        "PROGRAM > /dev/full 2> /dev/full",
        "PROGRAM >&-",
        "PROGRAM >&- 2>&-",
        "PROGRAM <&- >&- 2>&-",
        "PROGRAM | head -n 1; exit ${PIPESTATUS[0]}",
    ],
)
def test_the_exit_code_is_that_of_the_work(tmp_path, shell):
    code, _, said = run(tmp_path, shell)
    assert code == 0 and "Traceback" not in said and "Exception ignored" not in said
    code, _, said = run(tmp_path, shell, "a mistake")
    assert code == 2 and "Traceback" not in said


def test_a_lost_output_is_said_once(tmp_path):
    _, _, said = run(tmp_path, "PROGRAM > /dev/full")
    assert said.count("No space left on device") == 1 and "the work goes on without it" in said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_shows_any_name_and_no_command(tmp_path, encoding):
    code, out, said = run(tmp_path, "PROGRAM", "\x1b[2J", PYTHONIOENCODING=encoding)
    assert code == 2 and r"dull_jax: \x1b[2J" in said and r"\x1b]0;title\x07" in said
    text = out.decode(encoding)
    assert text.count("\n") == 2000
    assert all(mark.isprintable() or mark == "\n" for mark in text + said)
    assert r"\x1b[31m \x9b2J \u202e \udcff" in text


class Broken(io.StringIO):
    """Takes so many writes."""

    def __init__(self, takes):
        super().__init__()
        self.takes = takes

    def write(self, text):
        self.takes -= 1
        if self.takes < 0:
            raise OSError(5, "Input/output error")  # the terminal is gone
        return super().write(text)


def test_a_stream_forgets_a_file_that_fails():
    file = Broken(takes=1)
    stream = Stream(file, "standard output")
    for _ in range(3):
        print("text", file=stream, flush=True)
    assert file.getvalue() == "text" and file.takes == -1  # not asked again
    assert Stream(None, "closed").write("text") == 4
