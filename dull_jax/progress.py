"""Progress of a long job: when a line about it is due, how fast it goes, what time is left.

meter = ProgressMeter(len(paths))
for path in paths:
    ...
    if pace := meter.step():
        say(f"{pace.done:,} of {pace.total:,} files, {duration(pace.left)} left")
"""

import time
from typing import NamedTuple


class Pace(NamedTuple):
    """How far a job is.

    done, total: units of work, those of an earlier start among them.
    seconds: since this start.
    rate: units a second of this start.
    left: seconds until all is done, if it goes on so.
    """

    done: int
    total: int
    seconds: float
    rate: float
    left: float


class ProgressMeter:
    """Counts units of work, and says when a line is due: often enough to see it move, seldom
    enough to read."""

    def __init__(self, total: int, every: float = 2.0, done: int = 0):
        """total: units of work.  every: seconds between lines.  done: units of an earlier start."""
        self._total, self._every = total, every
        self._done = self._first = done
        self._began = self._shown = time.monotonic()

    def step(self, always: bool = False, count: int = 1) -> Pace | None:
        """`count` more units are done; the pace where a line about it is due, or `always`."""
        self._done += count
        now = time.monotonic()
        if not always and now - self._shown < self._every:
            return None
        self._shown = now
        return self._pace(now - self._began)

    def pace(self) -> Pace:
        """How far the job is now."""
        return self._pace(time.monotonic() - self._began)

    def _pace(self, seconds: float) -> Pace:
        here = self._done - self._first
        left = seconds / max(here, 1) * (self._total - self._done)
        return Pace(self._done, self._total, seconds, here / max(seconds, 1e-9), left)


def duration(seconds: float) -> str:
    """'42 s', '3:20 min', '1:05:00 h'.

    >>> duration(200)
    '3:20 min'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"
