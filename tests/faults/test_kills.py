"""SIGKILL at any moment: the same command goes on, and ends as if nothing had happened."""

import os
import random
import signal
import time
from collections import Counter

import processes
import pytest

import runs

EPOCHS = 60
ENDLESS = 2000  # where nothing is compared: more than are done before the blow
ONE = {"method": "dull", "epochs": EPOCHS}  # it has a memory, and phases of two kinds
KINDS = {"at any time": 5, "after an epoch": 5, "in a save": 6, "after SIGTERM": 4}
LIMIT = 40  # seconds until the other host has ended too; in 60 the launcher kills it
VANISHED = 240  # and the launcher, a minute later, after JAX has missed the heartbeats of 100 s


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """A run that nothing disturbs, and how long it took to its first epoch."""
    folder, began = tmp_path_factory.mktemp("one") / "whole", time.monotonic()
    process = processes.start(*processes.flags(folder, **ONE))
    processes.reach(process, folder, 1)
    first = time.monotonic() - began
    processes.end(process)
    return folder, first


def kill(process, folder, kind, chance, startup):
    """SIGKILL at a moment of this kind; whether it found the process at work."""
    before, left = len(processes.epochs(folder)), processes.unsealed(folder)
    if kind == "at any time":
        moment = time.monotonic() + chance.uniform(0, 1.1 * startup)
        ahead = before + 4  # the machine may have become faster than when it started
        processes.wait(
            process, lambda: time.monotonic() > moment or len(processes.epochs(folder)) >= ahead
        )
    elif kind == "in a save":
        processes.wait(process, lambda: processes.unsealed(folder) - left)
        time.sleep(chance.uniform(0, 0.02))
    else:
        wanted = before + chance.randint(1, 2)
        processes.wait(process, lambda: len(processes.epochs(folder)) >= wanted)
        time.sleep(chance.uniform(0, 0.2))
    if kind == "after SIGTERM":
        process.send_signal(signal.SIGTERM)
        time.sleep(chance.uniform(0, 0.06))
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.faults
def test_twenty_kills(long_run, tmp_path, tally):
    """Of every kind, in a random order; at least five of them within a save."""
    (whole, startup), chance = long_run, random.Random(1)
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    chance.shuffle(kinds)
    hit: Counter[str] = Counter()
    with tally.trial("SIGKILL of a run", count=len(kinds)) as row:
        for kind in kinds:
            for _ in range(5):  # it may have ended before the blow
                began, process = time.time(), processes.start(*processes.flags(tmp_path, **ONE))
                if kill(process, tmp_path, kind, chance, startup):
                    break
            hit[kind] += process.returncode == -signal.SIGKILL
            hit["with a checkpoint unsealed"] += processes.half_written(tmp_path, began)
            seen = processes.epochs(tmp_path)
            assert seen == list(range(1, len(seen) + 1))
        said = processes.end(processes.start(*processes.flags(tmp_path, **ONE)))
        row |= {"at": dict(hit)}
        assert all(hit[kind] == count for kind, count in KINDS.items()), hit
        assert hit["with a checkpoint unsealed"] >= 5 and "continuing after epoch" in said
        assert processes.epochs(tmp_path) == list(range(1, EPOCHS + 1))
        runs.assert_same_run(whole, tmp_path)


# One of two hosts --------------------------------------------------------------------------------


def lose_one_host(folder, which, number, seconds=0.0, epochs=12):
    """What the launcher said, its exit code, and how long the other host lived on."""
    launcher = processes.start_two(*processes.flags(folder, epochs=epochs))
    wanted = len(processes.epochs(folder)) + 2
    processes.reach(launcher, folder, wanted)
    time.sleep(seconds)
    os.kill(processes.host(launcher, which), number)
    began = time.monotonic()
    said = launcher.communicate(timeout=600)[0]
    return said, launcher.returncode, time.monotonic() - began


def test_one_of_two_hosts_is_killed_and_the_other_ends(tmp_path):
    """With JAX's abort when the first one dies, else with a line; it does not wait for ever."""
    said, code, seconds = lose_one_host(tmp_path, 1, signal.SIGKILL, epochs=ENDLESS)
    assert code in (1, 137) and seconds < LIMIT, said
    assert "process 1 ended with exit code 137" in said or "another process of this run" in said


@pytest.mark.faults
@pytest.mark.parametrize("which", [0, 1])
def test_hosts_are_killed_and_the_same_command_goes_on(which, undisturbed_two, tmp_path, tally):
    chance, slowest, codes = random.Random(which), 0.0, []
    with tally.trial(f"SIGKILL of host {which} of two", count=2) as row:
        for _ in range(2):
            delay = chance.uniform(0, 0.3)
            said, code, seconds = lose_one_host(tmp_path, which, signal.SIGKILL, delay)
            assert code in (1, 128 + signal.SIGABRT, 128 + signal.SIGKILL), said
            assert seconds < LIMIT, said
            slowest = max(slowest, seconds)
            codes.append(code)
        row |= {"slowest_end": round(slowest, 1), "exit_codes": codes}
        processes.end(processes.start_two(*processes.flags(tmp_path)))
        runs.assert_same_run(undisturbed_two, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("which", [0, 1])
def test_a_host_vanishes(which, tmp_path, tally):
    """It is stopped, so its connections stay open: as when its power or its network is gone."""
    with tally.trial("a host of two vanishes") as row:
        said, code, seconds = lose_one_host(tmp_path, which, signal.SIGSTOP, epochs=ENDLESS)
        assert code == 128 + signal.SIGABRT and seconds < VANISHED, said
        row["slowest_end"] = max(row.get("slowest_end", 0), round(seconds, 1))
