"""Which samples are held out to be tested on, where nobody says: about a share of each class."""

import hashlib

import numpy as np

from dull_jax.data import draws


def drawn(
    ids: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    share: float,
    seed: int,
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """bool `[N]`: those held out.

    A sample is held out if a number in [0, 1), a hash of `seed` and its id, is below `share`:
    whatever is added, removed or renamed beside it changes nothing. Every class with two samples or
    more has at least one on each side.

    Args:
      ids, labels: str `[N]`, int `[N]`.
      kept: bool `[N]`, never held out.
    """
    kept = np.zeros(len(ids), bool) if kept is None else kept
    numbers = _numbers(ids, seed)
    held_out = (numbers < share) & ~kept
    for members in draws.members(labels, num_classes):
        free = members[~kept[members]]
        if not np.any(held_out[members]):
            held_out[free[np.argsort(numbers[free])[:1]]] = True
        if np.all(held_out[members]):
            held_out[members[np.argsort(numbers[members])[-1:]]] = False
    return held_out


def _numbers(ids: np.ndarray, seed: int) -> np.ndarray:
    """float64 [N] in [0, 1), uniform: functions of each id and the seed alone."""
    digests = (hashlib.sha256(f"{seed} {name}".encode()).digest() for name in ids.tolist())
    return np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests])
