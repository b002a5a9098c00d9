"""What is to be looked at, in which order: an audit's rows as a view of the list has them.

A view is computed once, with numpy. Its rows stay in their places while the server runs, decided
or not.
"""

import functools
from typing import NamedTuple

import numpy as np

from dull_jax.audit.decisions import OPEN
from dull_jax.audit.saved import ABSENT, SavedAudit
from dull_jax.audit.verdicts import AMBIGUOUS, DUPLICATE, LEAK, OUTSIDE, WRONG
from dull_jax.data.groups import GROUPS

ORDERS = ("p", "gain", "class")
REST = "rest"  # of the labels: those that are not listed
VERDICTS = ("", WRONG, AMBIGUOUS, LEAK, DUPLICATE, OUTSIDE, REST)
PAIRS = 30  # of classes that are counted
_VIEWS = 16  # that are kept; of a million rows they take 64 MB
_BLOCK = 1 << 15  # rows that are searched together


class View(NamedTuple):
    """Rows and their order; "" and `ABSENT` stand for any.

    order: "p" (P(wrong), falling), "gain", or "class" (of the given class, then P(wrong)).
    group: of the given class. given, suggested: class numbers. verdict: one of `VERDICTS`.
    """

    order: str = "p"
    group: str = ""
    given: int = ABSENT
    suggested: int = ABSENT
    verdict: str = ""


class Counts(NamedTuple):
    """How many rows each choice of a filter would show, the other filters being as they are.

    pairs: (given, suggested, count), the most frequent first.
    """

    verdict: dict[str, int]
    group: dict[str, int]
    pairs: list[tuple[int, int, int]]


class Items:
    """The views of an audit."""

    def __init__(self, audit: SavedAudit):
        self.audit = audit
        self.class_sizes = np.bincount(audit.given, minlength=len(audit.class_names))
        self.gain = gain(audit.p_wrong, audit.given, audit.suggested, self.class_sizes)
        self.place = np.full(len(audit.given), ABSENT, np.int32)  # in the list
        self.place[audit.listed] = np.arange(len(audit.listed))
        self._group = np.full(len(audit.class_names), ABSENT, np.int8)
        for number, name in enumerate(GROUPS):
            self._group[audit.summary["groups"].get(name, [])] = number
        self._rest = np.flatnonzero(self.place == ABSENT).astype(np.int32)
        self.rows = functools.lru_cache(_VIEWS)(self._rows)
        self.counts = functools.lru_cache(_VIEWS)(self._counts)

    def _rows(self, view: View) -> np.ndarray:
        """int32 `[n]`: the rows of the view, in its order."""
        rows = self._filtered(self._of_verdict(view.verdict), view)
        falling = -(self.gain if view.order == "gain" else self.audit.p_wrong)[rows]
        if view.order == "class":
            order = np.lexsort((falling, self.audit.given[rows]))
        else:
            order = np.argsort(falling, kind="stable")
        return rows[order]

    def _counts(self, view: View) -> Counts:
        """Of the view's filters; its order does not matter."""
        verdicts = {
            verdict: len(self._filtered(self._of_verdict(verdict), view))
            for verdict in VERDICTS[1:]
        }
        rows = self._filtered(self._of_verdict(view.verdict), view._replace(group=""))
        found = self._group[self.audit.given[rows]]
        groups = {name: int((found == number).sum()) for number, name in enumerate(GROUPS)}
        return Counts(verdicts, groups, self._pairs(view))

    def _pairs(self, view: View) -> list[tuple[int, int, int]]:
        anything = view._replace(given=ABSENT, suggested=ABSENT)
        rows = self._filtered(self._of_verdict(view.verdict), anything)
        given, suggested = self.audit.given[rows], self.audit.suggested[rows]
        other = given != suggested
        codes = given[other].astype(np.int64) * len(self.class_sizes) + suggested[other]
        codes, counts = np.unique(codes, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:PAIRS]
        pairs = np.stack(np.divmod(codes[most], len(self.class_sizes)), 1).tolist()
        return [(*pair, count) for pair, count in zip(pairs, counts[most].tolist(), strict=True)]

    def _of_verdict(self, verdict: str) -> np.ndarray:
        if verdict == REST:
            return self._rest
        return self.audit.listed[self.audit.verdicts == verdict] if verdict else self.audit.listed

    def _filtered(self, rows: np.ndarray, view: View) -> np.ndarray:
        given = self.audit.given[rows]
        keep = np.ones(len(rows), bool)
        if view.group:
            keep &= self._group[given] == GROUPS.index(view.group)
        if view.given != ABSENT:
            keep &= given == view.given
        if view.suggested != ABSENT:
            keep &= self.audit.suggested[rows] == view.suggested
        return rows[keep]


def gain(
    p_wrong: np.ndarray, given: np.ndarray, suggested: np.ndarray, class_sizes: np.ndarray
) -> np.ndarray:
    """float32 `[N]`: what it is worth to the mean accuracy over classes to correct a label.

    P(wrong) times the share that one label is of the class it leaves, and of the one it joins.
    """
    share = 1 / np.maximum(class_sizes, 1)
    joined = np.where(given == suggested, 0, share[suggested])
    return (p_wrong * (share[given] + joined)).astype(np.float32)


def seek(
    rows: np.ndarray, labels: np.ndarray, start: int, value: int = OPEN, most: int = 1
) -> list:
    """Positions of the next rows whose label is `value`, from `start` on and round once.

    Args:
      rows: `[n]`, of a view.  labels: `[N]`, what was decided.  most: how many positions.
    """
    found: list[int] = []
    for first, end in ((start, len(rows)), (0, min(start, len(rows)))):
        for begin in range(first, end, _BLOCK):
            block = labels[rows[begin : min(begin + _BLOCK, end)]] == value
            found += (begin + np.flatnonzero(block)[:most]).tolist()
            if len(found) >= most:
                return found[:most]
    return found


def seek_back(rows: np.ndarray, labels: np.ndarray, start: int) -> list[int]:
    """The position of the first open row at or before `start`, in a list; empty where none is."""
    for end in range(min(start + 1, len(rows)), 0, -_BLOCK):
        begin = max(end - _BLOCK, 0)
        block = np.flatnonzero(labels[rows[begin:end]] == OPEN)
        if len(block):
            return [begin + int(block[-1])]
    return []
