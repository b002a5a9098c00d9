"""The kinds of label noise, as functions of true class counts, and their products with vectors.

T `[K, K]` holds P(given j | true i). Of symmetric and joint noise it is a diagonal plus an outer
product; of tail-to-head noise the part of that which leads to more frequent classes, a running sum
once classes are sorted by count. So x T and x T' cost a few passes over x, where the table would
cost 2 K multiply-adds for each number of x; `quickest` says where that is less. The kinds are those
of `dull_jax.data`. NumPy arrays give NumPy (float64), JAX arrays JAX.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.data.noises.t2h import tailness

CAPS = (0.6, 0.9)  # largest share that a class may lose, tail-to-head
_FEW = 256  # classes up to which a product with a table is quicker than running sums
Array: TypeAlias = jax.Array | np.ndarray


class Mixing(NamedTuple):
    """T = diag(kept) + outer(leaves, arrives), all `[K]`."""

    kept: Array
    leaves: Array
    arrives: Array

    def sorted(self, x: Array) -> Array:
        return x

    def named(self, x: Array) -> Array:
        return x

    def forward(self, x: Array) -> Array:
        """x T, x `[..., K]`: what true shares become."""
        return x * self.kept + (x * self.leaves).sum(-1, keepdims=True) * self.arrives

    def backward(self, x: Array) -> Array:
        """x T': each class's expectation of what is a function of the given label."""
        return x * self.kept + (x * self.arrives).sum(-1, keepdims=True) * self.leaves


class Headward(NamedTuple):
    """The same without what leads to classes that are rarer or as frequent.

    kept, leaves, arrives: `[K]`, sorted by falling count, as x has to be: `sorted` does it, `named`
    undoes it. order: class ids; place: its inverse. first, last: places of the first and the last
    class that is as frequent; None where no two are.
    """

    kept: Array
    leaves: Array
    arrives: Array
    order: Array
    place: Array
    first: Array | None
    last: Array | None

    def sorted(self, x: Array) -> Array:
        return x[..., self.order]

    def named(self, x: Array) -> Array:
        return x[..., self.place]

    def forward(self, x: Array) -> Array:
        leaving = x * self.leaves
        rarer = leaving.sum(-1, keepdims=True) - cumulative(leaving)
        rarer = rarer if self.last is None else rarer[..., self.last]
        return x * self.kept + rarer * self.arrives

    def backward(self, x: Array) -> Array:
        arriving = x * self.arrives
        ahead = cumulative(arriving) - arriving
        ahead = ahead if self.first is None else ahead[..., self.first]
        return x * self.kept + ahead * self.leaves


class Table(NamedTuple):
    """Any T, as it is."""

    table: Array  # [K, K]

    def sorted(self, x: Array) -> Array:
        return x

    def named(self, x: Array) -> Array:
        return x

    def forward(self, x: Array) -> Array:
        return _product(x, self.table)

    def backward(self, x: Array) -> Array:
        return _product(x, self.table.T)


Noise: TypeAlias = Mixing | Headward | Table


def table(noise: Noise) -> np.ndarray:
    """T `[K, K]` float64, rows and columns by class id."""
    if isinstance(noise, Table):
        return np.asarray(noise.table)
    return np.asarray(noise.named(noise.forward(noise.sorted(np.eye(len(noise.kept))))))


def quickest(noise: Noise) -> Noise:
    """The same noise, in the form whose products cost least."""
    few = isinstance(noise, Headward) and len(noise.kept) <= _FEW
    return Table(table(noise)) if few else noise


def _product(x: Array, matrix: Array) -> Array:
    """x matrix; in JAX no accelerator rounds what goes in."""
    if isinstance(x, np.ndarray):
        return x @ matrix
    return jnp.matmul(x, matrix, precision="highest")


def cumulative(x: Array) -> Array:
    """Running sum along the last axis, each number included.

    In JAX as two small triangular products: on a CPU a scan is twice as slow.

    >>> cumulative(np.array([1, 2, 3]))
    array([1, 3, 6])
    """
    size = x.shape[-1]
    inner = max(q for q in range(1, min(size, 50) + 1) if size % q == 0)
    if isinstance(x, np.ndarray) or inner < 8:
        return x.cumsum(-1)
    parts = x.reshape(*x.shape[:-1], size // inner, inner)
    within = jnp.matmul(parts, jnp.triu(jnp.ones((inner, inner), x.dtype)), precision="highest")
    before = jnp.triu(jnp.ones((size // inner,) * 2, x.dtype), 1)
    earlier = jnp.matmul(parts.sum(-1), before, precision="highest")
    return (within + earlier[..., None]).reshape(x.shape)


# Real-valued true class counts [K] -> T ----------------------------------------------------------


def none(counts: np.ndarray) -> Mixing:
    """Every label stays. counts: `[K]`, given labels of each class.

    >>> table(none(np.array([3, 1])))
    array([[1., 0.],
           [0., 1.]])
    """
    return Mixing(np.ones(len(counts)), np.zeros(len(counts)), np.zeros(len(counts)))


def symmetric(counts: np.ndarray, rate: float) -> Mixing:
    """A share `rate` of every class goes to the others, evenly.

    >>> table(symmetric(np.array([50, 10, 5]), rate=0.2)).round(3)
    array([[0.8, 0.1, 0.1],
           [0.1, 0.8, 0.1],
           [0.1, 0.1, 0.8]])
    """
    size = len(counts)
    away = rate / (size - 1)
    return Mixing(np.full(size, 1 - rate - away), np.ones(size), np.full(size, away))


def joint(counts: np.ndarray, rate: float) -> Mixing:
    """Towards other classes in proportion to their counts (RoLT: Wei et al., 2021).

    >>> table(joint(np.array([50, 30, 20]), rate=0.2)).round(3)
    array([[0.8  , 0.12 , 0.08 ],
           [0.143, 0.8  , 0.057],
           [0.125, 0.075, 0.8  ]])
    """
    shares = counts / counts.sum()
    leaves = rate / np.maximum(1 - shares, 1e-12)
    return Mixing(1 - rate - leaves * shares, leaves, shares)


def t2h(counts: np.ndarray, rate: float, cap: float) -> Noise:
    """Tail-to-head noise (`data.noises.t2h`); where the cap forbids the rate, what it allows."""
    if counts.max() <= counts.min():
        return none(counts)
    order = np.argsort(-counts, kind="stable")
    shares = counts[order] / counts.sum()
    first = np.searchsorted(-shares, -shares, side="left")
    last = np.searchsorted(-shares, -shares, side="right") - 1
    ahead = (np.cumsum(shares) - shares)[first]
    leaves = lost(shares, tailness(shares) * (first > 0), rate, cap)
    tied = (first != last).any()
    return Headward(
        *(1 - leaves, leaves / np.maximum(ahead, 1e-12), shares, order, np.argsort(order)),
        *((first, last) if tied else (None, None)),
    )


def lost(shares: np.ndarray, slope: np.ndarray, rate: float, cap: float) -> np.ndarray:
    """What classes lose `[K]`: min(cap, c slope), mean `rate` under `shares`, or less."""
    order = np.argsort(-slope, kind="stable")  # the first n lose `cap`, the others c slope
    capped = np.concatenate([[0.0], cap * np.cumsum(shares[order])])
    rest = np.append(np.cumsum((shares * slope)[order][::-1])[::-1], 0.0)
    multiples = (rate - capped) / np.maximum(rest, 1e-300)
    enough = multiples * np.append(slope[order], 0.0) <= cap
    return np.minimum(cap, multiples[enough.argmax()] * slope)


def kinds(counts: np.ndarray, rates: Sequence[float]) -> Iterator[tuple]:
    """(kind, rate, true counts -> T) of all that is searched, but for `look_alikes`.

    counts: `[K]` of the given labels.
    """
    yield "none", 0.0, none
    for rate in rates if len(counts) > 1 else ():
        yield "symmetric", rate, lambda n, rate=rate: symmetric(n, rate)
        yield "joint", rate, lambda n, rate=rate: joint(n, rate)
        if counts.max() > counts.min():
            for cap in CAPS:
                yield f"t2h cap {cap:g}", rate, lambda n, rate=rate, cap=cap: t2h(n, rate, cap)
