"""decisions.csv: what a person decided of labels, one row after the other, never changed.

    id,given,decision,when,audit
    3f2a90bc,cat,lynx,2026-11-28T14:03:21Z,5d1f0c2ab9e4
    77ab12de,dog,dog,2026-11-28T14:03:24Z,5d1f0c2ab9e4
    77ab12de,dog,[undo],2026-11-28T14:03:29Z,5d1f0c2ab9e4

`decision` is the class that the sample shows, which may be the one given; or `[none of the
classes]`; or `[skip]`, looked at and left open; or `[undo]`, which takes back the sample's last
decision. `given`, `when` (UTC) and `audit` (the digest of the list that was looked at) are notes:
another program may leave these columns out. A decision is about the image, so it holds for every
later audit of it. Where a sample has two different decisions and none was taken back, the last row
counts, and the conflict is named.
"""

import csv
import datetime
import fcntl
import io
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted, shown

NONE, SKIP, UNDO = "[none of the classes]", "[skip]", "[undo]"
SPECIAL = (NONE, SKIP, UNDO)
COLUMNS = ("id", "given", "decision", "when", "audit")
OPEN, NO_CLASS = -1, -2  # in place of a class


class Decision(NamedTuple):
    """A row of the file; `decision` is a class name or one of `SPECIAL`."""

    id: str
    given: str
    decision: str
    when: str = ""
    audit: str = ""


class Decided(NamedTuple):
    """What decisions say of N samples.

    label: int32 [N], the class that was decided, `OPEN`, or `NO_CLASS`. notes: what was odd.
    """

    label: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> np.ndarray:
        """bool [N], whether it was decided."""
        return self.label != OPEN


class DecisionFile(NamedTuple):
    """A file's name and its rows: what can be asked once the samples are known."""

    name: str
    rows: list[Decision]

    def of_samples(self, ids: Sequence[str], class_names: Sequence[str]) -> Decided:
        """See `of_samples`."""
        return of_samples(self.name, self.rows, ids, class_names)


def read(path: str | os.PathLike) -> list[Decision]:
    """The rows of the file, in order.

    Raises:
      UserError: unreadable, or without the columns id and decision; names the row.
    """
    table = csv_io.read(path, ("id", "decision"), ("given", "when", "audit"))
    size = len(table.lines)
    columns = [table.columns.get(name, [""] * size) for name in COLUMNS]
    return [
        Decision(*(composed(cell.strip()) for cell in row)) for row in zip(*columns, strict=True)
    ]


def current(rows: Iterable[Decision]) -> dict[str, list[Decision]]:
    """id -> its decisions that were not taken back, the last one last; none: not there."""
    stacks: dict[str, list[Decision]] = {}
    for row in rows:
        stack = stacks.setdefault(row.id, [])
        if row.decision != UNDO:
            stack.append(row)
        elif stack:
            stack.pop()
    return {key: stack for key, stack in stacks.items() if stack}


def of_samples(
    name: str, rows: Iterable[Decision], ids: Sequence[str], class_names: Sequence[str]
) -> Decided:
    """What the rows say of the samples with these ids.

    Args:
      name: of the file, for messages.  ids: `[N]`.  class_names: `[K]`.

    Raises:
      UserError: a decision is no class; a class is named as a special decision is.
    """
    check_names(class_names)
    cells = class_labels.cells(class_names)
    number = {str(cell): k for k, cell in enumerate(cells)} | {NONE: NO_CLASS, SKIP: OPEN}
    row_of = {composed(str(key)): n for n, key in enumerate(ids)}
    label, unknown, conflicts = np.full(len(ids), OPEN, np.int32), [], []
    for key, stack in current(rows).items():
        if key not in row_of:
            unknown.append(key)
            continue
        last = stack[-1].decision
        if last not in number:
            raise UserError(
                f"{name}: the decision {quoted(last)} for {quoted(key)} is no class of this audit, "
                f"nor {NONE}, {SKIP} or {UNDO}"
            )
        if len({row.decision for row in stack} - {SKIP}) > 1:
            conflicts.append(f"{key} ({', '.join(dict.fromkeys(r.decision for r in stack))})")
        label[row_of[key]] = number[last]
    return Decided(label, _notes(name, unknown, conflicts))


def _notes(name: str, unknown: list[str], conflicts: list[str]) -> tuple[str, ...]:
    notes = []
    if conflicts:
        notes.append(
            f"{shown(name)}: {len(conflicts):,} samples are decided in two ways, of which the last "
            f"counts: {shown('; '.join(conflicts[:3]))}"
        )
    if unknown:
        notes.append(
            f"{shown(name)}: {len(unknown):,} decisions are of samples that this audit does not "
            f"have: {shown(', '.join(unknown[:3]))}"
        )
    return tuple(notes)


def check_names(class_names: Sequence[str]) -> None:
    """Raises UserError where a class has the name of a special decision."""
    if taken := set(map(str, class_names)) & set(SPECIAL):
        raise UserError(f"a class is called {taken.pop()}, which is a decision; call it otherwise")


def now() -> str:
    """The time as the column `when` has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def append(path: pathlib.Path, rows: Sequence[Decision]) -> None:
    """Adds rows at the end of the file, which is made if need be; they are on disk on return.

    Another process may add rows at the same time. A last line without its end is finished first.

    Raises:
      OSError: it cannot be written.
    """
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        text = io.StringIO(newline="")
        if not size:
            csv.writer(text, lineterminator="\n").writerow(COLUMNS)
        elif not _ended(file, size):
            text.write("\n")
        csv.writer(text, lineterminator="\n").writerows(map(csv_io.cell, row) for row in rows)
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())


def _ended(file: io.BufferedRandom, size: int) -> bool:
    file.seek(size - 1)
    return file.read(1) in b"\r\n"
