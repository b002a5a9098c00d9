"""Which image files there are, under which labels, before any of them is opened.

A folder tree, a CSV file, Clothing1M and WebVision all become a `Listing`; `manifest.scan` then
opens the files.
"""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.errors import UserError
from dull_jax.names import printable, quoted, shown

HELD_OUT = ("test", "val", "valid", "validation")  # the first that is there is the test set


class Problem(NamedTuple):
    """What is left out, and why. `label` (a class name) and `split` are "" where unknown."""

    path: str
    reason: str
    label: str = ""
    split: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
    """N files below `root`, in a fixed order.

    paths: relative, with forward slashes; undecodable bytes as surrogates, as `os.fsdecode` does.
    labels: int32 [N], numbers of `class_names`.
    splits: str [N], "train" or "test"; "" everywhere when there is no split yet.
    rows: int [N], where each file stands in the list it was read from; None for a folder.
    ids: the user's own, unique; None where the content is to give them.
    """

    root: pathlib.Path
    class_names: tuple[str, ...]
    paths: Sequence[str]
    labels: np.ndarray
    splits: np.ndarray
    problems: tuple[Problem, ...] = ()
    rows: np.ndarray | None = None
    ids: Sequence[str] | None = None

    def where(self, index: int) -> str:
        """' (row 12)', to end a message about a file; '' where there are no rows."""
        return "" if self.rows is None else f" (row {self.rows[index]})"


class Entry(NamedTuple):
    """A file as a folder tree or a CSV file tells of it."""

    path: str
    label: str
    split: str
    row: int = 0
    id: str = ""


def from_entries(
    root: pathlib.Path,
    entries: Sequence[Entry],
    problems: Iterable[Problem] = (),
    order: Callable[[Iterable[str]], list[str]] = sorted,
) -> Listing:
    """A listing whose classes are the labels of all that is not test, in `order`.

    Raises:
      UserError: fewer than two classes, or two whose names look the same when `shown`.
    """
    names = order({entry.label for entry in entries if entry.split != "test"})
    if len(names) < 2:
        found = f"only class {quoted(names[0])} has" if names else "no class has"
        raise UserError(f"{shown(str(root))}: {found} images to train on; two are needed")
    number = {name: k for k, name in enumerate(names)}
    kept = [entry for entry in entries if entry.label in number]
    unknown = Counter(entry.label for entry in entries if entry.label not in number)
    only_test = [
        Problem(name, f"class only in the test part: {count:,} images skipped", name, "test")
        for name, count in sorted(unknown.items())
    ]
    return Listing(
        root,
        printable(root, names),
        [entry.path for entry in kept],
        np.array([number[entry.label] for entry in kept], np.int32),
        np.array([entry.split for entry in kept], "U5"),
        (*problems, *only_test),
        np.array([entry.row for entry in kept]) if any(entry.row for entry in kept) else None,
        [entry.id for entry in kept] if any(entry.id for entry in kept) else None,
    )
