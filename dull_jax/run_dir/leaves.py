"""Leaves of a tree of arrays by name, 'nets/0/params/…', as checkpoints hold them."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

Leaves = Mapping[str, np.ndarray]


def leaf_name(path: tuple[Any, ...]) -> str:
    """The name of the leaf at a path of a tree: 'nets/0/params/…'."""
    return "/".join(str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path)


def by_name(tree: Any) -> dict[str, Any]:
    """{name: leaf} of a tree."""
    return {leaf_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def filled(tree: Any, pick: Callable[[str, Any], Any]) -> Any:
    """`tree` with `pick(name, leaf)` in the place of every leaf."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: pick(leaf_name(path), leaf), tree)


def restored(tree: Any, leaves: Leaves) -> Any:
    """`tree` filled from `leaves`; what it has no place for comes in nested dictionaries.

    >>> restored({"a": 0}, {"a": 1, "journal/0/b": 2})
    {'a': 1, 'journal': {'0': {'b': 2}}}
    """
    rest = dict(leaves)
    whole = filled(tree, lambda name, _: rest.pop(name))
    for name, array in rest.items():
        *parents, leaf = name.split("/")
        place = whole
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = array
    return whole
