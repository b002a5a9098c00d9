"""Leaves by name: a tree taken apart is filled again."""

import numpy as np
import pytest

from dull_jax.run_dir import leaves


def test_a_tree_comes_back():
    tree = {"nets": ({"a": np.zeros(2)}, {"a": np.ones(3)}), "memory": {"b": np.arange(4)}}
    named = leaves.by_name(tree)
    assert list(named) == ["memory/b", "nets/0/a", "nets/1/a"]
    again = leaves.restored(tree, named)
    assert again["nets"][1]["a"] is tree["nets"][1]["a"]


def test_what_has_no_place_comes_in_dictionaries():
    whole = leaves.restored({"a": 0}, {"a": 1, "journal/0/b": 2, "journal/1/b": 3})
    assert whole == {"a": 1, "journal": {"0": {"b": 2}, "1": {"b": 3}}}


def test_a_leaf_that_is_missing():
    with pytest.raises(KeyError):
        leaves.restored({"a": 0, "b": 0}, {"a": 1})


def test_every_leaf_is_asked_for_by_name():
    assert leaves.filled({"x": [1, 2]}, lambda name, leaf: f"{name}={leaf}") == {
        "x": ["x/0=1", "x/1=2"]
    }
