"""Kinds of label noise between classes that look alike: T is read off what predictions confuse.

`confident_confusions` say how the samples that look most like a class are called. Part of that is
noise, the rest are the predictions' own errors. Noise that leads to more frequent look-alikes (tail
to head) or to one look-alike alone (asymmetric) is a part of the confusions, so it can earn its
place by explaining the labels better (`noise_structure`). How much of its labels a class loses may
be what its confusions show, or the same for all, or grow with rarity. C `[K, K]` are confusions,
T `[K, K]` holds P(given j | true i), NumPy float64.
"""

import functools
from typing import Protocol

import numpy as np

from dull_jax.data.noises.t2h import tailness
from dull_jax.stats import image_noise
from dull_jax.stats.noise_kinds import CAPS, Table, lost

MOST = 0.95  # largest share of a class's labels that leaves it; the rate may not be reached
REVERSE = 0.2  # share kept of confusions that lead to classes that are not more frequent
CONFUSED = "confused"
TO_HEAD = "t2h-similar"
PAIRS = "asymmetric"
SOME_LOSE = (PAIRS, f"{PAIRS} few")  # labels, other classes may keep theirs


class Shape(Protocol):
    """True counts `[K]`, C, rate -> T."""

    def __call__(self, counts: np.ndarray, confused: np.ndarray, rate: float) -> Table: ...


def confident_confusions(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """C `[K, K]`, rows sum to 1: how the samples that look most like class i are called.

    The confident joint (Northcutt et al. 2021): a sample counts for the class whose probability
    exceeds that class's mean among its own given labels, the most probable one where several do.
    """
    table = image_noise.counted(probs, given).table
    table += np.eye(len(table))  # a class that nothing looks like keeps its name
    return table / table.sum(1, keepdims=True)


def confusion(confused: np.ndarray, rate: float) -> Table:
    """C, its off-diagonal parts scaled: class mean of wrong labels `rate`.

    >>> confusion(np.array([[0.9, 0.1], [0.3, 0.7]]), rate=0.1).table.round(3)
    array([[0.95, 0.05],
           [0.15, 0.85]])
    """
    away = confused * (1 - np.eye(len(confused)))
    return _leaving(away * rate / max(away.sum(1).mean(), 1e-12))


def headward(counts: np.ndarray, confused: np.ndarray, rate: float, reverse: float = 0) -> Table:
    """The same of what leads to more frequent classes, and a share `reverse` of what does not.

    >>> headward(np.array([9, 3]), np.array([[0.9, 0.1], [0.3, 0.7]]), rate=0.1).table.round(3)
    array([[1. , 0. ],
           [0.2, 0.8]])
    """
    return confusion(np.where(_larger(counts), confused, reverse * confused), rate)


def towards(
    counts: np.ndarray, confused: np.ndarray, rate: float, cap: float | None = None
) -> Table:
    """To more frequent classes as C says; C does not say how much a class loses.

    The share that a class loses grows with rarity, up to `cap`, as of `noise_kinds.t2h`; None: it
    is the same for all but the most frequent. Their mean over all samples is `rate`.

    >>> towards(np.array([15, 5]), np.array([[0.9, 0.1], [0.3, 0.7]]), rate=0.1).table.round(3)
    array([[1. , 0. ],
           [0.4, 0.6]])
    """
    larger, shares = _larger(counts), counts / counts.sum()
    weights = np.where(larger, confused + 1e-4 * shares, 0)  # nothing may look like the class
    slope = np.where(larger.any(1), 1.0 if cap is None or not larger.any() else tailness(counts), 0)
    leaves = lost(shares, slope, rate, cap or MOST)
    return _leaving(leaves[:, None] * weights / np.maximum(weights.sum(1, keepdims=True), 1e-12))


def pairs(
    counts: np.ndarray,
    confused: np.ndarray,
    rate: float,
    classes: str = "as shown",
    keeps: np.ndarray | None = None,
) -> Table:
    """To the one class that C shows most; class mean of wrong labels `rate`.

    Classes lose their labels "as shown" by C, all the same share, or "few" of them, those that C
    shows to lose more than the mean. Those that `keeps` `[K]` names keep all in the end; the others
    lose no more for it. `counts` are not used.

    >>> confused = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0, 0, 1]])
    >>> pairs(np.ones(3), confused, rate=0.1).table.round(3)
    array([[0.9, 0.1, 0. ],
           [0.2, 0.8, 0. ],
           [0. , 0. , 1. ]])
    """
    away = confused * (1 - np.eye(len(confused)))
    most = away.max(1)
    loses = {"as shown": most, "all": (most > 0) * 1.0, "few": most * (most > most.mean())}[classes]
    every = np.eye(len(confused))
    table = confusion(every[away.argmax(1)] * loses[:, None], rate).table
    return Table(table if keeps is None else np.where(keeps[:, None], every, table))


def of_towards(kind: str) -> bool:
    """Whether a kind is one of `towards`: C says to which classes, the rate how much each loses.

    >>> of_towards("t2h-similar cap 0.6"), of_towards("t2h-similar mostly")
    (True, False)
    """
    return kind.startswith((f"{TO_HEAD} evenly", f"{TO_HEAD} cap"))


def _larger(counts: np.ndarray) -> np.ndarray:
    """`[K, K]`: whether class j is more frequent than class i."""
    return counts > counts[:, None]


def _leaving(away: np.ndarray) -> Table:
    """What leaves each class `[K, K]`, and the rest, which stays. No more than `MOST` leaves."""
    away = away * np.minimum(1, MOST / np.maximum(away.sum(1, keepdims=True), 1e-12))
    return Table(away + np.diag(1 - away.sum(1)))


def kinds(counts: np.ndarray) -> dict[str, Shape]:
    """Every kind that is searched. counts: `[K]` of the given labels."""
    if len(counts) < 2:
        return {}
    makes: dict[str, Shape] = {CONFUSED: functools.partial(headward, reverse=1), PAIRS: pairs}
    makes[f"{PAIRS} evenly"] = functools.partial(pairs, classes="all")
    makes[f"{PAIRS} few"] = functools.partial(pairs, classes="few")
    if counts.max() > counts.min():
        makes[TO_HEAD] = headward
        makes[f"{TO_HEAD} mostly"] = functools.partial(headward, reverse=REVERSE)
        makes[f"{TO_HEAD} evenly"] = towards
        for cap in CAPS:
            makes[f"{TO_HEAD} cap {cap:g}"] = functools.partial(towards, cap=cap)
    return makes
