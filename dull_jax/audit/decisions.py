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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted, shown

NONE, SKIP, UNDO = "[none of the classes]", "[skip]", "[undo]"
SPECIAL = (NONE, SKIP, UNDO)
_SPELLED = {word: word for word in SPECIAL}  # in whatever case they were written
COLUMNS = ("id", "given", "decision", "when", "audit")
OPEN, NO_CLASS = -1, -2  # in place of a class
_HEADER = 1 << 16  # bytes in which the first row of a file ends


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

    def of_samples(
        self, ids: Sequence[str], class_names: Sequence[str], given: np.ndarray
    ) -> Decided:
        """See `of_samples`."""
        return of_samples(self.name, self.rows, ids, class_names, given)


def read(path: str | os.PathLike) -> list[Decision]:
    """The rows of the file, in order; none of an empty file. A blank decision is none yet.

    Raises:
      UserError: unreadable, or without the columns id and decision; names the row.
    """
    name = shown(str(path))
    if not (text := csv_io.text_of(name, path)):
        return []  # `locked` has made it, and nothing was added
    table = csv_io.table(name, text, ("id", "decision"), ("given", "when", "audit"))
    size = len(table.lines)
    columns = [table.columns.get(name, [""] * size) for name in COLUMNS]
    rows = (
        Decision(*(composed(cell.strip()) for cell in row)) for row in zip(*columns, strict=True)
    )
    return [
        row._replace(decision=_SPELLED.get(row.decision.lower(), row.decision))
        for row in rows
        if row.decision
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
    name: str,
    rows: Iterable[Decision],
    ids: Sequence[str],
    class_names: Sequence[str],
    given: np.ndarray | None = None,
) -> Decided:
    """What the rows say of the samples with these ids.

    Args:
      name: of the file, for messages.  ids: `[N]`.  class_names: `[K]`.
      given: int `[N]`, where it is to be noted that samples have other labels than when they were
        decided about: ids that are numbers of rows name other samples once the table is sorted.

    Raises:
      UserError: a decision is no class; a class is named as a special decision is.
    """
    check_names(class_names)
    cells = class_labels.cells(class_names)
    number = {composed(cell.strip()): k for k, cell in enumerate(cells)} | {
        NONE: NO_CLASS,
        SKIP: OPEN,
    }
    row_of = {composed(str(key).strip()): n for n, key in enumerate(ids)}
    label, unknown, conflicts = np.full(len(ids), OPEN, np.int32), [], []
    changed = []
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
        n = row_of[key]
        label[n] = number[last]
        if given is not None and given[n] not in (number.get(stack[-1].given, given[n]), label[n]):
            changed.append(key)
    return Decided(label, _notes(name, unknown, conflicts, changed))


def _notes(
    name: str, unknown: list[str], conflicts: list[str], changed: list[str]
) -> tuple[str, ...]:
    notes = []
    if changed:
        notes.append(
            f"CAUTION: {shown(name)}: {len(changed):,} samples had other labels when they were "
            f"decided about: {shown(', '.join(changed[:3]))}; if ids are numbers of rows, the "
            "table must be in the order that it had then"
        )
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
    """Raises UserError where a class has the name of a special decision, in whatever case."""
    for name in map(str, class_names):
        if composed(name.strip()).lower() in _SPELLED:
            raise UserError(
                f"a class is called {shown(name)}, which is a decision; call it otherwise"
            )


def now() -> str:
    """The time as the column `when` has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def append(path: pathlib.Path, rows: Sequence[Decision]) -> None:
    """Adds rows at the end of the file, which is made if need be; they are on disk on return.

    Another process may add rows at the same time. See `add`.
    """
    with locked(path) as file:
        add(file, rows)


@contextmanager
def locked(path: pathlib.Path) -> Iterator[io.FileIO]:
    """The file, which is made if need be; nobody else who asks for it so has it meanwhile.

    Raises:
      OSError: it cannot be opened for writing.
    """
    while True:
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield file
                return  # else an editor has put another file in its place, while this one waited


def add(file: io.FileIO, rows: Sequence[Decision]) -> None:
    """Adds rows to a file that is `locked`, in its columns: those of another program may be fewer.

    A last line without its end is finished first.

    Raises:
      OSError: they cannot be written; the file is as it was.
      UserError: the file has no columns id and decision.
    """
    size = file.seek(0, os.SEEK_END)
    rest = _text(file, size, rows).encode("utf-8", "backslashreplace")
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(size)  # half a row would make the file unreadable
        raise


def _text(file: io.FileIO, size: int, rows: Sequence[Decision]) -> str:
    """What is to be written behind the first `size` bytes."""
    text = io.StringIO(newline="")
    delimiter, columns = _header(file) if size else (",", COLUMNS)
    if not size:
        csv.writer(text, lineterminator="\n").writerow(columns)
    elif not _ended(file, size):
        text.write("\n")
    for row in rows:
        cells = [csv_io.cell(row._asdict().get(column, "")) for column in columns]
        quoting = csv.QUOTE_ALL if "\r" in "".join(cells) else csv.QUOTE_MINIMAL
        writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n")
        writer.writerow(cells)
    return text.getvalue()


def _header(file: io.FileIO) -> tuple[str, list[str]]:
    """The delimiter of the file and its columns."""
    name = shown(str(file.name))
    file.seek(0)
    first = file.read(_HEADER).decode("utf-8-sig", "replace")
    for mark in csv_io.delimiters(first):
        header = [field.strip().lower() for field in csv_io.first_row(name, first, mark)[1]]
        if {"id", "decision"} <= set(header):
            return mark, header
    raise UserError(f"{name}: the header needs the columns id and decision")


def _ended(file: io.FileIO, size: int) -> bool:
    file.seek(size - 1)
    return file.read(1) in b"\r\n"
