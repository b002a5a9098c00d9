"""What is to be said of each sample that an audit lists: its verdict, and the copy it has.

Flagged labels are `wrong`, or `ambiguous` where the given class is still the likeliest. After them
come samples whose label may be right: `leak`, a near copy of a test image; `duplicate`, one of a
sample that stays. `none of the classes` is what has little in common with the rest of the set,
flagged or not. These need embeddings.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from dull_jax.audit.embeddings import plain
from dull_jax.audit.inputs import AuditInput
from dull_jax.errors import UserError
from dull_jax.stats import embedding_verdicts, neighbour_graph, opinion_pool
from dull_jax.stats.label_audit import LabelAudit
from dull_jax.stats.neighbour_graph import Graph

WRONG, AMBIGUOUS, LEAK, DUPLICATE = "wrong", "ambiguous", "leak", "duplicate"
OUTSIDE = "none of the classes"


class Twin(NamedTuple):
    """The copy that a sample has: a row of the audit, or of its test part."""

    row: int
    in_test: bool = False


class Listed(NamedTuple):
    """M samples in the order of the list.

    rows: int [M], of the audit. verdicts: str objects [M]. twins: row -> its copy, of listed
    samples that have one. counts: verdict -> how many, of the verdicts that were looked for.
    """

    rows: np.ndarray
    verdicts: np.ndarray
    twins: dict[int, Twin]
    counts: dict[str, int]

    def of(self, verdict: str) -> np.ndarray:
        """Rows with this verdict, in order."""
        return self.rows[self.verdicts == verdict]

    def in_words(self) -> str:
        """The counts, for people."""
        return ", ".join(f"{count:,} {verdict}" for verdict, count in self.counts.items())

    def numbered(self) -> Iterator[tuple[int, int, str]]:
        """(rank, row, verdict)."""
        for rank, (row, verdict) in enumerate(zip(self.rows, self.verdicts, strict=True), 1):
            yield rank, int(row), verdict


def listed(samples: AuditInput, audit: LabelAudit, features: np.ndarray | None = None) -> Listed:
    """Flagged labels, the likeliest wrong first; then leaks, duplicates and outliers.

    Nothing that a person has decided: it has been looked at.

    Args:
      features: `[N, C]`, those that were handed to `audit_labels`, whose graph is used again.
    """
    rows = flagged(audit)
    verdicts = {int(n): AMBIGUOUS if audit.ambiguous[n] else WRONG for n in rows}
    twins: dict[int, Twin] = {}
    sought = [WRONG, AMBIGUOUS]
    if features is not None and len(features) > 1:
        graph = neighbour_graph.of_same_features(features, opinion_pool.NEIGHBOURS)
        copies = embedding_verdicts.near_copies(graph)
        leaks = _leaks(samples, features, graph, copies)
        stays = embedding_verdicts.spare(copies, audit.wrong)
        duplicates = {n: Twin(stays[n]) for n in _across_first(samples.given, stays)}
        twins = duplicates | leaks
        found: dict[str, Iterable[int]] = {LEAK: leaks, DUPLICATE: duplicates}
        found[OUTSIDE] = embedding_verdicts.outliers(features)
        for verdict, members in found.items():
            for n in members:
                verdicts.setdefault(int(n), verdict)
        verdicts |= dict.fromkeys(map(int, found[OUTSIDE]), OUTSIDE)  # a stranger, flagged or not
        sought += [LEAK, DUPLICATE, OUTSIDE]
        if samples.test is None and not samples.held_out.any():
            sought.remove(LEAK)
    verdicts = {n: verdict for n, verdict in verdicts.items() if not audit.decided[n]}
    counts = Counter(verdicts.values())
    return Listed(
        rows=np.array(list(verdicts), int),
        verdicts=np.array(list(verdicts.values()), object),
        twins={n: twin for n, twin in twins.items() if n in verdicts},
        counts={verdict: counts[verdict] for verdict in sought},
    )


def flagged(audit: LabelAudit) -> np.ndarray:
    """Rows of the flagged labels, the likeliest wrong first."""
    rows = np.flatnonzero(audit.flagged)
    return rows[np.argsort(-audit.wrong[rows], kind="stable")]


def _across_first(given: np.ndarray, stays: dict[int, int]) -> list[int]:
    """Duplicates, first those whose copy has another label: one of both is wrong."""
    return sorted(stays, key=lambda n: (given[n] == given[stays[n]], n))


def _leaks(
    samples: AuditInput,
    features: np.ndarray,
    graph: Graph,
    copies: embedding_verdicts.Copies,
) -> dict[int, Twin]:
    """Train rows with a near copy to test on, the nearest pair first."""
    found: dict[int, Twin] = {}
    held_out = samples.held_out
    for row, twin in zip(copies.rows.tolist(), copies.twins.tolist(), strict=True):
        if held_out[row] != held_out[twin]:
            train, test = (twin, row) if held_out[row] else (row, twin)
            found.setdefault(train, Twin(test))
    if samples.test is None or samples.vectors is None:
        return found
    mean = plain(samples.vectors[:1])[0] - features[0]  # that was taken from all features
    try:
        pairs = embedding_verdicts.leaks(features, plain(samples.test.vectors) - mean, graph)
    except UserError:  # so many that faiss is needed, and it is not installed
        return found
    for row, twin in zip(pairs.rows.tolist(), pairs.twins.tolist(), strict=True):
        found.setdefault(row, Twin(twin, in_test=True))
    return found
