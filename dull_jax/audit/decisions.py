"""decisions.csv: what a person decided of labels, one row after the other, never changed.

    id,given,decision,when,audit
    3f2a90bc,cat,lynx,2026-11-28T14:03:21Z,5d1f0c2ab9e4
    77ab12de,dog,dog,2026-11-28T14:03:24Z,5d1f0c2ab9e4
    77ab12de,dog,[undo],2026-11-28T14:03:29Z,5d1f0c2ab9e4

`decision` is the class that the sample shows, which may be the one given; or `[none of the
classes]`; or `[remove]`, an image not to be trained on, whose label may be right; or `[skip]`,
looked at and left open; or `[undo]`, which takes back the sample's last decision. `given`, `when`
(UTC) and `audit` (the digest of the list that was looked at) are notes: another program may leave
these columns out. A decision is about the image, so it holds for every later audit of it. Where a
sample has two different decisions and none was taken back, the last row counts, and the conflict is
named.
"""

import datetime
import fcntl
import io
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from dull_jax import files
from dull_jax.audit import decision_table, label_studio_export
from dull_jax.audit.decision_table import COLUMNS, NONE, REMOVE, SKIP, SPECIAL, UNDO
from dull_jax.data.tables import class_labels
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted, shown
from dull_jax.stats.label_evidence import ASIDE, UNDECIDED

OPEN, NO_CLASS, REMOVED = UNDECIDED, -2, ASIDE  # in place of a class


class Decision(NamedTuple):
    """A row of the file; `decision` is a class name or one of `SPECIAL`.

    row: where it stands, for messages; 0 where that is not known.
    """

    id: str
    given: str
    decision: str
    when: str = ""
    audit: str = ""
    row: int = 0


class Decided(NamedTuple):
    """What decisions say of N samples.

    label: int32 [N], the class that was decided, `OPEN`, `NO_CLASS`, or `REMOVED`. notes: what was
    odd.
    """

    label: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def removed(self) -> np.ndarray:
        """bool [N], whether the image is to be removed, which says nothing of its label."""
        return self.label == REMOVED


class DecisionFile(NamedTuple):
    """A file's name and its rows: what can be asked once the samples are known."""

    name: str
    rows: list[Decision]
    notes: tuple[str, ...] = ()  # what was odd about the file itself

    def of_samples(
        self,
        ids: Sequence[str] | np.ndarray,
        class_names: Sequence[str],
        given: np.ndarray | None = None,
    ) -> Decided:
        """See `of_samples`."""
        found = of_samples(self.name, self.rows, ids, class_names, given)
        return found._replace(notes=(*self.notes, *found.notes))


def opened(path: str | os.PathLike) -> DecisionFile:
    """A table of decisions, or Label Studio's export where the suffix is .json.

    Rows in which nothing is decided say nothing: a table that is filled in bit by bit has them.

    Raises:
      UserError: unreadable, or without the columns id and decision; names the row.
    """
    name = shown(str(path))
    try:
        data = files.read(path)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None
    exported = pathlib.PurePath(path).suffix.lower() == ".json"
    table, notes = (label_studio_export if exported else decision_table).read(name, data)
    blank = [""] * len(table.lines)
    columns = [table.columns.get(column, blank) for column in COLUMNS]
    rows = [
        Decision._make((decision_table.id_of(key), *map(decision_table.text_of, cells), line))
        for key, *cells, line in zip(*columns, table.lines, strict=True)
    ]
    return DecisionFile(name, [row for row in rows if row.decision], notes)


