"""DaSC's centroids and split against their definition."""

import numpy as np
import pytest

from dull_jax.stats import dacc, mixture

SAMPLES, CHANNELS, CLASSES = 300, 4, 5


def softmax64(z):
    e = np.exp(np.asarray(z, np.float64))
    return e / e.sum()


def case(seed=0):
    rng = np.random.default_rng(seed)
    # Class 0: none; 1: one sample; 2: two; the rest many.
    given = rng.permutation(np.concatenate([[1, 2, 2], rng.integers(3, CLASSES, SAMPLES - 3)]))
    logits, balanced = rng.normal(size=(2, SAMPLES, CLASSES)).astype(np.float32)
    projection = rng.normal(size=(SAMPLES, CHANNELS)).astype(np.float32) * 3
    return logits, balanced, projection, given.astype(np.int32)


@pytest.mark.parametrize("epoch", [0, 150])
def test_split_is_its_definition(epoch):
    logits, balanced, projection, given = case()
    clean, actual = dacc.split(logits, balanced, projection, given, epoch, 1.005, 0.1)
    unit = [z / np.sqrt((z.astype(float) ** 2).sum()) for z in projection]
    sums = np.zeros((CLASSES, CHANNELS))
    used = 0
    for one, two, z in zip(logits, balanced, unit, strict=True):
        if min(softmax64(one).max(), softmax64(two).max()) > 1.005**epoch / CLASSES:
            used += 1
            for k, share in enumerate(softmax64(one / 0.1)):
                sums[k] += share * z
    assert 0 < used and (used < SAMPLES) == (epoch > 0)
    wanted = np.array([c / np.linalg.norm(c) for c in sums])
    np.testing.assert_allclose(actual, wanted, atol=1e-5)
    likeness = np.array([softmax64(wanted @ z)[y] for z, y in zip(unit, given, strict=True)])
    likeness = (likeness - likeness.min()) / (likeness.max() - likeness.min())
    low = mixture.fit(-likeness, given, CLASSES, reg=1e-6).posterior_low
    np.testing.assert_allclose(clean[given > 1], low[given > 1], atol=2e-3)
    assert clean.dtype == np.float32 and clean.shape == (SAMPLES,)
    assert (clean[given == 1] == 1).all()


def test_nobody_confident_everybody_shapes_the_centroids():
    logits, balanced, projection, given = case(1)
    assert not dacc.confident(logits, balanced, 2000, 1.005).any()
    clean, actual = dacc.split(logits, balanced, projection, given, 2000, 1.005, 0.1)
    everybody = dacc.split(logits, balanced, projection, given, -9999, 1.005, 0.1)
    np.testing.assert_array_equal(actual, everybody[1])
    assert np.isfinite(clean).all()


def test_ties_zeros_and_extremes():
    given = np.array([0, 0, 1, 2])
    same = np.zeros((4, 3), np.float32)
    clean, actual = dacc.split(same, same, same, given, 5, 1.005, 0.1)
    assert (clean == 1).all() and (actual == 0).all()
    far = np.array([[1e4, -1e4, 0]] * 4, np.float32)
    clean, actual = dacc.split(far, -far, np.eye(4, 3), given, 5, 1.005, 0.1)
    assert np.isfinite(clean).all() and np.isfinite(actual).all()
    assert (actual[1] == 0).all()  # no prediction says class 1
    none = np.zeros((0, 3))
    clean, actual = dacc.split(none, none, none, np.zeros(0, int), 0, 1.005, 0.1)
    assert clean.shape == (0,) and (actual == 0).all()


def test_wrong_labels_are_found():
    rng = np.random.default_rng(2)
    true = rng.integers(0, 3, 900)
    wrong = rng.random(900) < 0.3
    given = np.where(wrong, (true + 1) % 3, true)
    logits = 4 * np.eye(3)[true] + rng.normal(size=(900, 3))
    projection = np.eye(3)[true] + 0.2 * rng.normal(size=(900, 3))
    clean, _ = dacc.split(logits, logits, projection, given, 30, 1.005, 0.1)
    assert ((clean > 0.5) == ~wrong).mean() > 0.98
