"""The rows of a file of decisions, replayed: what stands, what can be taken back, how fast."""

import datetime
import statistics
from collections import deque
from collections.abc import Iterable

from dull_jax.audit.decisions import UNDO, Decision

PAUSE = 120  # seconds: longer gaps between two decisions are no work
GAPS = 20  # of which the median is the pace
_FEW = 3  # gaps of which a median says nothing


class History:
    """Grows row by row, as the file does.

    stacks: id -> its decisions that were not taken back, the last one last.
    """

    def __init__(self, rows: Iterable[Decision] = ()):
        self.stacks: dict[str, list[Decision]] = {}
        self._numbers: dict[str, list[int]] = {}  # id -> those of its rows that stand
        self._standing: dict[int, str] = {}  # number of a row -> its id, in order
        self._size = 0
        self._gaps: deque[float] = deque(maxlen=GAPS)
        self._last: datetime.datetime | None = None
        for row in rows:
            self.add(row)

    def add(self, row: Decision) -> None:
        """Replays one more row."""
        self._size += 1
        if row.decision == UNDO:
            self._take_back(row.id)
            return
        self.stacks.setdefault(row.id, []).append(row)
        self._numbers.setdefault(row.id, []).append(self._size)
        self._standing[self._size] = row.id
        self._keep_pace(row.when)

    def _take_back(self, key: str) -> None:
        if self.stacks.get(key):
            self.stacks[key].pop()
            del self._standing[self._numbers[key].pop()]

    def __len__(self) -> int:
        """How many decisions stand, each of which can be taken back."""
        return len(self._standing)

    def latest(self) -> str:
        """The id whose decision is the latest that stands; "" where none does."""
        return next(reversed(self._standing.values()), "")

    def of(self, key: str) -> str:
        """The decision that counts for an id; "" where there is none."""
        stack = self.stacks.get(key)
        return stack[-1].decision if stack else ""

    def _keep_pace(self, when: str) -> None:
        try:
            time = datetime.datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:  # another program's, or left out
            return
        if self._last is not None and 0 <= (gap := (time - self._last).total_seconds()) <= PAUSE:
            self._gaps.append(gap)
        self._last = time

    def pace(self) -> float | None:
        """Seconds that a decision takes; None while there are too few to tell."""
        return statistics.median(self._gaps) if len(self._gaps) >= _FEW else None
