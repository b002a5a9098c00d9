"""SIGTERM, Ctrl-C, a closed terminal: all is saved, exit code 75, and the same command goes on."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import time

import processes
import pytest

import runs
from outside import LONG, our_line

BUSY = """
import time
from dull_jax import cli

def main(argv):
    print("at work", flush=True)
    try:
        time.sleep(600)
    finally:
        time.sleep(0.5)  # what is left to be done at the end

cli.run(main)
"""


NUMBERS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def busy():
    """A command that is at work, outside of training: images are read, say."""
    program = [sys.executable, "-c", BUSY]
    process = subprocess.Popen(
        program,
        cwd=processes.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert "at work\n" in iter(process.stdout.readline, "")
    return process


def pester(process, number, every):
    """The signal, again and again until the process has ended; at least twice."""
    sent = 0
    while process.poll() is None:
        process.send_signal(number)
        sent += 1
        time.sleep(every if sent > 1 else 0.005)
    assert sent > 1


@pytest.mark.parametrize("module", ["dull_jax", "dull_jax.main"])
@pytest.mark.parametrize("moment", [0.1, 0.3, 0.6])
def test_while_libraries_are_imported(module, moment):
    """No traceback from inside of them: nothing is begun yet, and the process ends."""
    words = [*(["train"] if module == "dull_jax" else []), "--config=digits_t2h", "--workdir=x"]
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=processes.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
    )
    for line in process.stderr:  # Python itself has started
        if "dull_jax" in line:
            break
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG)
    said = [line for line in said.splitlines() if not line.startswith("import time:")]
    assert process.returncode in (-signal.SIGINT, 75)
    assert len(said) == (process.returncode == 75), said


@pytest.mark.parametrize("number", NUMBERS)
def test_outside_of_training(number):
    process = busy()
    pester(process, number, 0.005)
    assert our_line(processes.end(process, code=75)) == (
        "dull_jax: interrupted; the same command goes on from what is saved"
    )


def test_under_nohup_a_closed_terminal_changes_nothing():
    program = [sys.executable, "-c", BUSY.replace("600", "1.5")]
    process = subprocess.Popen(
        program,
        cwd=processes.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert "at work\n" in iter(process.stdout.readline, "")
    process.send_signal(signal.SIGHUP)
    processes.end(process)


@pytest.mark.faults
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("every", [0.005, 0.05, 0.3])
def test_again_and_again(number, every, undisturbed, tmp_path, tally):
    """What comes after the first signal changes nothing: neither the save nor the exit code."""
    with tally.trial(f"{number.name} again and again", count=2):
        for _ in range(2):
            process = processes.start(*processes.flags(tmp_path))
            processes.reach(process, tmp_path, len(processes.epochs(tmp_path)) + 1)
            pester(process, number, every)
            said = processes.end(process, code=75)
            assert our_line(said).startswith(f"dull_jax: stopped by {number.name} in epoch")
            assert not processes.unsealed(tmp_path)
        processes.end(processes.start(*processes.flags(tmp_path)))
        runs.assert_same_run(undisturbed, tmp_path)


@pytest.mark.faults
def test_a_terminal_that_is_closed(undisturbed, tmp_path, tally):
    with tally.trial("a closed terminal"):
        terminal, its_end = os.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "dull_jax.main", *processes.flags(tmp_path)],
            cwd=processes.ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(its_end)
        processes.reach(process, tmp_path, 2)
        os.close(terminal)
        assert process.wait(LONG) == 75
        assert not processes.unsealed(tmp_path)
        said = processes.end(processes.start(*processes.flags(tmp_path)))
        assert "continuing after epoch" in said
        runs.assert_same_run(undisturbed, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("number", NUMBERS)
def test_one_process(number, undisturbed, tmp_path, tally):
    """Three times in one run, in the middle of an epoch or between two, and once after it."""
    with tally.trial(f"{number.name} to a run", count=4):
        for stop in range(3):
            process = processes.start(*processes.flags(tmp_path))
            # At work for sure: past what an earlier start has logged.
            wanted = max(3 * stop, len(processes.epochs(tmp_path))) + 1
            processes.reach(process, tmp_path, wanted)
            time.sleep(0.05 * stop)
            process.send_signal(number)
            said = processes.end(process, code=75)
            assert f"stopped by {number.name} in epoch" in said and "Traceback" not in said
            assert not processes.unsealed(tmp_path), "it left before the checkpoint was complete"
        process = processes.start(*processes.flags(tmp_path))
        processes.wait(process, (tmp_path / "result.json").exists)
        process.send_signal(signal.SIGTERM)  # while the report is written
        process.communicate(timeout=LONG)
        assert process.returncode in (75, 0)  # or it was written by then
        said = processes.end(processes.start(*processes.flags(tmp_path)))
        assert "is already trained" in said and "report:" in said
        runs.assert_same_run(undisturbed, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("which", [0, 1, "the launcher"])
def test_one_of_two_hosts(which, undisturbed_two, tmp_path, tally):
    """Both save the same step and leave with 75, whichever heard it."""
    with tally.trial("SIGTERM to one of two hosts, or to the launcher") as row:
        launcher = processes.start_two(*processes.flags(tmp_path))
        processes.reach(launcher, tmp_path, 2)
        told = launcher.pid if which == "the launcher" else processes.host(launcher, which)
        os.kill(told, signal.SIGTERM)
        began = time.monotonic()
        said = processes.end(launcher, code=75)
        row["slowest_end"] = max(row.get("slowest_end", 0), round(time.monotonic() - began, 1))
        stops = re.findall(r"\[(\d)\] dull_jax: stopped by SIGTERM in epoch (\d+), saved", said)
        assert sorted(host for host, _ in stops) == ["0", "1"], said
        assert len({epoch for _, epoch in stops}) == 1, said
        assert not processes.unsealed(tmp_path)
        said = processes.end(processes.start_two(*processes.flags(tmp_path)))
        assert f"continuing after epoch {int(stops[0][1]) - 1} from" in said
        runs.assert_same_run(undisturbed_two, tmp_path)
