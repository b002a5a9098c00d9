"""Columns in another order are noticed; noise, however strong, is not taken for one."""

import numpy as np
import pytest

from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.stats import column_order


def predictions(true, num_classes, accuracy, rng):
    """Rows whose maximum is the true class with this probability, else any class by frequency."""
    shares = np.bincount(true, minlength=num_classes) / len(true)
    wrong = rng.choice(num_classes, len(true), p=shares)
    top = np.where(rng.random(len(true)) < accuracy, true, wrong)
    return 0.5 * np.eye(num_classes)[top] + 0.5 / num_classes


def tail(num_classes, largest, factor):
    counts = largest * factor ** (-np.arange(num_classes) / (num_classes - 1))
    return np.repeat(np.arange(num_classes), counts.astype(int))


def test_counts_are_those_of_numpy():
    rng = np.random.default_rng(0)
    probs, given = rng.dirichlet(np.ones(4), 999).astype(np.float32), rng.integers(0, 4, 999)
    wanted = np.zeros((4, 4), int)
    np.add.at(wanted, (given, probs.argmax(1)), 1)
    np.testing.assert_array_equal(column_order.predicted(probs, given), wanted)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("accuracy", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(
    "noise",
    [
        NoiseSpec("t2h", 0.4, cap=0.9),
        NoiseSpec("t2h", 0.3),
        NoiseSpec("symmetric", 0.6),
        NoiseSpec("joint", 0.5),
        NoiseSpec("asymmetric", 0.4),
        NoiseSpec("none", 0.0),
    ],
)
@pytest.mark.parametrize(("classes", "factor"), [(10, 100), (10, 2), (100, 50)])
def test_noise_is_no_other_order(seed, accuracy, noise, classes, factor):
    rng = np.random.default_rng(seed)
    true = tail(classes, 500, factor)
    given = corrupt(noise, true, classes).given if noise.name != "none" else true
    probs = predictions(true, classes, accuracy, rng)
    assert column_order.exchanged(column_order.predicted(probs, given)) == []


def test_weak_predictions_are_no_other_order():
    """Of the most frequent class only; or of any, by chance."""
    true = tail(10, 500, 50)
    always = np.eye(10)[np.zeros(len(true), int)]
    assert column_order.exchanged(column_order.predicted(always, true)) == []
    rng = np.random.default_rng(0)
    chance = rng.dirichlet(np.ones(10), len(true))
    assert column_order.exchanged(column_order.predicted(chance, true)) == []


@pytest.mark.parametrize("accuracy", [0.6, 0.95])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_another_order_is_found(accuracy, noise):
    rng = np.random.default_rng(0)
    true = tail(20, 300, 10)
    given = corrupt(NoiseSpec("t2h", noise), true, 20).given if noise else true
    probs = predictions(true, 20, accuracy, rng)
    swapped, rotated = np.arange(20), np.roll(np.arange(20), 1)
    swapped[[2, 3]] = [3, 2]
    actual = column_order.exchanged(column_order.predicted(probs[:, swapped], given))
    assert sorted(actual) == [(2, 3), (3, 2)]
    actual = column_order.exchanged(column_order.predicted(probs[:, rotated], given))
    assert len(actual) > 12 and all(column == (k + 1) % 20 for k, column in actual)
    order = np.array(sorted(range(20), key=str))  # 0, 1, 10, 11, …
    counts = column_order.predicted(probs[:, order], given)
    assert {k for k, _ in column_order.exchanged(counts)} >= {2, 3, 4}
    right = column_order.predicted(probs, given)
    assert column_order.fits_better(right, counts) and not column_order.fits_better(counts, right)
    assert not column_order.fits_better(right, right)
