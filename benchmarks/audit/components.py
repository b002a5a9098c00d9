"""Features as the linear models of these benchmarks see them."""

import numpy as np
from sklearn.decomposition import PCA


def scaled(features: np.ndarray, count: int) -> np.ndarray:
    """The first `count` principal components of features `[N, D]`; their mean square is 1."""
    low = PCA(count, random_state=0).fit_transform(features)
    return low / np.sqrt((low**2).mean())
