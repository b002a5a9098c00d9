"""Head, medium and tail: the groups of classes that every number is also given for."""

from collections.abc import Iterable, Mapping

import numpy as np

from dull_jax.fields import choice

GROUPS = ("head", "medium", "tail")
FIELDS = {
    "groups": choice(
        "auto",
        "head/medium/tail: rank (30/40/30 % of the classes), counts, auto",
        ("auto", "rank", "counts"),
    ),
}


def group_of(groups: Mapping[str, Iterable[int]], num_classes: int) -> list[str]:
    """`[K]` the group of each class, "" where it is in none.

    >>> group_of({"head": [0, 1], "tail": [3]}, 4)
    ['head', 'head', '', 'tail']
    """
    names = [""] * num_classes
    for group in GROUPS:
        for k in groups.get(group, ()):
            names[k] = group
    return names


def class_groups(
    counts: np.ndarray, rule: str = "auto", ties: np.ndarray | None = None
) -> tuple[dict[str, list[int]], str]:
    """Splits classes into head, medium and tail by their true training counts.

    Args:
      counts: `[K]` true counts.
      rule: 'counts' (head > 100, medium 20-100, tail < 20 images: the many/medium/few of the
        literature), 'rank' (the 30 % most frequent classes, 40 %, the 30 % rarest), or 'auto':
        counts from 100 classes on, rank below.
      ties: `[K]`, of classes with equal counts the larger ranks first; else the first does.

    Returns:
      (group -> class ids, the rule in words).
    """
    counts = np.asarray(counts)
    if rule == "counts" or (rule == "auto" and len(counts) >= 100):
        names = np.where(counts > 100, "head", np.where(counts >= 20, "medium", "tail"))
        text = "head: more than 100 images of a class, medium: 20 to 100, tail: fewer than 20"
    else:
        third = max(1, round(0.3 * len(counts))) if len(counts) > 1 else 0
        names = np.full(len(counts), "medium", dtype="<U6")
        order = np.lexsort((-counts if ties is None else -np.asarray(ties), -counts))
        names[order[:third]], names[order[len(counts) - third :]] = "head", "tail"
        text = f"head: the {third} most frequent classes, tail: the {third} rarest, medium between"
    return {g: np.flatnonzero(names == g).tolist() for g in GROUPS}, text
