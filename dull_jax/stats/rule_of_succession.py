"""How surely a rare class's label can be called wrong: no surer than its few right labels allow.

A class known from n right labels shows n looks. That the next right one looks like another class
has then not been ruled out: by the rule of succession (Laplace; Jaynes 2003, section 18.1) what was
never seen in n trials has the probability 1 / (n + 2). So what an image shows may not shift the
odds of its label by more than that. Predictions know nothing of this: without the bound most right
labels of rare classes that looked unlike their class were called wrong with P above 0.99.

Of a class whose labels are mostly wrong the bound says nothing: there a label is suspected before
its image is looked at, and sparing right ones would cost more than it saves.
"""

import numpy as np


def bounded(
    wrong: np.ndarray, given: np.ndarray, transition: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """P(the given label is wrong) `[N]`, no nearer to 1 than the rule of succession allows.

    Args:
      wrong: `[N]` in [0, 1].  given: `[N]` labels.
      transition: `[K, K]`, P(given j | true i).  prior: `[K]`, true class shares.

    Returns:
      `[N]`, of the dtype of `wrong`, nowhere above it.

    >>> few, many = np.array([[0.96, 0.04], [0.02, 0.98]]), np.array([0.1, 0.9])
    >>> given = np.repeat([0, 1], [10, 90])
    >>> np.round(bounded(np.full(100, 0.999), given, few, many)[[0, -1]], 3)
    array([0.685, 0.29 ])
    """
    both = prior.astype(np.float64)[:, None] * transition
    right, all_of_it = both.diagonal(), np.maximum(both.sum(0), 1e-12)
    share = right / all_of_it
    odds = right / np.maximum(all_of_it - right, 1e-12) / (len(given) * right + 2)
    most = np.where(share > 0.5, 1 / (1 + odds), 1)
    return np.minimum(wrong, most[given]).astype(wrong.dtype)
