"""Pairs of classes that are taken for each other, as a list."""

import numpy as np
from markupsafe import Markup

from dull_jax.report import blocks
from dull_jax.report.run import Run

_LISTED = 12


def largest_pairs(run: Run, counts: np.ndarray, title: str, note: str, none: str) -> Markup:
    """The largest off-diagonal entries of `[K, K]` counts, as a list."""
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:_LISTED]
    pairs = zip(*np.unravel_index(order, off.shape), strict=True)
    items = [
        (f"{run.class_name(i)} → {run.class_name(j)}", off[i, j]) for i, j in pairs if off[i, j] > 0
    ]
    return blocks.figure(title, blocks.counts(items, none), note=note)
