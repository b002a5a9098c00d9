"""Gaussian classes with wrong labels, and predictions that are cross-validated on the labels."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from dull_jax.stats import noise_kinds


def class_noise(counts, make, spread=3.0, seed=0):
    """(true labels, positions, given labels) under noise that depends on the class alone.

    counts: of the true classes.  make: true counts -> a noise of `noise_kinds`.
    """
    rng, size = np.random.default_rng(seed), len(counts)
    true = rng.permutation(np.repeat(np.arange(size), counts))
    positions = spread * np.eye(size)[true] + rng.normal(size=(len(true), size))
    table = noise_kinds.table(make(np.asarray(counts, float)))
    return true, positions, np.array([rng.choice(size, p=table[k]) for k in true])


def image_noise(counts, hardness=0.3, seed=0):
    """The same where two classes each look alike, and people err where an image is hard.

    They see more than the positions say, which is a second look; p(class | both looks)^hardness is
    how they label.
    """
    rng, size = np.random.default_rng(seed), len(counts)
    true = rng.permutation(np.repeat(np.arange(size), counts))
    pairs, members = np.divmod(np.arange(size), 2)
    centres = np.hstack([4 * np.eye((size + 1) // 2)[pairs], 2 * np.eye(2)[members]])
    positions = centres[true] + rng.normal(size=(len(true), centres.shape[1]))
    look = centres[true] + rng.normal(size=positions.shape) / np.sqrt(2)
    log = -hardness * (_distances(positions, centres) / 2 + _distances(look, centres))
    labels = np.exp(log - log.max(1, keepdims=True))
    labels /= labels.sum(1, keepdims=True)
    return true, positions, np.array([rng.choice(size, p=p) for p in labels])


def _distances(positions, centres):
    return ((positions[:, None] - centres) ** 2).sum(2)


def cross_validated(positions, given):
    """p(given | x) `[N, K]` of a logistic regression."""
    model = LogisticRegression(solver="newton-cholesky")
    return cross_val_predict(model, positions, given, cv=4, method="predict_proba")