def read(path: str | os.PathLike) -> list[Decision]:
    """The rows of the file, in order. See `opened`."""
    return opened(path).rows


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
    ids: Sequence[str] | np.ndarray,
    class_names: Sequence[str],
    given: np.ndarray | None = None,
) -> Decided:
    """What the rows say of the samples with these ids.

    Args:
      name: of the file, for messages.  ids: `[N]`.  class_names: `[K]`.
      given: `[N]` labels now; where they are others than they were, that is noted.

    Raises:
      UserError: a decision is no class; a class is named as a special decision is, or as another
        but for blanks.
    """
    check_names(class_names)
    numbers = Numbers(class_names)
    row_of = {composed(str(key).strip()): n for n, key in enumerate(ids)}
    label, unknown, conflicts = np.full(len(ids), OPEN, np.int32), [], []
    changed = []
    for key, stack in current(rows).items():
        if key not in row_of:
            unknown.append(key)
            continue
        last = stack[-1]
        found = OPEN if last.decision == SKIP else numbers.of(last.decision)
        if found is None:
            where = f"{name}, row {last.row}" if last.row else name
            raise UserError(
                f"{where}: the decision {quoted(last.decision)} for {quoted(key)} is no class of "
                f"this audit, nor {', '.join(SPECIAL[:-1])} or {UNDO}"
            )
        if len({numbers.of(row.decision) for row in stack if row.decision != SKIP}) > 1:
            conflicts.append(_conflict(key, stack))
        n = row_of[key]
        label[n] = found
        if given is not None and given[n] not in (numbers.of(last.given), found) and last.given:
            changed.append(key)
    return Decided(label, _notes(name, unknown, conflicts, changed))


class Numbers:
    """Which class a decision names, by its name or, if spelt as another number, by its value."""

    def __init__(self, class_names: Sequence[str]):
        """Raises UserError where two classes have names that decisions cannot tell apart."""
        names = class_labels.cells(class_names)
        self._named = _by_name(names)
        self._named |= {NONE: NO_CLASS, REMOVE: REMOVED}
        whole = [(int(name), k) for k, name in enumerate(names) if class_labels.is_whole(name)]
        self._valued = dict(whole) if len(dict(whole)) == len(whole) else {}

    def of(self, decision: str) -> int | None:
        """The class number, `NO_CLASS`, `REMOVED`, or None where there is no such class."""
        if decision in self._named:
            return self._named[decision]
        whole = class_labels.whole(decision)  # spreadsheets write 3.0, or 3 for 003
        return self._valued.get(int(whole)) if whole else None


def _by_name(names: Sequence[str]) -> dict[str, int]:
    """Name as a decision has it -> class. Raises UserError: see `Numbers`."""
    found: dict[str, int] = {}
    for k, name in enumerate(names):
        if (other := found.setdefault(composed(name.strip()), k)) != k:
            raise UserError(
                f"decisions cannot tell the classes {quoted(names[other])} and {quoted(name)} "
                "apart; rename one"
            )
    return found


def _conflict(key: str, stack: Sequence[Decision]) -> str:
    words = ", ".join(dict.fromkeys(row.decision for row in stack))
    places = ", ".join(str(row.row) for row in stack if row.row)
    return f"{key} ({words})" + (f" in rows {places}" if places else "")


def _many(found: list[str], one: str, several: str) -> str:
    """'1 sample is', '2 samples are'."""
    return f"{len(found):,} {one if len(found) == 1 else several}"


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
            f"{shown(name)}: {_many(conflicts, 'sample is', 'samples are')} decided in two ways, "
            f"of which the last counts: {shown('; '.join(conflicts[:3]))}"
        )
    if unknown:
        notes.append(
            f"{shown(name)}: "
            f"{_many(unknown, 'decision is of a sample', 'decisions are of samples')} that this "
            f"audit does not have: {shown(', '.join(unknown[:3]))}"
        )
    return tuple(notes)


def check_names(class_names: Sequence[str]) -> None:
    """Raises UserError where a class has the name of a special decision."""
    for name in map(str, class_names):
        if name.strip().lower() in SPECIAL:
            raise UserError(f"a class is called {name}, which is a decision; call it otherwise")


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
    """Adds rows to a file that is `locked`, as it is written: its columns, delimiter, line ends.

    A last line without its end is finished first; part of a row, which a crash left, goes.

    Raises:
      OSError: they cannot be written; the file is as it was, but for what a crash left.
      UserError: the file has no columns id and decision.
    """
    file.seek(0)
    cells = [row._asdict() for row in rows]
    size, rest = decision_table.added(shown(str(file.name)), file.readall(), cells)
    file.truncate(size)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(size)  # half a row would be left
        raise
