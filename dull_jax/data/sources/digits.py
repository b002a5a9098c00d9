"""scikit-learn's handwritten digits: 1,797 images that need no download."""

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data.sources import Source, Split

TITLE = "Digits"


def load(options: ConfigDict | None = None) -> Source:
    """Images of 8x8, values 0..16 stretched to 0..255.

    The test set has 50 images of each class, evenly spaced in scikit-learn's order, in which the
    writers follow one another; the rest is the train set. No seed has a part in it, and of the
    options none is read.
    """
    from sklearn.datasets import load_digits  # here: a second that other sources need not wait

    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    ids = np.array([f"digits_{index:05d}" for index in range(len(images))])
    held_out = np.zeros(len(images), bool)
    for digit in range(10):
        members = np.flatnonzero(data.target == digit)
        held_out[members[np.arange(50) * len(members) // 50]] = True

    def split(rows: np.ndarray) -> Split:
        return Split(images[rows], data.target[rows].astype(np.int32), ids[rows])

    names = tuple("0123456789")
    return Source("digits", names, split(~held_out), split(held_out), truth_known=True)
