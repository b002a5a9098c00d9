"""The graph of nearest neighbours: for each sample the k others of greatest cosine.

All pairs are compared, one block of queries at a time: 2 n N C operations, and memory for
O(block * N + N * C + n * k) numbers. Above `EXACT` pairs a CPU searches instead
(`neighbour_search`); accelerators always compare all and select with `jax.lax.approx_max_k`.
Arrays in, arrays out; N samples of C features, n queries.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.errors import UserError
from dull_jax.stats import neighbour_search

EXACT = 100_000**2  # pairs that a CPU compares; of 1,280 features in three minutes on two cores
_RECALL = 0.99  # of approx_max_k on a TPU; elsewhere it is exact
_BLOCK = {"cpu": 2**24}  # cosines in a block: 64 MB, two blocks at once
_LARGE_BLOCK = 2**26  # of an accelerator
_ROWS = 64  # a block has at least so many: each reads all N rows


class Graph(NamedTuple):
    """Row i: the nearest of query i, nearest first; a sample is never its own neighbour."""

    indices: np.ndarray  # int32 [n, k]
    cosine: np.ndarray  # float32 [n, k]


_latest: dict[tuple, Graph] = {}  # of `of_same_features`: one graph, by digest of its features


def nearest(features: np.ndarray, k: int, queries: np.ndarray | None = None) -> Graph:
    """The k nearest others of each query; the same again for the same input.

    Args:
      features: `[N, C]`; only their direction counts. A row of zeros has cosine 0 with all.
      k: how many; N - 1 where there are fewer others.
      queries: int `[n]`, rows whose neighbours are sought; None: all.

    Raises:
      UserError: a row is not finite, or the set needs a package that is not installed.
    """
    size = len(features)
    queries = np.arange(size) if queries is None else queries
    k = max(0, min(k, size - 1))
    if not k or not len(queries):
        shape = (len(queries), k)
        return Graph(np.zeros(shape, np.int32), np.zeros(shape, np.float32))
    unit = unit_rows(features)
    if is_searched(len(queries), size):
        return Graph(*neighbour_search.nearest(unit, queries, k))
    on_host = jax.default_backend() == "cpu"
    select = _select_on_host if on_host else _select_on_device
    parts = [select(block, k) for block in cosines(unit, queries)]
    indices, cosine = (np.concatenate(part)[: len(queries)] for part in zip(*parts, strict=True))
    return Graph(indices.astype(np.int32, copy=False), cosine)


def of_same_features(features: np.ndarray, k: int) -> Graph:
    """`nearest` of all, computed once as long as the features stay the same.

    Those of a frozen backbone do, from epoch to epoch; their digest takes a hundredth of the time.
    """
    digest = hashlib.sha256(np.ascontiguousarray(features).data).digest()
    key = (digest, np.shape(features), k)
    if key not in _latest:
        _latest.clear()  # first, so that two graphs are never held
        _latest[key] = nearest(features, k)
    return _latest[key]


def forget() -> None:
    """Frees the graph of `of_same_features`: 800 bytes a sample for 100 neighbours."""
    _latest.clear()


def is_searched(queries: int, size: int) -> bool:
    """Whether so many queries among so many samples are too many pairs to compare them all."""
    return jax.default_backend() == "cpu" and queries * size > EXACT


def check(size: int) -> None:
    """Raises UserError if the graph of so many samples needs a package that is not installed."""
    if is_searched(size, size):
        neighbour_search.package(size)


def unit_rows(features: np.ndarray) -> np.ndarray:
    """float32 `[N, C]`, rows of length 1 or 0. Raises UserError for a row that is not finite.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).round(3)
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    unit = np.array(features, np.float32)
    largest = np.abs(unit).max(axis=1, initial=0)
    if not np.isfinite(largest).all():
        raise UserError(f"features of sample {np.argmin(np.isfinite(largest)):,} are not finite")
    unit /= np.maximum(largest, 1e-30)[:, None]  # else squares overflow or vanish
    length = np.sqrt(np.einsum("nc,nc->n", unit, unit))
    unit /= np.maximum(length, 1e-30)[:, None]
    return unit


def cosines(unit: np.ndarray, queries: np.ndarray) -> Iterator[jax.Array]:
    """Blocks `[b, N]`, -inf at a query itself; while one is used the next is being multiplied."""
    size = len(unit)
    rows = max(_ROWS, _BLOCK.get(jax.default_backend(), _LARGE_BLOCK) // size)
    rows = min(rows, len(queries))
    table = jnp.asarray(unit)
    ahead: jax.Array | None = None
    for first in range(0, len(queries), rows):  # the last block repeats its last: one program
        own = queries[np.minimum(np.arange(first, first + rows), len(queries) - 1)]
        block, ahead = ahead, _multiplied(own, table)
        if block is not None:
            yield block
    if ahead is not None:
        yield ahead


@jax.jit
def _multiplied(own: jax.Array, unit: jax.Array) -> jax.Array:
    cosine = jnp.matmul(unit[own], unit.T, precision="highest")
    return cosine.at[jnp.arange(len(own)), own].set(-jnp.inf)


def _select_on_host(block: jax.Array, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`lax.top_k` takes twice as long on a CPU, and keeps the cores from the next block."""
    cosine = np.asarray(block)
    indices = np.stack([_largest(row, k) for row in cosine])
    return indices, np.take_along_axis(cosine, indices, axis=1)


def _largest(row: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest, falling; of equal ones the first come first."""
    best = np.sort(np.argpartition(row, len(row) - k)[len(row) - k :])
    return best[np.argsort(-row[best], kind="stable")]


@partial(jax.jit, static_argnames="k")
def _select_on_device(block: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    cosine, indices = jax.lax.approx_max_k(block, k, recall_target=_RECALL)
    return indices, cosine
