"""Label noise undone by loops, independent of `noise_undone.clean_probs`."""

import numpy as np


def deconvolved(observed, table, steps=60):
    """Of one sample `[K]`, class by class; table T `[K, K]`."""
    size, p = len(observed), observed.copy()
    for _ in range(steps):
        mixed = [sum(p[i] * table[i, j] for i in range(size)) for j in range(size)]
        p = np.array(
            [p[i] * sum(table[i, j] * observed[j] / mixed[j] for j in range(size))
             for i in range(size)]
        )  # fmt: skip
        p /= p.sum()
    return p
