"""What an audit knows of labels: three opinions, checked, pooled and calibrated.

Those of a model (`pred_probs`), of the nearest neighbours (`opinion_pool.votes`) and of Gaussian
classes (`discriminant`), the last two from features. None has seen the label that it judges.

Rows are read in blocks, so that `[N, K]` need not fit into memory. N samples, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.errors import UserError
from dull_jax.stats import check_probs, discriminant, neighbour_graph, opinion_pool
from dull_jax.stats.neighbour_graph import Graph
from dull_jax.stats.opinion_pool import Pool

BLOCK_NUMBERS = 2**18  # probabilities looked at together: three such arrays fit a core's cache
Source = Callable[[slice | np.ndarray], np.ndarray]  # positions -> float32 [n, K], rows sum to 1


class Evidence(NamedTuple):
    """What is known of N samples, and how it is read some rows at a time."""

    given: np.ndarray  # int32 [N], the labels in doubt
    num_classes: int
    sources: tuple[Source, ...]
    pool: Pool
    rows: int  # at a time

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """(where, calibrated p(given | x) float32 [n, K], given labels [n])."""
        for start in range(0, len(self.given), self.rows):
            here = slice(start, min(start + self.rows, len(self.given)))
            yield here, self.at(here), self.given[here]

    def at(self, where: slice | np.ndarray) -> np.ndarray:
        """Calibrated p(given | x), float32 `[n, K]`, of the samples at `where`."""
        return self.pooled(self.opinions(where))

    def opinions(self, where: slice | np.ndarray) -> list[np.ndarray]:
        """What every source says of the samples at `where`, float32 `[n, K]` each."""
        return [source(where) for source in self.sources]

    def pooled(self, opinions: Sequence[np.ndarray]) -> np.ndarray:
        """`at`, of `opinions` that were asked for before."""
        return np.asarray(opinion_pool.pooled(opinions, self.pool.weights, self.pool.biases))


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
    known = check_probs.known(known, size, num_classes)
    voting = given if known is None else np.where(known >= 0, known, given).astype(given.dtype)
    rows = max(BLOCK_NUMBERS // num_classes, 1) if block is None else block
    if rows < 1:
        raise UserError(f"block={block} must be 1 or more rows")
    for start, part in check_probs.blocks(probs, rows) if probs is not None else ():
        check_probs.rows_sum_to_one(part, start)
    fitted = opinion_pool.fitted_rows(size, num_classes)
    if features is not None and (np.ndim(features) != 2 or len(features) != size):
        raise UserError(
            f"features must be [{size} given labels, numbers], got {np.shape(features)}"
        )
    told, voted = (np.bincount(x, minlength=num_classes) > 0 for x in (given, voting))
    sources: list[Source] = []
    if probs is not None:
        sources.append(lambda where: np.asarray(probs[where], np.float32))
    kernel = np.nan
    if features is not None and size > 1:
        of_neighbours, kernel = _neighbours(features, voting, num_classes, fitted)
        of_labels = [of_neighbours, discriminant.fit(features, voting, num_classes, fitted).probs]
        if probs is not None and not voted.all():
            of_labels = [_knowing(~voted, source, sources[0]) for source in of_labels]
        sources += of_labels
    if not sources:  # of a single sample all classes are alike
        sources.append(
            lambda where: np.full((len(given[where]), num_classes), 1 / num_classes, np.float32)
        )
    opinions = [source(fitted) for source in sources]
    pool = opinion_pool.fit(opinions, given[fitted], told, kernel)
    return Evidence(given, num_classes, tuple(sources), pool, rows), class_names


def _knowing(unnamed: np.ndarray, of_labels: Source, of_model: Source) -> Source:
    """An opinion drawn from labels, which knows the classes that they do not name by the model."""
    return lambda where: opinion_pool.with_unnamed(of_labels(where), of_model(where), unnamed)


def _neighbours(
    features: np.ndarray, voting: np.ndarray, num_classes: int, fitted: np.ndarray
) -> tuple[Source, float]:
    """(their votes, the kernel that weighs them)."""
    graph = neighbour_graph.of_same_features(features, opinion_pool.NEIGHBOURS)
    kernel = opinion_pool.best_kernel(graph, fitted, voting, num_classes)

    def votes(where: slice | np.ndarray) -> np.ndarray:
        part = Graph(*(column[where] for column in graph))
        return opinion_pool.votes(part, voting, num_classes, kernel)

    return votes, kernel
