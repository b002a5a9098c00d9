"""scikit-learn's digits, and their fixed test set."""

import hashlib

import numpy as np
from sklearn.datasets import load_digits

from dull_jax.data.sources import digits


def test_digits_are_scikit_learns_with_a_fixed_balanced_test_set():
    source, raw = digits.load(), load_digits()
    assert len(source.train.ids) == 1297 and source.class_names == tuple("0123456789")
    np.testing.assert_array_equal(np.bincount(source.test.labels), np.full(10, 50))
    both = np.concatenate([source.train.ids, source.test.ids])
    assert len(set(both)) == 1797
    for split in (source.train, source.test):
        rows = [int(name.removeprefix("digits_")) for name in split.ids]
        assert rows == sorted(rows)
        assert split.images.shape[1:] == (8, 8, 1) and split.images.dtype == np.uint8
        np.testing.assert_allclose(split.images[..., 0] * (16 / 255), raw.images[rows], atol=0.032)
        np.testing.assert_array_equal(split.labels, raw.target[rows])
        assert split.images.min() == 0 and split.images.max() == 255
    digest = hashlib.sha256("\n".join(source.test.ids).encode()).hexdigest()
    assert digest == "0655f67564f534035fa86ec1560f5edcace63d65cda09f6a3bf635a8a6544971"
    assert source.truth_known and source.manifest is None
