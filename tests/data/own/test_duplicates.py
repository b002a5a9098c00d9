"""Equal files: used once, used under every label, or kept out of train."""

import numpy as np

from dull_jax.data.own import duplicates
from dull_jax.data.own.duplicates import CONFLICT, LEAKED, ONCE, SECOND


def resolve(*rows):
    contents, paths, labels, splits = zip(*rows, strict=True)
    columns = np.array(contents), list(paths), np.array(labels), np.array(splits)
    return duplicates.resolve(*columns, class_names=("cat", "dog", "cow"))


def test_nothing_is_equal():
    found = resolve(("x", "a", 0, ""), ("y", "b", 0, ""))
    assert found.used.all() and found.copy.tolist() == [1, 1] and found.duplicates == ()


def test_same_label_is_used_once_by_its_first_path():
    found = resolve(("x", "b", 1, "train"), ("y", "c", 1, "train"), ("x", "a", 1, "train"))
    assert found.used.tolist() == [False, True, True]
    (group,) = found.duplicates
    assert group.paths == ("a", "b") and group.used == (True, False) and group.action == ONCE


def test_different_labels_are_all_used_and_numbered_by_label():
    """Not by path: an id must survive a new name."""
    rows = [("x", "c", 0, ""), ("x", "a", 1, ""), ("x", "b", 0, ""), ("x", "d", 2, "")]
    found = resolve(*rows)
    assert found.used.tolist() == [False, True, True, True]
    assert found.copy[found.used].tolist() == [2, 1, 3]
    (group,) = found.duplicates
    assert group.labels == ("dog", "cat", "cat", "cow") and group.action == f"{ONCE}; {CONFLICT}"


def test_what_is_in_test_is_not_in_train():
    rows = [("x", "a", 0, "train"), ("x", "b", 0, "test"), ("y", "c", 1, "train")]
    found = resolve(*rows, ("y", "d", 0, "test"), ("y", "e", 2, "test"))
    assert found.used.tolist() == [False, True, False, True, True]
    assert [group.action for group in found.duplicates] == [LEAKED, f"{LEAKED}; {CONFLICT}"]


def test_a_second_held_out_part_comes_last():
    rows = [("x", "a", 0, "val"), ("x", "b", 0, "train"), ("y", "c", 1, "test")]
    found = resolve(*rows, ("y", "d", 0, "val"), ("z", "e", 2, "val"), ("z", "f", 2, "val"))
    assert found.used.tolist() == [False, True, True, False, True, False]
    assert [group.action for group in found.duplicates] == [SECOND, SECOND, ONCE]
    found = resolve(("x", "a", 0, "val"), ("x", "b", 0, "train"), ("x", "c", 0, "test"))
    assert found.used.tolist() == [False, False, True]
    assert found.duplicates[0].action == f"{LEAKED}; {SECOND}"


def test_nothing_at_all():
    empty = np.array([], "U16")
    found = duplicates.resolve(empty, [], np.array([], int), empty, ())
    assert found.duplicates == () and len(found.used) == 0
