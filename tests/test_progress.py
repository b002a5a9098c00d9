"""Lines of progress: seldom enough to read, and what they say of the time left."""

import types

import pytest
from ml_collections import ConfigDict

from dull_jax import progress
from dull_jax.data.own import scan
from dull_jax.progress import ProgressMeter
from dull_jax.train import epoch_lines


@pytest.fixture
def clock(monkeypatch):
    """`clock(0.0, 1.5, ...)`: the seconds that a meter reads, one after another."""

    def at(*seconds):
        times = iter(seconds)
        clock = types.SimpleNamespace(monotonic=lambda: next(times))
        monkeypatch.setattr(progress, "time", clock)

    return at


def test_a_line_every_few_seconds(clock):
    clock(0.0, 0.001, 1.0, 3.0, 4.0)
    meter = ProgressMeter(1_203, every=3.0)
    paces = [meter.step() for _ in range(4)]
    assert [bool(pace) for pace in paces] == [False, False, True, False]
    assert paces[2] == (3, 1_203, 3.0, 1.0, 1_200.0)
    assert scan._progress(paces[2]) == "3 of 1,203 files, 1/s, 20 min left"


def test_what_an_earlier_start_has_done_takes_no_time(clock):
    clock(10.0, 12.0, 14.0, 14.1)
    meter = ProgressMeter(10, done=7)
    assert meter.step() == (8, 10, 2.0, 0.5, 4.0)
    assert meter.step() == (9, 10, 4.0, 0.5, 2.0)
    last = meter.step(always=True)
    assert last.done == 10 and last.left == 0.0


def test_epochs_that_compile_are_no_measure_of_the_time_left(monkeypatch):
    ends, lines, now = [20.0, 21.0, 21.9, 40.0, 41.0], [], [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(epoch_lines, "time", clock)
    config = ConfigDict({"method": "ce", "train": {"epochs": 5}})
    shown = epoch_lines.Progress(config, 0, lines.append)
    for epoch, now[0] in enumerate(ends, 1):  # the first and the fourth compile
        shown.show(epoch, {"time/images_per_second": 9.0})
    times = [line.rpartition("  ")[2] for line in lines]
    assert times == ["at most 1:20 min left", "1 s left", "done in 41 s"]


def test_durations():
    assert [progress.duration(s) for s in (41.6, 60, 3900)] == ["42 s", "1:00 min", "1:05:00 h"]
