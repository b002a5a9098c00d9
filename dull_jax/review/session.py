"""An audit, and what was decided of it: asked for and added to, by several threads at once.

The file of decisions is the truth. It is read again where another process has changed it, and
nothing is said to be decided before it is on disk.
"""

import io
import os
import pathlib
import threading
from typing import NamedTuple

import numpy as np

from dull_jax.audit import decisions
from dull_jax.audit.decisions import (
    NO_CLASS,
    NONE,
    OPEN,
    REMOVE,
    REMOVED,
    SKIP,
    UNDO,
    Decision,
    DecisionFile,
    Numbers,
)
from dull_jax.audit.saved import SavedAudit
from dull_jax.data.tables import class_labels
from dull_jax.names import composed
from dull_jax.review.history import History

SKIPPED = -4  # in place of a class, as `OPEN`, `NO_CLASS` and `REMOVED` are
_SPELT = {NO_CLASS: NONE, REMOVED: REMOVE, SKIPPED: SKIP}


class State(NamedTuple):
    """What is decided of N labels.

    labels: int32 [N], class numbers, `OPEN`, `NO_CLASS`, `REMOVED` or `SKIPPED`. history: of these.
    notes: what was odd about the file when it was read.
    """

    labels: np.ndarray
    history: History
    notes: tuple[str, ...]


class Stale(Exception):
    """What was to be changed or taken back is not what is decided now."""


class Session:
    """See the module."""

    def __init__(self, audit: SavedAudit, path: pathlib.Path):
        """Reads the file, if there is one.

        Raises:
          UserError: it cannot be read, or decides for what is no class.
        """
        decisions.check_names(audit.class_names)
        self.audit, self.path = audit, path
        self._ids = [composed(str(key).strip()) for key in audit.ids]
        self._row_of = {key: row for row, key in enumerate(self._ids)}
        self._names = class_labels.cells(audit.class_names)
        self._numbers = Numbers(audit.class_names)
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = (-1,)  # so that it is read
        self.state()

    def state(self) -> State:
        """What is decided now. Raises UserError where the file was changed and has become wrong."""
        with self._lock:
            return self._current()

    def decide(self, row: int, label: int, before: int | None = None) -> int:
        """Adds a decision unless it stands already; how many decisions can be taken back.

        Args:
          label: a class number, `NO_CLASS`, `REMOVED` or `SKIPPED`.
          before: what was decided, or `OPEN`, as far as is known.

        Raises:
          Stale: another page or program has decided otherwise since.
          OSError: it cannot be written; nothing was.
          UserError: see `state`.
        """
        with self._lock:
            if self._current().labels[row] == label:
                return len(self._state.history)
            with decisions.locked(self.path) as file:
                found = self._current().labels[row]  # another process may just have decided
                if before is not None and found not in (before, label):
                    raise Stale
                if found != label:
                    again = [] if found == OPEN else [self._row(row, UNDO)]
                    self._add(file, [*again, self._row(row, self._name(label))])
                return len(self._state.history)

    def undo(self, count: int | None = None) -> int | None:
        """Takes the latest decision back that stands; its row, or None where none stands.

        Args:
          count: of the decisions that can be taken back, as far as is known.

        Raises:
          Stale: there are more or fewer: one is taken back already, or another was made.
          OSError, UserError: as `decide`.
        """
        with self._lock:
            if not len(self._current().history) and not count:
                return None
            with decisions.locked(self.path) as file:
                history = self._current().history
                if count is not None and count != len(history):
                    raise Stale
                if not len(history):
                    return None
                row = self._row_of[history.latest()]
                self._add(file, [self._row(row, UNDO)])
                return row

    def _row(self, row: int, decision: str) -> Decision:
        given = self._names[self.audit.given[row]]
        return Decision(self._ids[row], given, decision, decisions.now(), self.audit.digest)

    def _name(self, label: int) -> str:
        return _SPELT.get(label) or self._names[label]

    def _add(self, file: io.FileIO, rows: list[Decision]) -> None:
        decisions.add(file, rows)
        self._seen = _version(os.fstat(file.fileno()))
        for row in rows:
            self._state.history.add(row)
        key = rows[-1].id
        self._state.labels[self._row_of[key]] = self._label(self._state.history.of(key))

    def _label(self, decision: str) -> int:
        """As `State.labels` has it; "" is open."""
        if decision == SKIP:
            return SKIPPED
        found = self._numbers.of(composed(decision.strip()))
        return OPEN if found is None else found

    def _current(self) -> State:
        """The state, read again where the file is not the one that was seen last."""
        try:
            version = _version(self.path.stat())
        except FileNotFoundError:
            version = ()
        if version != self._seen:
            self._state = self._read()
            self._seen = version
        return self._state

    def _read(self) -> State:
        file = DecisionFile(str(self.path), [])
        if self.path.exists():
            file = decisions.opened(self.path)
        known = [row for row in file.rows if row.id in self._row_of]
        history = History(known)
        keys = list(dict.fromkeys(row.id for row in known))
        decided = file.of_samples(keys, self.audit.class_names)
        labels = np.full(len(self._ids), OPEN, np.int32)
        for key in keys:
            labels[self._row_of[key]] = self._label(history.of(key))
        return State(labels, history, decided.notes)


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns
