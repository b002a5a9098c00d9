"""local_multiprocess.sh, with a stand-in for dull_jax.main."""

import os
import signal
import subprocess

import pytest
from cloud import ROOT

from outside import LONG

PROCESS = """
import os, signal, sys, time
count, i = sys.argv[1].rpartition(":")[2].split(",")[1:]
verbs = dict(pair.split("=") for pair in sys.argv[3].split(","))
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"saved\\n"), sys.exit(75)))
signal.signal(signal.SIGINT, lambda *_: (os.write(1, b"interrupted\\n"), sys.exit(75)))
if verbs[i] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(sys.argv[1:3], flush=True)
if verbs[i].isdigit():
    sys.exit(int(verbs[i]))
time.sleep(600)
"""


@pytest.fixture
def local(tmp_path):
    """Starts the script with stand-ins that do as told: i=exit code, or i=wait."""
    (tmp_path / "process.py").write_text(PROCESS)
    environment = {
        **os.environ,
        "DULL_JAX_MAIN": f"python3 {tmp_path}/process.py",
        "DULL_JAX_GRACE_SECONDS": "6",  # for the one that is not deaf, on a slow machine
    }

    def start(count, verbs):
        command = [ROOT / "launch/local_multiprocess.sh", str(count), "--", "--a=b  c 'd'", verbs]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    return start


def test_processes_know_their_place_and_lines_whose_they_are(local):
    out, err = (process := local(3, "0=0,1=0,2=0")).communicate(timeout=LONG)
    assert process.returncode == 0 and err == ""
    lines = sorted(out.splitlines())
    port = lines[0].split(":")[1].split(",")[0]
    assert lines == [
        f"[{i}] {[f'--distributed=127.0.0.1:{port},3,{i}', chr(45) * 2 + 'a=b  c ' + repr('d')]}"
        for i in range(3)
    ]


def test_the_first_failure_is_the_exit_code_and_stops_the_others(local):
    out, err = (process := local(3, "0=wait,1=7,2=deaf")).communicate(timeout=LONG)
    assert process.returncode == 7 and "process 1 ended with exit code 7" in err
    assert "[0] saved" in out or "[0]" not in out  # it may not have got so far


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, "saved"), (signal.SIGINT, "interrupted")]
)
def test_a_signal_is_passed_on_and_the_end_awaited(local, number, said):
    process = local(2, "0=wait,1=wait")
    begun = [process.stdout.readline() for _ in range(2)]
    process.send_signal(number)
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 75 and len(begun) == 2
    assert sorted(out.splitlines()) == [f"[0] {said}", f"[1] {said}"]


@pytest.mark.parametrize("arguments", [[], ["2"], ["0", "--"], ["two", "--", "x"], ["2", "x"]])
def test_local_usage(arguments):
    script = ROOT / "launch/local_multiprocess.sh"
    done = subprocess.run([script, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "local_multiprocess.sh N --" in done.stderr
