"""All processes of a run start, or none, and each says why; no JAX in it."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

from dull_jax.errors import UserError
from dull_jax.train import cluster_init
from dull_jax.train.cluster_env import Process
from outside import LONG, free_port


@pytest.fixture
def port():
    return free_port()


def meet(processes, seconds=1.0):
    """What each process says: None where it starts."""
    said = [None] * len(processes)

    def come(n, process):
        try:
            if process.index == 0:
                cluster_init._wait_for_all(process, seconds, said_while_waiting.append)
            else:
                cluster_init._join(process, seconds)
        except UserError as error:
            said[n] = str(error)

    said_while_waiting: list[str] = []
    threads = [threading.Thread(target=come, args=pair) for pair in enumerate(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + LONG)
        assert not thread.is_alive()
    return said, said_while_waiting


def processes(port, count, indices):
    return [Process("127.0.0.1", port, count, index) for index in indices]


def test_all_come_in_any_order(port, monkeypatch):
    monkeypatch.setattr(cluster_init, "_PATIENCE", LONG / 2)
    said, waited = meet(processes(port, 4, [3, 1, 0, 2]), LONG)
    assert said == [None] * 4 and waited == []


def test_who_is_missing_is_named_on_all(port, monkeypatch):
    """On a clock that stands still until process 2 is here, and is a second later at each look."""
    came, looks, admit = threading.Event(), itertools.count(), cluster_init._admit

    def admitted(*args):
        reason = admit(*args)
        if 2 in args[1]:
            came.set()
        return reason

    clock = types.SimpleNamespace(
        monotonic=lambda: float(next(looks)) if came.is_set() else 0.0, sleep=time.sleep
    )
    monkeypatch.setattr(cluster_init, "_admit", admitted)
    monkeypatch.setattr(cluster_init, "time", clock)
    said, waited = meet(processes(port, 4, [0, 2]), 20)
    assert said == ["started on 2 of 4 hosts: processes 1, 3 did not come"] * 2
    assert len(waited) == 1 and waited[0].startswith("waiting for processes 1, 3, up to 1")


def test_the_first_one_is_missing(port):
    said, _ = meet(processes(port, 2, [1]))
    assert said == [f"process 1 found no process 0 at 127.0.0.1:{port} within 1 s"]


def test_two_that_say_the_same(port):
    said, _ = meet(processes(port, 3, [0, 1, 1]), LONG)
    assert said == ["two processes came as 1 of 3"] * 3


def test_another_number_of_processes(port):
    said, _ = meet([*processes(port, 3, [0]), *processes(port, 2, [1])], LONG)
    assert said == ["a process came as 1 of 2, the first one as 0 of 3"] * 2


def test_strangers_are_passed_over(port):
    stop = threading.Event()

    def stranger():
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as there:
                    there.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    there.recv(100)
            except OSError:
                time.sleep(0.01)

    thread = threading.Thread(target=stranger)
    thread.start()
    time.sleep(0.05)
    try:
        said, _ = meet(processes(port, 2, [0, 1]), LONG)
    finally:
        stop.set()
        thread.join()
    assert said == [None, None]


def test_a_port_that_is_taken():
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be used: Address already in use"):
            cluster_init._wait_for_all(Process("127.0.0.1", port, 2, 0), 1, print)


@pytest.mark.parametrize(
    "flag", ["", "on", "host", "host:1", "host:1,2", "host:0,2,0", "host:70000,2,0", "host:1,2,2",
             "host:1,0,0", "host:1,2,-1", "h,x:1,2,0", "host:1,2,0,3"]
)  # fmt: skip
def test_a_flag_that_cannot_be_meant(flag):
    with pytest.raises(UserError, match="--distributed="):
        cluster_init.initialize(flag, 1)


def test_alone(monkeypatch):
    for name in list(os.environ):
        if name.startswith("SLURM"):
            monkeypatch.delenv(name)
    assert cluster_init._process("off", 1) is None and cluster_init._process("auto", 1) is None
    cluster_init.initialize("[::1]:1234,1,0", 1)


def test_from_the_command_line_within_seconds(port, tmp_path):
    flags = ["--config=configs/digits_t2h.py", f"--workdir={tmp_path / 'run'}"]
    flags += [f"--distributed=127.0.0.1:{port},2,0", "--distributed_timeout=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dull_jax.main", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not listens(port):
        time.sleep(0.02)
    began = time.monotonic()  # its imports take as long as they take
    _, said = process.communicate(timeout=LONG)
    assert process.returncode == 2
    assert said == "dull_jax: started on 1 of 2 hosts: process 1 did not come\n"
    assert time.monotonic() - began < 60 and not (tmp_path / "run").exists()


def listens(port):
    """Whether somebody does; the caller is a stranger there, who says nothing and goes."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
