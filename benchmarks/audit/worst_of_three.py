"""Labels that are wrong wherever one of three labels is, of which the first is known.

CIFAR-N holds a first label of every image, and the majority of three. The other two are drawn from
a model of the first: of every true class, a logistic regression of its labels on the features
(`COMPONENTS` of them), of folds it has not seen. They agree with the majority: where it is not the
first label, both say it; where it is, they do not say another one together. Of the wrong labels
among the three one is drawn, as in CIFAR-N's own worst labels.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.audit import components

COMPONENTS, STRENGTH, FOLDS = 48, 0.02, 5


def label_probs(features: np.ndarray, true: np.ndarray, first: np.ndarray) -> np.ndarray:
    """P(label | image, true class) `[N, K]` of the first labels `[N]`."""
    low = components.scaled(features, COMPONENTS)
    size = int(true.max()) + 1
    probs = np.zeros((len(true), size))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for k in range(size):
        inside = np.flatnonzero(true == k)
        called = first[inside]
        common = np.bincount(called, minlength=size) >= 2 * FOLDS
        called = np.where(common[called], called, k)
        model = LogisticRegression(C=STRENGTH, max_iter=80)
        told = cross_val_predict(model, low[inside], called, cv=folds, method="predict_proba")
        probs[np.ix_(inside, np.unique(called))] = told
    return probs


def labels(
    probs: np.ndarray, true: np.ndarray, first: np.ndarray, majority: np.ndarray, seed: int
) -> np.ndarray:
    """int64 `[N]`: the true class where all three name it, else one of the wrong labels.

    Args:
      probs: of `label_probs`.
    """
    rng, rows = np.random.default_rng(seed), np.arange(len(true))
    edges = probs.cumsum(1)
    edges /= edges[:, -1:]
    said = np.stack([first, majority, majority], axis=1)
    undecided = np.flatnonzero(majority == first)
    while len(undecided):
        drawn = rng.random((len(undecided), 2, 1))
        pair = (edges[undecided, None] > drawn).argmax(2)
        said[undecided, 1:] = pair
        undecided = undecided[(pair[:, 0] == pair[:, 1]) & (pair[:, 0] != first[undecided])]
    wrong = said != true[:, None]
    drawn = (rng.random(said.shape) * wrong).argmax(1)
    return np.where(wrong.any(1), said[rows, drawn], true).astype(np.int64)
