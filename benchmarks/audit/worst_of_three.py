"""Labels that are wrong wherever one of three people erred, of whom the first is known.

CIFAR-N holds one person's labels of every image, and the majority of three. The other two are drawn
from a model of the first: of every true class, a logistic regression of his labels on the features
(`COMPONENTS` of them), of folds it has not seen. Where the first is outvoted, both say what the
majority says. Of the wrong labels among the three one is drawn, as in CIFAR-N's own worst labels.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

COMPONENTS, STRENGTH, FOLDS = 48, 0.02, 5


def annotator(features: np.ndarray, true: np.ndarray, first: np.ndarray) -> np.ndarray:
    """P(label | image, true class) `[N, K]` of the first person, given his labels `[N]`."""
    low = PCA(COMPONENTS, random_state=0).fit_transform(features)
    low /= np.sqrt((low**2).mean())
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
    annotator: np.ndarray, true: np.ndarray, first: np.ndarray, majority: np.ndarray, seed: int
) -> np.ndarray:
    """int64 `[N]`: the true class where all three name it, else one of the wrong labels."""
    rng, rows = np.random.default_rng(seed), np.arange(len(true))
    edges = annotator.cumsum(1)
    edges /= edges[:, -1:]
    others = [(edges > rng.random((len(true), 1))).argmax(1) for _ in range(2)]
    outvoted = majority != first
    said = np.stack([first, *(np.where(outvoted, majority, other) for other in others)], axis=1)
    wrong = said != true[:, None]
    drawn = (rng.random(said.shape) * wrong).argmax(1)
    return np.where(wrong.any(1), said[rows, drawn], true).astype(np.int64)
