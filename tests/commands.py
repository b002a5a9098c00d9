"""The commands of dull_jax in processes of their own, as a user starts them, but quickly.

Most of a short command's time goes into imports. So one process has them done and forks a child for
each command, before JAX has started anything. `run` is `subprocess.run` of `python -m MODULE`.
"""

import atexit
import functools
import importlib
import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).parent.parent
IMPORTED = (  # what commands import that define their flags as they are imported
    "dull_jax.audit.__main__",
    "dull_jax.embed.job",
    "dull_jax.inference",
    "dull_jax.train.trainer",
    "ml_collections.config_flags",
)


def run(module, *arguments, cwd=None, env=None) -> subprocess.CompletedProcess:
    """`python -m module arguments`, its output as text; or `python FILE.py arguments`.

    Args:
      module: its name, or the path of a file.
      cwd: a folder; None: this one.  env: variables; None: those of this process.
    """
    words = [str(word) for word in arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, err = (os.path.join(folder, name) for name in ("out", "err"))
        wanted = {
            "module": str(module),
            "arguments": words,
            "cwd": str(cwd or os.getcwd()),
            "env": dict(os.environ if env is None else env),
            "files": [out, err],
        }
        server = _server()
        server.stdin.write(json.dumps(wanted) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        texts = [pathlib.Path(name).read_text(errors="replace") for name in (out, err)]
    return subprocess.CompletedProcess([str(module), *words], code, *texts)


@functools.cache
def _server() -> subprocess.Popen:
    """One for this process; it ends with it."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    atexit.register(server.stdin.close)
    return server


def serve() -> None:
    """Forks a child for each line of standard input; writes its exit code."""
    sys.path[0] = ""  # as `python -m` has it
    for name in IMPORTED:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.write(f"{code}\n")
        answers.flush()


def _become(wanted: dict) -> None:
    """This process is the command now; it does not return."""
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(wanted["files"], 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = [wanted["module"], *wanted["arguments"]]
    sys.path += wanted["env"].get("PYTHONPATH", "").split(os.pathsep)
    code = 0
    try:
        if wanted["module"].endswith(".py"):
            runpy.run_path(wanted["module"], run_name="__main__")
        else:
            runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
