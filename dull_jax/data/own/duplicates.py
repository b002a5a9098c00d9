"""Files with the same content: used once, or under each of the labels that contradict."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ONCE = "same content and label: used once"
CONFLICT = "same content under different labels: all of them used"
LEAKED = "same content in train and test: taken out of train"
SECOND = "same content in another part: taken out of val"


class Duplicate(NamedTuple):
    """Files of one content, in the order of their paths; `used` tells which of them still count."""

    id: str
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    used: tuple[bool, ...]
    action: str


class Resolved(NamedTuple):
    """used: bool [N].  copy: int [N], 1, 2, ... for the used files of a content.

    Those have different labels, and are counted in the order of these: a new name changes nothing.
    """

    used: np.ndarray
    copy: np.ndarray
    duplicates: tuple[Duplicate, ...]


def resolve(
    contents: np.ndarray,
    paths: Sequence[str],
    labels: np.ndarray,
    splits: np.ndarray,
    class_names: Sequence[str],
) -> Resolved:
    """Decides which of N files are used.

    Args:
      contents: str [N], equal where the files are.
      labels: int [N].
      splits: str [N]; content that is in "test" is taken out of every other split, and content of
        any other out of "val".
    """
    used, copy = np.ones(len(contents), bool), np.ones(len(contents), np.int64)
    duplicates = []
    for group in _groups(contents):
        group = sorted(group, key=lambda index: (paths[index], index))
        actions = _resolve_one(group, labels, splits, used)
        kept = sorted((i for i in group if used[i]), key=lambda index: labels[index])
        copy[kept] = np.arange(1, len(kept) + 1)
        duplicates.append(
            Duplicate(
                str(contents[group[0]]),
                tuple(paths[i] for i in group),
                tuple(class_names[labels[i]] for i in group),
                tuple(str(splits[i]) for i in group),
                tuple(bool(used[i]) for i in group),
                "; ".join(actions),
            )
        )
    return Resolved(used, copy, tuple(duplicates))


def _groups(contents: np.ndarray) -> list[np.ndarray]:
    """Indices of each content that is there more than once."""
    order = np.argsort(contents, kind="stable")
    _, starts, counts = np.unique(contents[order], return_index=True, return_counts=True)
    several = counts > 1
    return [
        order[start : start + count]
        for start, count in zip(starts[several], counts[several], strict=True)
    ]


def _resolve_one(
    group: Sequence[int], labels: np.ndarray, splits: np.ndarray, used: np.ndarray
) -> list[str]:
    """Clears `used` for what is left out of the group; returns what was done, in words."""
    in_test = [index for index in group if splits[index] == "test"]
    others = [index for index in group if splits[index] != "val"]
    kept = in_test or others or group
    actions = []
    if len(kept) < len(others):
        actions.append(LEAKED)
    if 0 < len(others) < len(group):
        actions.append(SECOND)
    first = {int(labels[index]): index for index in reversed(kept)}
    if len(first) < len(kept):
        actions.append(ONCE)
    if len(first) > 1:
        actions.append(CONFLICT)
    for index in group:
        used[index] = index in first.values()
    return actions
