"""All processes of a run start, or none, and each says why; no JAX in it."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from dull_jax.errors import UserError
from dull_jax.train import rendezvous
from dull_jax.train.rendezvous import Place


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def meet(places, seconds=1.0):
    """What each process says: None where it starts."""
    said = [None] * len(places)

    def come(n, place):
        try:
            if place.index == 0:
                rendezvous._welcome(place, seconds, said_while_waiting.append)
            else:
                rendezvous._report(place, seconds)
        except UserError as error:
            said[n] = str(error)

    said_while_waiting: list[str] = []
    threads = [threading.Thread(target=come, args=pair) for pair in enumerate(places)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return said, said_while_waiting


def places(port, count, indices):
    return [Place("127.0.0.1", port, count, index) for index in indices]


def test_all_come_in_any_order(port):
    said, waited = meet(places(port, 4, [3, 1, 0, 2]), 20)
    assert said == [None] * 4 and waited == []


def test_who_is_missing_is_named_on_all(port, monkeypatch):
    monkeypatch.setattr(rendezvous, "_PATIENCE", 3)  # process 2 is here long before, if all is slow
    said, waited = meet(places(port, 4, [0, 2]), 4)
    assert said == ["started on 2 of 4 hosts: processes 1, 3 did not come"] * 2
    assert waited[0].startswith("waiting for processes 1, 3")


def test_the_first_one_is_missing(port):
    said, _ = meet(places(port, 2, [1]))
    assert said == [f"process 1 found no process 0 at 127.0.0.1:{port} within 1 s"]


def test_two_that_say_the_same(port):
    said, _ = meet(places(port, 3, [0, 1, 1]), 20)
    assert said == ["two processes came as 1 of 3"] * 3


def test_another_number_of_processes(port):
    said, _ = meet([*places(port, 3, [0]), *places(port, 2, [1])], 20)
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
    said, _ = meet(places(port, 2, [0, 1]), 20)
    stop.set()
    thread.join()
    assert said == [None, None]


def test_a_port_that_is_taken(port):
    with socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True):
        with pytest.raises(UserError, match=f"port {port} cannot be used: Address already in use"):
            rendezvous._welcome(Place("127.0.0.1", port, 2, 0), 1, print)


@pytest.mark.parametrize(
    "flag", ["", "on", "host", "host:1", "host:1,2", "host:0,2,0", "host:70000,2,0", "host:1,2,2",
             "host:1,0,0", "host:1,2,-1", "h,x:1,2,0", "host:1,2,0,3"]
)  # fmt: skip
def test_a_flag_that_cannot_be_meant(flag):
    with pytest.raises(UserError, match="--distributed="):
        rendezvous.start(flag, 1)


def test_alone(monkeypatch):
    for name in list(os.environ):
        if name.startswith("SLURM"):
            monkeypatch.delenv(name)
    assert rendezvous._place("off", 1) is None and rendezvous._place("auto", 1) is None
    rendezvous.start("[::1]:1234,1,0", 1)


def test_slurm_tells(monkeypatch):
    told = {
        "JOB_ID": "7",
        "STEP_NODELIST": "n[04-07]",
        "NTASKS": "8",
        "PROCID": "5",
        "LOCALID": "1",
    }
    for name, value in told.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    place = rendezvous._place("auto", 1)
    assert (place.host, place.count, place.index, place.devices) == ("n04", 8, 5, [1])


def test_from_the_door_within_seconds(port, tmp_path):
    flags = ["--config=configs/digits_t2h.py", f"--workdir={tmp_path / 'run'}"]
    flags += [f"--distributed=127.0.0.1:{port},2,0", "--distributed_timeout=1"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "dull_jax.main", *flags], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "dull_jax: started on 1 of 2 hosts: process 1 did not come\n"
    assert time.monotonic() - began < 60 and not (tmp_path / "run").exists()
