"""The nearest neighbours of a sample, as a card shows them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from dull_jax.report.pictures import stamp

EXPLAINED = "Beneath: its nearest neighbours with their given labels, bold where as suggested."


def near(
    others: Iterable[tuple[str, str]], better: str | None, pictures: np.ndarray | None
) -> list[dict[str, Any]]:
    """`near` of `blocks.card`.

    Args:
      others: (name, name of the given class) of each neighbour, nearest first.
      better: name of the class that fits the sample better.
      pictures: uint8 `[k, h, w, C]`; None: there are none.
    """
    return [
        {
            "name": name,
            "label": label,
            "agrees": label == better,
            "picture": "" if pictures is None else stamp(pictures[n]),
        }
        for n, (name, label) in enumerate(others)
    ]
