"""`benchmarks.accuracy.grid --oracle` takes out the wrongly labelled images, and no others."""

import numpy as np

from benchmarks.accuracy.grid import rightly_labelled
from dull_jax import recipe_files
from dull_jax.data import dataset


def test_what_is_left_is_rightly_labelled(tmp_path):
    config = recipe_files.load("configs/digits_t2h.py:seed=3")
    config.data.holdout = 0.1
    drawn = dataset.build(config)
    left = dataset.build(config, rightly_labelled(config, tmp_path / "a" / "labels.npz"))
    right = drawn.train.given == drawn.clean
    assert 0.6 < right.mean() < 0.8
    np.testing.assert_array_equal(left.train.ids, drawn.train.ids[right])
    np.testing.assert_array_equal(left.train.given, drawn.clean[right])
    np.testing.assert_array_equal(left.train.images, drawn.train.images[right])
    np.testing.assert_array_equal(left.holdout.given, drawn.holdout.given)
