"""Eigenvectors of symmetric matrices, on one thread.

Several threads of a BLAS wait for each other: 40 times as long where another process is at work.
"""

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits


def of_symmetric(matrix: np.ndarray, top: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(eigenvalues `[t]`, ascending; eigenvectors `[n, t]`, a column each) of `[n, n]`.

    Args:
      top: how many, of the greatest eigenvalues; None: all n, by another algorithm.
    """
    with threadpool_limits(1, "blas"):
        if top is None:
            values, vectors = np.linalg.eigh(matrix)
            return values, vectors
        size = len(matrix)
        return scipy.linalg.eigh(matrix, subset_by_index=(size - top, size - 1))
