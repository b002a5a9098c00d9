"""What embeddings say of samples whatever their labels: near copies, and what is like nothing else.

Distance is 1 - cosine of centred embeddings, and every judgement is relative to the set, so that
no number depends on the backbone.

Near copies. Two samples are copies if they are far closer than either is to its 50th neighbour:
less than a quarter of that distance. Chance brings samples of few dimensions so near too. In d
dimensions the ratio of both distances is Beta(1, 49) to the power 2 / d (Levina and Bickel 2004),
and so the cube of its median is passed once in ten thousand samples, whatever d is. Both bounds
hold. An absolute bound on the cosine would accuse white cars on white ground, or skies.

Outliers. Much of the vector lies outside the principal subspace of the set (the residual of ViM,
Wang et al. 2022, eq. 1), against that of all samples: of directions that the set does not have. A
subspace is fitted to one half of the samples and measured on the other, since a sample alone would
bend it towards itself. The mean cosine to the nearest (Angiulli and Pizzuti 2002; on features of a
network Sun et al. 2022) and the local outlier factor (Breunig et al. 2000) were tried: of real
strangers they name next to none (docs/audit.md).

Arrays in, arrays out; N samples of C features, n test samples, k neighbours.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dull_jax.stats import eigenvectors, neighbour_graph
from dull_jax.stats.neighbour_graph import Graph

WITHIN = 50  # neighbours that tell how near others are; larger groups of copies hide one another
CLOSER = 0.25  # of the distance to the last: of pairs drawn by chance, 9 of 10 looked like copies
CHANCE = 3  # power of the median ratio that chance does not reach
_EQUAL = 5e-7  # distance that rounding leaves between equal vectors
EXPLAINED = 0.8  # share of the variance in the principal subspace
FAR = 3.0  # robust standard deviations above the median of log residual
FEWEST = 50  # samples among which one can be far
_SPREAD = 0.05  # the least such deviation: where all residuals are alike nothing is far
WIDEST = 2048  # features whose axes are sought among all rows
_BLOCK = 65_536  # rows that are projected at a time


class Copies(NamedTuple):
    """P pairs, nearest first: a sample, its near copy, and their cosine."""

    rows: np.ndarray  # int [P]
    twins: np.ndarray  # int [P]
    cosine: np.ndarray  # float32 [P]


def near_copies(graph: Graph) -> Copies:
    """Pairs of near copies among N samples, each pair once: rows < twins.

    Args:
      graph: of all samples, `WITHIN` neighbours or more where there are as many others.
    """
    bound = _bound(graph, _limit(graph))
    found = _close(graph, bound, bound)
    pairs = np.stack([np.minimum(found.rows, found.twins), np.maximum(found.rows, found.twins)])
    pairs, first = np.unique(pairs, axis=1, return_index=True)
    return _nearest_first(Copies(pairs[0], pairs[1], found.cosine[first]))


def leaks(train: np.ndarray, test: np.ndarray, graph: Graph) -> Copies:
    """Train samples (rows) with near copies among test samples (twins).

    Compares n (N + n) pairs; memory for two more arrays of `[N + n, C]`.

    Args:
      train: `[N, C]`.  test: `[n, C]`, centred by the mean of train.  graph: of train.

    Raises:
      UserError: as `neighbour_graph.nearest`.
    """
    size, limit = len(train), _limit(graph)
    queries = np.arange(size, size + len(test))
    of_test = neighbour_graph.nearest(np.concatenate([train, test]), WITHIN, queries)
    bound = np.concatenate([_bound(graph, limit), np.zeros(len(test), np.float32)])
    found = _close(of_test, _bound(of_test, limit), bound)
    inside = found.twins < size  # and not another test sample
    return _nearest_first(Copies(found.twins[inside], found.rows[inside], found.cosine[inside]))


def spare(copies: Copies, doubt: np.ndarray) -> dict[int, int]:
    """sample -> the copy of it that stays; without the keys no two copies are left.

    Args:
      copies: among the samples.  doubt: `[N]`; of two copies the one of less doubt stays.
    """
    near = defaultdict(list)
    for row, twin in zip(copies.rows.tolist(), copies.twins.tolist(), strict=True):
        near[row].append(twin)
        near[twin].append(row)
    stays: dict[int, int] = {}
    for sample in sorted(near, key=lambda n: (doubt[n], n)):
        if sample not in stays:
            for other in near[sample]:
                stays.setdefault(other, sample)
    return stays


def outliers(features: np.ndarray) -> np.ndarray:
    """int: samples outside of what the set varies in, the farthest first; of a small set none.

    Args:
      features: float `[N, C]`, centred.
    """
    if len(features) < FEWEST:
        return np.zeros(0, int)
    residual = np.log(residual_share(features))
    median, quarter = np.quantile(residual, (0.5, 0.75))
    spread = max((quarter - median) / 0.6745, _SPREAD)  # of a normal distribution's upper half
    far = np.flatnonzero(residual > median + FAR * spread)
    return far[np.argsort(-residual[far], kind="stable")]


def residual_share(features: np.ndarray) -> np.ndarray:
    """float `[N]` in (0, 1]: of each squared length, what is outside the other half's subspace.

    The halves do not depend on the order of the samples. A vector of zeros is outside.
    """
    squares = np.einsum("nc,nc->n", features, features, dtype=np.float64)
    half = np.empty(len(features), int)
    half[np.lexsort((features[:, 0], squares))] = np.arange(len(features)) % 2
    inside = np.zeros(len(features))
    for side in (0, 1):
        axes = _principal(features, np.flatnonzero(half != side))
        for rows in _blocks(np.flatnonzero(half == side)):
            inside[rows] = np.square(features[rows] @ axes).sum(1)
    share = np.divide(inside, squares, out=np.zeros_like(inside), where=squares > 0)
    return np.clip(1 - share, _EQUAL, 1)


def _principal(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`[C, c]`: the fewest principal axes of these rows that hold `EXPLAINED` of the variance.

    Of wide features the axes of `WIDEST` of the rows, evenly spaced.
    """
    width = features.shape[1]
    if width > WIDEST:
        rows = rows[:: -(-len(rows) // WIDEST)]
    if len(rows) < width:  # by the smaller matrix of products
        sample = features[rows].astype(np.float64)
        variance, left = _leading(sample @ sample.T)
        axes = sample.T @ (left / np.sqrt(np.maximum(variance, np.finfo(float).tiny)))
    else:
        second = np.zeros((width, width))
        for block in _blocks(rows):
            second += features[block].T @ features[block]
        _, axes = _leading(second)
    return axes.astype(features.dtype)


def _leading(products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fewest eigenvalues that hold `EXPLAINED` of their sum, falling, and their vectors."""
    values, vectors = (a[..., ::-1] for a in eigenvectors.of_symmetric(products))
    held = np.cumsum(values) / max(values.sum(), np.finfo(float).tiny)
    count = int(np.searchsorted(held, EXPLAINED)) + 1
    return values[:count], vectors[:, :count]


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return iter(np.array_split(rows, -(-len(rows) // _BLOCK)))


def _limit(graph: Graph) -> float:
    """The part of the distance to the last neighbour, below which two samples are copies.

    0 of a set too small to tell: then equal ones only are.
    """
    if graph.cosine.shape[1] < WITHIN:
        return 0.0
    reach = _reach(graph)
    told = np.isfinite(reach) & (reach > _EQUAL)
    if not told.any():
        return 0.0
    ratio = np.median(np.maximum(1 - graph.cosine[told, 0], 0) / reach[told])
    return float(min(CLOSER, ratio**CHANCE))


def _reach(graph: Graph) -> np.ndarray:
    """float32 `[n]`: distance to the last of `WITHIN` neighbours, or of as many as there are."""
    last = graph.cosine[:, :WITHIN][:, -1:]
    return 1 - last[:, 0] if last.size else np.zeros(len(graph.cosine), np.float32)


def _bound(graph: Graph, limit: float) -> np.ndarray:
    """`[n]`: distance below which another sample is a copy; a search may miss neighbours (inf)."""
    reach = _reach(graph)
    return limit * np.where(np.isfinite(reach), reach, 0)


def _close(graph: Graph, own: np.ndarray, others: np.ndarray) -> Copies:
    """Pairs (query, neighbour) within the bounds of both; `own` of queries, `others` of all."""
    parts = list(_by_column(graph, own, others))
    rows, twins, cosine = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Copies(rows, twins, cosine)


def _by_column(
    graph: Graph, own: np.ndarray, others: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Column by column as long as any is near: a copy has few copies, and `[n, k]` is large."""
    yield np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32)
    for column in range(min(WITHIN, graph.cosine.shape[1])):
        cosine = graph.cosine[:, column]
        rows = np.flatnonzero(1 - cosine <= np.maximum(own, _EQUAL))
        if not len(rows):
            return
        twins = graph.indices[rows, column].astype(int)
        both = np.maximum(np.minimum(own[rows], others[twins]), _EQUAL)
        near = 1 - cosine[rows] <= both
        yield rows[near], twins[near], cosine[rows][near]


def _nearest_first(copies: Copies) -> Copies:
    order = np.argsort(-copies.cosine, kind="stable")
    return Copies(*(column[order] for column in copies))
