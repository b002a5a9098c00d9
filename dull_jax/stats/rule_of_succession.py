"""How surely a rare class's label can be called wrong: no surer than its few right labels allow.

A class known from n right labels shows n looks. That the next right one looks like another class
has then not been ruled out: by the rule of succession (Laplace; Jaynes 2003, section 18.1) what was
never seen in n trials has the probability 1 / (n + 2). By so much every look of a right label is
likelier than the predictions say, which know nothing of this: most right labels of rare classes
that looked unlike their class were called wrong with P above 0.99.

Of a class whose labels are mostly wrong the rule says nothing: there a label is suspected before
its image is looked at, and sparing right ones would cost more than it saves.
"""

import numpy as np


def smoothed(
    wrong: np.ndarray, given: np.ndarray, transition: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """P(the given label is wrong) `[N]`, where looks that were never seen have a probability too.

    odds of a right label = (1 - wrong) / wrong + odds before the image was seen / (n + 2), the
    latter of classes whose labels are mostly right. The order of a class's labels stays.

    Args:
      wrong: `[N]` in [0, 1].  given: `[N]` labels.
      transition: `[K, K]`, P(given j | true i).  prior: `[K]`, true class shares.

    Returns:
      `[N]`, of the dtype of `wrong`, nowhere above it.

    >>> few, many = np.array([[0.96, 0.04], [0.02, 0.98]]), np.array([0.1, 0.9])
    >>> given = np.repeat([0, 1], [10, 90])
    >>> np.round(smoothed(np.full(100, 0.999), given, few, many)[[0, -1]], 3)
    array([0.685, 0.29 ])
    >>> np.round(smoothed(np.full(100, 0.1), given, few, many)[[0, -1]], 3)
    array([0.096, 0.08 ])
    """
    both = prior.astype(np.float64)[:, None] * transition
    right, all_of_it = both.diagonal(), np.maximum(both.sum(0), 1e-12)
    odds = right / np.maximum(all_of_it - right, 1e-12) / (len(given) * right + 2)
    odds = np.where(right > all_of_it / 2, odds, 0)
    chance = wrong.astype(np.float64)
    return (chance / (1 + chance * odds[given])).astype(wrong.dtype)
