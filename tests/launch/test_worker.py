"""worker.sh, run for real in the homes of two workers."""

import os
import pathlib
import shutil
import signal
import time

import pytest
from cloud import BABYSIT, MAIN, POD, WORKDIR

from outside import LONG

STAND_IN = """#!/usr/bin/env python3
import os, pathlib, signal, sys, time
if sys.argv[1:2] == ["-m"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until it has told
    told = pathlib.Path.home() / "told"
    with told.open("a") as file:
        print([*sys.argv[3:], os.environ.get("TFDS_DATA_DIR")], file=file)
    script = pathlib.Path.home().joinpath("script").read_text().split()
    count = len(told.read_text().splitlines())
    verb = script[min(count, len(script)) - 1]
    print("stand-in", verb, flush=True)
    if verb == "wait":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    if verb in ("wait", "deaf"):
        print("ready", flush=True)
        time.sleep(600)
    # When one has ended the other may be stopped: not before both have come so far.
    def starts(home):
        told = home / "told"
        return len(told.read_text().splitlines()) if told.exists() else 0
    while any(starts(home) < count for home in pathlib.Path.home().parent.iterdir()):
        time.sleep(0.01)
    sys.exit(int(verb))
"""
UV = """#!/bin/sh
echo "$*" >>"$HOME/uv"
[ "$1" = venv ] && mkdir -p "$HOME/dull_jax_venv/bin" &&
  cp "$FAKE/stand_in" "$HOME/dull_jax_venv/bin/python"
exit 0
"""


@pytest.fixture
def pod(cloud):
    """A cloud with two workers that run what they are told."""
    (cloud.fake / "stand_in").write_text(STAND_IN)
    (cloud.fake / "stand_in").chmod(0o755)
    cloud.program("uv", UV)
    for i in range(2):
        (cloud.fake / "workers" / f"w{i}").mkdir(parents=True)
    cloud.answers(
        request=["0 ACTIVE"], node=["0 READY"], state=["real"], ssh=["real"], scp=["real"]
    )
    return cloud


def _script(pod, *verbs):
    for home in (pod.fake / "workers").iterdir():
        (home / "script").write_text(" ".join(verbs))


def _ready(pod):
    """How many runs are ready, and noted by their guards."""
    logs = pod.fake.glob("workers/*/dull_jax_run/log")
    pids = (log.with_name("pid") for log in logs if "ready" in log.read_text())
    return sum(pid.exists() and pid.read_text().endswith("\n") for pid in pids)


def _until(condition):
    end = time.monotonic() + LONG
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


def test_a_run_on_two_workers_stopped_and_continued_to_the_end(pod):
    _script(pod, "75", "1", "0")
    pod.program("sleep", f"#!/bin/sh\nexec {shutil.which('sleep')} 0.2\n")
    done = pod("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 0, done.stderr
    for home in (pod.fake / "workers").iterdir():
        told = (home / "told").read_text().splitlines()
        assert told == [repr([f"--workdir={WORKDIR}", *MAIN, None])] * 3
        first, second = (home / "uv").read_text().splitlines()[1:]
        assert first.endswith("jax[tpu]") and "--requirement requirements.txt" in second
        logs = sorted((home / "dull_jax_run").glob("2*.log"))
        assert [log.read_text() for log in logs] == [
            f"stand-in {code}\nexit code {code}\n" for code in (75, 1, 0)
        ]
    kept = [path.read_text().split()[1] for path in (pod.fake / "bucket").iterdir()]
    assert sorted(kept) == ["0", "0", "1", "1", "75", "75"]


def test_status_stop_logs_and_a_second_start(pod):
    _script(pod, "wait", "0")
    run = [*POD, f"--workdir={WORKDIR}", "--data=gs://bucket/tfds", "--", *MAIN]
    assert pod("tpu/setup.sh", *POD).returncode == 0
    assert pod("tpu/run.sh", *run).returncode == 0
    _until(lambda: _ready(pod) == 2)

    again = pod("tpu/run.sh", *run)
    assert again.returncode == 2 and "a run is on; stop it first" in again.stderr
    status = pod("tpu/status.sh", *POD).stdout
    assert status.startswith("ACTIVE\nREADY\n") and status.count(": running\n") == 2
    assert "stand-in wait" in pod("tpu/logs.sh", *POD).stdout
    elsewhere = [argument.replace("runs/x", "runs/y") for argument in BABYSIT]
    assert "another run is on" in pod("tpu/babysit.sh", *elsewhere).stderr

    assert pod("tpu/stop.sh", *POD).returncode == 0
    assert pod("tpu/status.sh", *POD).stdout.count(": exit 75\n") == 2
    assert "'gs://bucket/tfds']" in (pod.fake / "workers" / "w0" / "told").read_text()


def test_a_run_that_does_not_stop_is_killed_and_one_that_vanishes_is_lost(pod):
    _script(pod, "deaf")
    pod.environment["DULL_JAX_SAVING_SECONDS"] = "1"
    run = [*POD, f"--workdir={WORKDIR}", "--", *MAIN]
    assert pod("tpu/setup.sh", *POD).returncode == 0
    assert pod("tpu/run.sh", *run).returncode == 0
    _until(lambda: _ready(pod) == 2)
    assert pod("tpu/stop.sh", *POD).returncode == 0
    assert pod("tpu/status.sh", *POD).stdout.count(": exit 137\n") == 2

    assert pod("tpu/run.sh", *run).returncode == 0
    _until(lambda: _ready(pod) == 2)
    for home in (pod.fake / "workers").iterdir():  # as a machine that is started anew
        child = int((home / "dull_jax_run" / "pid").read_text())
        guard = int(pathlib.Path(f"/proc/{child}/stat").read_text().split()[3])
        os.killpg(guard, signal.SIGKILL)
    _until(lambda: pod("tpu/status.sh", *POD).stdout.count(": lost\n") == 2)
