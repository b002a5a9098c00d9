"""Runs in processes of their own, started as a user starts them, and watched."""

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

ROOT = pathlib.Path(__file__).parent.parent.parent
_NOTHING: Mapping[str, str] = {}
SMALL = (
    "model.width=8 train.epochs={epochs} train.batch_size=64 train.eval_every=3 "
    "train.checkpoint_every=1 dull.warmup=0.5 compare=() train.view=weak"
)


def flags(workdir: pathlib.Path, *fields: str, method: str = "ce", epochs: int = 12) -> list[str]:
    """A small recipe that saves after each epoch; `fields` are 'optim.lr=0.1'."""
    chosen = [*SMALL.format(epochs=epochs).split(), *fields]
    recipe = f"--config=configs/digits_t2h.py:method={method}"
    return [recipe, *(f"--config.{field}" for field in chosen), f"--workdir={workdir}"]


def start(*words: str, **variables: str) -> subprocess.Popen:
    """One process, alone."""
    return open_process([sys.executable, "-m", "dull_jax.main", *words], variables)


def start_two(*words: str) -> subprocess.Popen:
    """Two hosts on this machine: the launch script, with the real cli."""
    main = {"DULL_JAX_MAIN": f"{sys.executable} -m dull_jax.main"}
    return open_process([str(ROOT / "launch/local_multiprocess.sh"), "2", "--", *words], main)


def open_process(command: list[str], variables: Mapping[str, str] = _NOTHING) -> subprocess.Popen:
    environ = os.environ | {"JAX_PLATFORMS": "cpu"} | variables
    return subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def host(launcher: subprocess.Popen, index: int) -> int:
    """The process id of one of the two hosts."""
    search = ["pgrep", "-P", str(launcher.pid), "-f", "--", f"--distributed=.*,2,{index}"]
    return int(subprocess.check_output(search, text=True).split()[0])


def end(process: subprocess.Popen, code: int = 0, seconds: float = 600) -> str:
    """What it said; it must end with this code within this time."""
    try:
        said = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        raise AssertionError(f"still there after {seconds} s") from None
    assert process.returncode == code, said
    return said


def wait(process: subprocess.Popen, condition: Callable[[], bool], seconds: float = 600) -> bool:
    """Until the condition holds; False when the process has ended before."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if condition():
            return True
        if time.monotonic() > deadline:
            process.terminate()
            raise AssertionError("the run does not move")
        time.sleep(0.002)
    return False


def reach(process: subprocess.Popen, workdir: pathlib.Path, wanted: int) -> None:
    """Waits until so many epochs are logged; the run may have ended with them."""
    wait(process, lambda: len(epochs(workdir)) >= wanted)
    assert len(epochs(workdir)) >= wanted, process.communicate()[0]


def epochs(workdir: pathlib.Path) -> list[int]:
    """The epochs of metrics.jsonl, but for a last line cut short."""
    path = workdir / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line)["epoch"] for line in text.splitlines(True) if line[-1] == "\n"]


def unsealed(workdir: pathlib.Path) -> set[str]:
    """Checkpoints that are being written, or were when the process died."""
    sealed = {path.stem for path in (workdir / "digests").glob("*.json")}
    folder = workdir / "checkpoints"
    return {path.name for path in folder.iterdir()} - sealed if folder.exists() else set()


def half_written(workdir: pathlib.Path, since: float) -> bool:
    """Whether a process that was started then has died while it wrote a checkpoint."""
    paths = [workdir / "checkpoints" / name for name in unsealed(workdir)]
    return any(path.stat().st_mtime > since for path in paths)


def sealed(workdir: pathlib.Path) -> list[int]:
    """The numbers of the checkpoints that are complete, in order."""
    return sorted(int(path.stem) for path in (workdir / "digests").glob("*.json"))
