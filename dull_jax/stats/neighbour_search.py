"""Approximate nearest neighbours on a CPU, for sets whose pairs are too many: HNSW of faiss.

Hierarchical navigable small worlds (Malkov and Yashunin, TPAMI 2020): search time grows with
log N. faiss was chosen over usearch by measurement: equal recall, less than half of the time to
build and to search (benchmarks/speed/neighbours.py). Recall@100 is about 0.98.
"""

from types import ModuleType

import numpy as np

from dull_jax.errors import UserError

_LINKS = 16  # of a sample on a layer, twice as many on the lowest; more cost time and memory
_BUILD, _SEARCH = 64, 2.0  # candidates kept: while building, and while searching for each of the k
_CHUNK = 65_536  # queries answered at once


def package(size: int) -> ModuleType:
    """faiss. Raises UserError where it is not installed; size is told in the message."""
    try:
        import faiss
    except ImportError:
        raise UserError(
            f"the neighbours of {size:,} samples are searched with faiss on a CPU, and it is not "
            "installed: pip install faiss-cpu (DULL does without if config.dull.neighbours=False)"
        ) from None
    return faiss


def nearest(unit: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """int32 indices and float32 cosines `[n, k]`, nearest first; a sample itself is left out.

    Where fewer are found (rows that are all alike) the rest has index 0 and cosine -inf. One
    thread builds, since the order of insertion makes the graph, and all search: the result is
    the same on any number of cores. Memory: a second copy of the rows and 140 bytes a row.

    Args:
      unit: float32 `[N, C]`, rows of length 1 or 0.  queries: int `[n]`.  k: at most N - 1.
    """
    faiss = package(len(unit))
    index = faiss.IndexHNSWFlat(unit.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = _BUILD, max(_BUILD, int(_SEARCH * k))
    indices = np.empty((len(queries), k), np.int32)
    cosine = np.empty((len(queries), k), np.float32)
    threads = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(1)
        index.add(unit)
        faiss.omp_set_num_threads(threads)
        for first in range(0, len(queries), _CHUNK):
            part = slice(first, first + _CHUNK)
            found = index.search(unit[queries[part]], k + 1)
            cosine[part], indices[part] = _without_itself(queries[part], *found)
    finally:
        faiss.omp_set_num_threads(threads)
    return indices, cosine


def _without_itself(
    queries: np.ndarray, cosine: np.ndarray, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`[n, k]` of `[n, k + 1]`: the query's own entry is dropped, or the last where it has none."""
    dropped = indices == queries[:, None]
    dropped[~dropped.any(axis=1), -1] = True
    shape = (len(queries), indices.shape[1] - 1)
    indices, cosine = indices[~dropped].reshape(shape), cosine[~dropped].reshape(shape)
    missing = indices < 0
    return np.where(missing, -np.inf, cosine), np.where(missing, 0, indices)
