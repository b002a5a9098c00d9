"""The images that are used, named by their content, and the files that are not.

An image keeps its id when it is moved, renamed or indexed in another order.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator, Set
from typing import NamedTuple

import numpy as np

from dull_jax.data import test_part
from dull_jax.data.own.duplicates import Duplicate
from dull_jax.data.own.image_index import UNTRAINED, Aside, Problem
from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError
from dull_jax.names import shown

_HEADER = ("id", "path", "label", "split", "width", "height", "status", "reason")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """N images that can be decoded, in the order of the index.

    ids: str [N], unique: the user's own, or 16 hex digits of the content's sha256, with "-2" and
      so on where one content is used under several labels.
    paths: str objects [N], relative to `root`.
    labels: int32 [N], numbers of `class_names`.
    splits: str [N], as of the index.
    heights, widths: int32 [N], pixels of the upright image.
    contents: str [N], equal for equal files.
    notes: str objects [N], what is odd about an image that is used.
    """

    root: pathlib.Path
    class_names: tuple[str, ...]
    ids: np.ndarray
    paths: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    contents: np.ndarray
    notes: np.ndarray
    problems: tuple[Problem, ...]
    duplicates: tuple[Duplicate, ...]
    aside: tuple[Aside, ...] = ()
    test_drawn: bool = False  # whether the test part was held out here, and not named by the user

    def check(self, on_error: str) -> None:
        """Nothing where problems are to be skipped.

        Raises:
          UserError: `on_error` is "fail" and there is a problem; or it is not "skip" either.
        """
        if on_error not in ("skip", "fail"):
            raise UserError(f"on_error must be 'skip' or 'fail', not {on_error!r}")
        untrained = [file for file in self.aside if file.reason == UNTRAINED]
        if on_error == "fail" and (problems := [*self.problems, *untrained]):
            first, more = problems[0], len(problems) - 1
            raise UserError(
                f"{shown(first.path)}: {first.reason}"
                + (f"; and {more:,} more problem{'s' * (more > 1)}" if more else "")
                + "; fix or remove what is named, or say on_error=skip"
            )

    def with_test(self, share: float, seed: int, corrected: Set[str] = frozenset()) -> "Manifest":
        """Holds out a test split where there is none: about `share` of each class.

        Which, see `test_part.drawn`. Content whose label is contradicted stays in train, and so do
        paths whose label was `corrected` by an audit: nothing can be measured against them.

        Raises:
          UserError: `share` is not between 0 and 1, or no image can be spared.
        """
        if np.any(self.splits == "test"):
            return self
        if not 0 < share < 1:
            raise UserError(f"test_share must be between 0 and 1, not {share}")
        _, content, copies = np.unique(self.contents, return_inverse=True, return_counts=True)
        changed = np.array([path in corrected for path in self.paths.tolist()], bool)
        doubtful = (copies[content] > 1) | changed
        classes = len(self.class_names)
        held_out = test_part.drawn(self.ids, self.labels, classes, share, seed, doubtful)
        splits = np.where(held_out, "test", "train")
        if not np.any(splits == "test"):
            raise UserError(
                f"{shown(str(self.root))}: no image can be held out to test on, since no class has "
                "a second one whose label is not contradicted; add images, or a test part"
            )
        return dataclasses.replace(self, splits=splits, test_drawn=True)

    def write(self, path: pathlib.Path) -> None:
        """Writes manifest.csv: the images used, the files left out and why.

        Raises:
          UserError: it cannot be written.
        """
        csv_io.write(path, _HEADER, self._rows())

    def _rows(self) -> Iterator[tuple]:
        columns = (self.ids, self.paths, self.labels, self.splits)
        sizes = (self.widths, self.heights, self.notes)
        unused = list(self.unused())
        every = class_labels.every(self.class_names, (file.label for file in unused))
        cells = dict(zip(every, class_labels.cells(every), strict=True)) | {"": ""}
        names = [cells[name] for name in self.class_names]
        for key, path, label, split, width, height, note in zip(*columns, *sizes, strict=True):
            yield str(key), path, names[label], str(split), int(width), int(height), "used", note
        for file in unused:
            label = cells[file.label]
            yield file.id, file.path, label, file.split, "", "", file.status, file.reason

    def unused(self) -> Iterator["Unused"]:
        """The files that are not used: copies of used ones, what is put aside, what is left out.

        Where the test part was drawn, a copy belongs to its image's part, and the rest to train.
        """
        parts = dict(zip(self.contents.tolist(), self.splits.tolist(), strict=True))
        drawn = "train" if any(parts.values()) else ""
        for group in self.duplicates:
            part = parts.get(group.id, drawn)
            for number, (path, label, split, used) in enumerate(zip(*group[1:5], strict=True)):
                if not used:
                    key, why = f"{group.id}-copy-{number}", group.action
                    yield Unused(key, path, label, split or part, "duplicate", why, group.id)
        for number, file in enumerate(self.aside):
            key = file.id or f"aside-{_digest(file.path, str(number))}"
            split, given = file.split or drawn, file.given
            yield Unused(key, file.path, file.label, split, file.status, file.reason, given=given)
        for path, reason, label, split, is_file in self.problems:
            key = f"left-out-{_digest(path, reason)}"
            label = label if is_file else ""
            yield Unused(key, path, label, split or drawn, "left out", reason)


def _digest(path: str, reason: str) -> str:
    text = f"{path}\0{reason}".encode(errors="surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


class Unused(NamedTuple):
    """A file of the data set that is not used, with an id of its own. label: "" where unknown."""

    id: str
    path: str
    label: str
    split: str
    status: str  # "duplicate", "left out", or as in `Aside`
    reason: str
    content: str = ""  # of a duplicate: as in `Manifest.contents`
    given: str = ""  # as in `Aside`
