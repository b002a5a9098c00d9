"""Labels of simulated people: wrong where an image is hard for them, towards what they see in it.

A person sees 60 principal components of 8 x 8 pixels, fourfold, and 20 of the features. What he
makes of them is a logistic regression's log p(class | them), of folds it has not seen, halved. He
thinks of the four classes whose mean feature is most like the true one's (`ALIKE` is added), and
mixes some classes up for no reason (a Gumbel number for every two classes). Of the sum and another
Gumbel number the largest is his label; the true class is raised until as many labels as asked are
wrong. He has not heard of the long tail: he labels the balanced set, of which it is drawn.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from dull_jax.data.noises.resemblance import class_similarity

PIXELS, COMPONENTS, LOOKS_LIKE, ALIKE = 60, 20, 4, 2.0
PIXEL_WEIGHT = 4.0


def scores(images: np.ndarray, features: np.ndarray, true: np.ndarray) -> np.ndarray:
    """What he makes of uint8 images `[N, 32, 32, 3]`, features `[N, D]`: float32 `[N, K]`."""
    coarse = images.reshape(len(images), 8, 4, 8, 4, 3).mean((2, 4), dtype=np.float32)
    parts = [
        (coarse.reshape(len(images), -1) / 255, PIXELS, PIXEL_WEIGHT),
        (features, COMPONENTS, 1.0),
    ]
    seen = np.hstack(
        [weight * PCA(n, random_state=0).fit_transform(part) for part, n, weight in parts]
    )
    seen /= np.sqrt((seen**2).mean())
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    model = LogisticRegression(max_iter=60)
    probs = cross_val_predict(model, seen, true, cv=folds, method="predict_proba")
    return (np.log(np.maximum(probs, 1e-9)) / 2).astype(np.float32)


def labels(
    scores: np.ndarray, features: np.ndarray, true: np.ndarray, rate: float, seed: int
) -> np.ndarray:
    """int64 `[N]`, of which the share `rate` is wrong."""
    rng, rows, size = np.random.default_rng(seed), np.arange(len(true)), scores.shape[1]
    similarity = class_similarity(features - features.mean(0), true, size)
    near = np.argsort(-similarity, axis=1)[:, 1 : LOOKS_LIKE + 1]
    habits = rng.gumbel(size=(size, size)).astype(np.float32)
    np.add.at(habits, (np.arange(size)[:, None], near), ALIKE)
    total = scores + habits[true] + rng.gumbel(size=scores.shape).astype(np.float32)
    own = total[rows, true].copy()
    total[rows, true] = -np.inf
    lead = total.max(1) - own  # of the likeliest other class
    return np.where(lead > np.quantile(lead, 1 - rate), total.argmax(1), true).astype(np.int64)
