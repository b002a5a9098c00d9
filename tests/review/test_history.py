"""What stands after the rows of a file, and how fast they came."""

from dull_jax.audit.decisions import UNDO, Decision
from dull_jax.review.history import History


def row(key, decision, when=""):
    return Decision(key, "", decision, when)


def at(*seconds):
    stamps = [f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z" for second in seconds]
    return History(row(str(n), "a", when) for n, when in enumerate(stamps))


def test_the_latest_that_stands():
    history = History([row("x", "a"), row("y", "b"), row("x", "c"), row("x", UNDO)])
    assert (history.latest(), len(history), history.of("x")) == ("y", 2, "a")
    history.add(row("y", UNDO))
    assert (history.latest(), history.of("y")) == ("x", "")
    history.add(row("x", UNDO))
    history.add(row("x", UNDO))  # of nothing: by hand
    history.add(row("z", UNDO))
    assert (history.latest(), len(history)) == ("", 0)


def test_pace_is_the_median_of_gaps_that_are_work():
    assert at(0, 2, 4).pace() is None
    assert at(0, 2, 4, 9).pace() == 2
    assert at(0, 2, 4, 900, 905, 907).pace() == 2  # a pause is no gap
    assert at(5, 3, 4, 6).pace() is None  # the clock was set back
    assert at(*range(0, 60, 20), *range(100, 160, 2)).pace() == 2  # the last twenty


def test_pace_without_times():
    assert History([row(str(n), "a", "yesterday") for n in range(9)]).pace() is None
