"""What an audit knows of labels: predictions and neighbours, checked, pooled and calibrated.

Rows are read in blocks, so that `[N, K]` need not fit into memory. N samples, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.errors import UserError
from dull_jax.stats import check_probs, neighbour_graph, opinion_pool
from dull_jax.stats.neighbour_graph import Graph
from dull_jax.stats.opinion_pool import Pool

BLOCK_NUMBERS = 2**18  # probabilities looked at together: three such arrays fit a core's cache


class Evidence(NamedTuple):
    """What is known of N samples, and how it is read some rows at a time."""

    given: np.ndarray  # int32 [N], the labels in doubt
    voting: np.ndarray  # int32 [N], the same with what is known of them: the labels that vote
    num_classes: int
    probs: np.ndarray | None  # [N, K], maybe a memmap
    graph: Graph | None
    pool: Pool
    rows: int  # at a time

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """(where, calibrated p(given | x) float32 [n, K], given labels [n])."""
        for start in range(0, len(self.given), self.rows):
            here = slice(start, min(start + self.rows, len(self.given)))
            yield here, self.at(here), self.given[here]

    def at(self, where: slice | np.ndarray) -> np.ndarray:
        sources = _sources(self.probs, self.graph, self.voting, self.num_classes, self.pool.kernel)
        parts = [source(where) for source in sources]
        return np.asarray(opinion_pool.pooled(parts, self.pool.weights, self.pool.biases))


def gathered(
    pred_probs: np.ndarray | None,
    given: np.ndarray,
    features: np.ndarray | None,
    class_names: Sequence[str] | None,
    block: int | None,
    known: np.ndarray | None = None,
) -> tuple[Evidence, tuple[str, ...]]:
    """What was handed in, checked and calibrated; and names of the classes."""
    if pred_probs is None and features is None:
        raise UserError("an audit needs predictions, features, or both")
    probs = None if pred_probs is None else check_probs.matrix(pred_probs)
    size, num_classes = check_probs.shape(probs, given, class_names)
    class_names = check_probs.names(class_names, num_classes)
    given = check_probs.labels(given, (size, num_classes), class_names)
    voting = _voting(given, known, num_classes)
    rows = max(BLOCK_NUMBERS // num_classes, 1) if block is None else block
    if rows < 1:
        raise UserError(f"block={block} must be 1 or more rows")
    for start, part in check_probs.blocks(probs, rows) if probs is not None else ():
        check_probs.rows_sum_to_one(part, start)
    graph, kernel = None, np.nan
    fitted = opinion_pool.fitted_rows(size, num_classes)
    if features is not None and (np.ndim(features) != 2 or len(features) != size):
        raise UserError(
            f"features must be [{size} given labels, numbers], got {np.shape(features)}"
        )
    if features is not None and size > 1:
        graph = neighbour_graph.of_same_features(features, opinion_pool.NEIGHBOURS)
        kernel = opinion_pool.best_kernel(graph, fitted, voting, num_classes)
    parts = [source(fitted) for source in _sources(probs, graph, voting, num_classes, kernel)]
    pool = opinion_pool.fit(parts, given[fitted], kernel)
    return Evidence(given, voting, num_classes, probs, graph, pool, rows), class_names


def _voting(given: np.ndarray, known: np.ndarray | None, num_classes: int) -> np.ndarray:
    """The given labels, with the classes that are known in their place."""
    if known is None or not (known >= 0).any():
        return given
    if np.shape(known) != given.shape or known.max() >= num_classes:
        raise UserError(f"known must be [{len(given)}] classes below {num_classes}, or negative")
    return np.where(known >= 0, known, given).astype(given.dtype)


def _sources(
    probs: np.ndarray | None,
    graph: Graph | None,
    given: np.ndarray,
    num_classes: int,
    kernel: float,
) -> list[Callable[[slice | np.ndarray], np.ndarray]]:
    """Functions rows -> predictions `[n, K]`; of a single sample all classes are alike."""
    sources = []
    if probs is not None:
        sources.append(lambda where: np.asarray(probs[where], np.float32))
    if graph is not None:
        sources.append(
            lambda where: opinion_pool.votes(
                Graph(*(column[where] for column in graph)), given, num_classes, kernel
            )
        )
    if not sources:
        sources.append(
            lambda where: np.full((len(given[where]), num_classes), 1 / num_classes, np.float32)
        )
    return sources
