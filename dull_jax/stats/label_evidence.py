"""What an audit knows of labels: three opinions, checked, pooled and calibrated.

Those of a model (`pred_probs`), of the nearest neighbours (`opinion_pool.votes`) and of Gaussian
classes (`discriminant`), the last two from features. None has seen the label that it judges. Those
from features can be fitted again to other labels, which the given ones helped to correct.

Rows are read in blocks, so that `[N, K]` need not fit into memory; what does fit is asked for once.
N samples, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.errors import UserError
from dull_jax.stats import check_probs, discriminant, neighbour_graph, opinion_pool
from dull_jax.stats.discriminant import Directions
from dull_jax.stats.neighbour_graph import Graph
from dull_jax.stats.opinion_pool import Pool

BLOCK_NUMBERS = 2**18  # probabilities looked at together: three such arrays fit a core's cache
UNDECIDED, ASIDE = -1, -3  # in place of a known class: see `label_audit.audit_labels`
HELD_NUMBERS = 2**25  # of an opinion on all samples, 128 MB: up to that many are kept
Source = Callable[[slice | np.ndarray], np.ndarray]  # positions -> float32 [n, K], rows sum to 1
Block = tuple[slice, np.ndarray, np.ndarray]  # where, float32 [n, K], labels [n]


class Evidence(NamedTuple):
    """What is known of N samples, and how it is read some rows at a time."""

    given: np.ndarray  # int32 [N], the labels in doubt
    num_classes: int
    sources: tuple[Source, ...]
    pool: Pool
    rows: int  # at a time
    # the same fitted to other labels `[N]`, so that `at` is p(that label | x); None: no features
    refitted: Callable[[np.ndarray], "Evidence"] | None

    def blocks(self) -> Iterator[Block]:
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
    rows = max(BLOCK_NUMBERS // num_classes, 1) if block is None else block
    if rows < 1:
        raise UserError(f"block={block} must be 1 or more rows")
    for start, part in check_probs.blocks(probs, rows) if probs is not None else ():
        check_probs.rows_sum_to_one(part, start)
    if features is not None:
        check_probs.unmasked(features, "features")
        if np.ndim(features) != 2 or len(features) != size or not np.shape(features)[1]:
            raise UserError(
                f"features must be [{size} given labels, numbers], got {np.shape(features)}"
            )
    graph = directions = None
    if features is not None and size > 1:
        graph = neighbour_graph.of_same_features(features, opinion_pool.NEIGHBOURS)
        directions = discriminant.directions(features)
    known = np.full(size, UNDECIDED) if known is None else np.maximum(known, ASIDE)
    known = known.astype(np.int32)
    samples = _Samples(given, num_classes, probs, graph, directions, known, rows)
    return samples.fitted(np.where(known >= 0, known, given), given), class_names


class _Samples(NamedTuple):
    """All that opinions are made of, but the labels that they are fitted to."""

    given: np.ndarray
    num_classes: int
    probs: np.ndarray | None
    graph: Graph | None  # None: there are no features, or no neighbours
    directions: Directions | None  # of the same features
    known: np.ndarray  # int32 [N], true classes that a person has decided; negative elsewhere
    rows: int  # at a time

    def fitted(self, labels: np.ndarray, targets: np.ndarray) -> Evidence:
        """Opinions drawn from `labels` `[N]`, pooled so that `targets` `[N]` are likeliest."""
        rows = opinion_pool.fitted_rows(len(labels), self.num_classes)
        sources: list[Source] = []
        if self.probs is not None:
            sources.append(self._of_model)
        kernel = np.nan
        if self.graph is not None:
            kernel = opinion_pool.best_kernel(self.graph, rows, labels, self.num_classes)
            sources += map(self._held, self._of_labels(labels, rows, kernel))
        if not sources:  # of a single sample all classes are alike
            sources.append(self._of_nothing)
        opinions = [source(rows) for source in sources]
        named = np.bincount(targets, minlength=self.num_classes) > 0
        pool = opinion_pool.fit(opinions, targets[rows], named, kernel)
        refitted = None if self.graph is None else self.refitted
        return Evidence(self.given, self.num_classes, tuple(sources), pool, self.rows, refitted)

    def refitted(self, labels: np.ndarray) -> Evidence:
        """Opinions fitted to `labels` and to what is known.

        A sample of which a person said that no class applies, or that was put aside, keeps the
        given label; so does a class that would lose all of its labels, which would be forgotten.
        """
        labels = np.where(self.known == UNDECIDED, labels, self.given)
        kept = np.bincount(self.given[labels == self.given], minlength=self.num_classes) > 0
        labels = np.where(kept[self.given], labels, self.given)
        labels = np.where(self.known >= 0, self.known, labels)
        return self.fitted(labels, labels)

    def _of_labels(self, labels: np.ndarray, rows: np.ndarray, kernel: float) -> list[Source]:
        """Votes of the neighbours, and Gaussian classes; a model knows classes that none names."""
        assert self.graph is not None and self.directions is not None
        graph = self.graph

        def votes(where: slice | np.ndarray) -> np.ndarray:
            part = Graph(*(column[where] for column in graph))
            return opinion_pool.votes(part, labels, self.num_classes, kernel)

        gaussian = discriminant.fit(self.directions, labels, self.num_classes, rows)
        unnamed = np.bincount(labels, minlength=self.num_classes) == 0
        if self.probs is None or not unnamed.any():
            return [votes, gaussian.probs]
        return [self._knowing(unnamed, source) for source in (votes, gaussian.probs)]

    def _knowing(self, unnamed: np.ndarray, of_labels: Source) -> Source:
        """An opinion drawn from labels, which knows the classes that they do not name."""
        return lambda where: opinion_pool.with_unnamed(
            of_labels(where), self._of_model(where), unnamed
        )

    def _held(self, source: Source) -> Source:
        """What a source says of all samples, if that fits into memory; else the source itself."""
        size = len(self.given)
        if size * self.num_classes > HELD_NUMBERS:
            return source
        whole = np.empty((size, self.num_classes), np.float32)
        rows = max(BLOCK_NUMBERS // self.num_classes, 1)
        for row in range(0, size, rows):
            whole[row : row + rows] = source(slice(row, row + rows))
        whole.setflags(write=False)
        return whole.__getitem__

    def _of_model(self, where: slice | np.ndarray) -> np.ndarray:
        assert self.probs is not None
        return np.asarray(self.probs[where], np.float32)

    def _of_nothing(self, where: slice | np.ndarray) -> np.ndarray:
        return np.full((len(self.given[where]), self.num_classes), 1 / self.num_classes, np.float32)
