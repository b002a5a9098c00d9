"""SFA's centroids against their definition, and classes that leave nothing to average."""

import numpy as np
import pytest

from dull_jax.stats import feature_averaging as fa
from dull_jax.stats import mixture
from dull_jax.stats.centroids import cl2n, class_means

SAMPLES, CHANNELS, CLASSES = 400, 6, 5


def case(seed=0):
    rng = np.random.default_rng(seed)
    # Class 0: none; 1: one sample; 2: two; the rest many.
    given = rng.permutation(np.concatenate([[1, 2, 2], rng.integers(3, CLASSES, SAMPLES - 3)]))
    features = rng.normal(size=(SAMPLES, CHANNELS)) + 2 * np.eye(CLASSES, CHANNELS)[given] + 3
    probs = rng.dirichlet(np.ones(CLASSES), SAMPLES)
    return features.astype(np.float32), probs.astype(np.float32), given.astype(np.int32)


@pytest.mark.parametrize("epoch", [0, 40])
def test_confident_is_a_threshold_that_grows(epoch):
    _, probs, given = case()
    wanted = [p[y] > 1.005**epoch / CLASSES for p, y in zip(probs, given, strict=True)]
    assert fa.confident(probs, given, epoch, 1.005).tolist() == wanted
    uniform = np.full((3, 4), 0.25)
    assert not fa.confident(uniform, np.arange(3), 0, 1.005).any()  # a tie is not above


@pytest.mark.parametrize("persist", [True, False])
def test_moments_over_epochs(persist):
    rng, beta = np.random.default_rng(2), 0.9
    epochs = rng.normal(size=(4, CLASSES, CHANNELS))
    moments = fa.no_moments(CLASSES, CHANNELS)
    first = second = None
    for number, c in enumerate(epochs):
        moments = fa.update(moments, c, beta, persist=persist)
        if first is None:
            first, second = c, c**2
        elif persist:
            first, second = beta * first + (1 - beta) * c, beta * second + (1 - beta) * c**2
        else:  # the released code: the average is zero when an epoch begins
            first, second = (1 - beta) * c, (1 - beta) * c**2
        np.testing.assert_allclose(moments.first, first, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(moments.second, second, rtol=1e-5, atol=1e-6)
        assert moments.epochs == number + 1
    assert [a.dtype for a in moments] == [np.float32, np.float32, np.int32]
    assert all(isinstance(a, np.ndarray) for a in moments) and moments.epochs.shape == ()


def test_centres_are_drawn_for_classes_with_enough():
    rng = np.random.default_rng(3)
    c = rng.normal(size=(CLASSES, CHANNELS))
    moments = fa.update(fa.no_moments(CLASSES, CHANNELS), c, 0.9)
    moments = fa.update(moments, c + 1, 0.9)
    counts = np.array([0, 10, 11, 300, 9])
    generator = np.random.default_rng(4)
    draws = np.stack([fa.draw_centres(moments, counts, 10, generator) for _ in range(4000)])
    std = np.sqrt(0.9 * c**2 + 0.1 * (c + 1) ** 2 - (0.9 * c + 0.1 * (c + 1)) ** 2)
    np.testing.assert_allclose(std, 0.3)  # sqrt(.9 * .1): the epochs differ by 1
    np.testing.assert_array_equal(
        draws[:, counts <= 10], np.tile(moments.first[counts <= 10].astype(float), (4000, 1, 1))
    )
    drawn = draws[:, counts > 10]
    np.testing.assert_allclose(drawn.mean(0), moments.first[counts > 10], atol=0.025)
    np.testing.assert_allclose(drawn.std(0), std[counts > 10], atol=0.015)
    # One epoch alone has no spread, and the stream of random numbers does not depend on counts.
    still = fa.update(fa.no_moments(CLASSES, CHANNELS), c, 0.9)
    a, b = np.random.default_rng(5), np.random.default_rng(5)
    np.testing.assert_allclose(fa.draw_centres(still, counts, 10, a), c, atol=5e-3)
    fa.draw_centres(still, counts * 0, 10, b)
    assert a.random() == b.random()


def test_scores_and_their_heaps():
    features, _, given = case()
    unit, centres = cl2n(features), np.random.default_rng(6).normal(size=(CLASSES, CHANNELS))
    actual = fa.scores(unit, given, centres)
    wanted = [-sum((f - centres[y]) ** 2) for f, y in zip(unit, given, strict=True)]
    np.testing.assert_allclose(actual, wanted)
    clean = fa.clean_probability(actual, given, CLASSES)
    low = mixture.fit(actual, given, CLASSES, reg=1e-6, normalize=True).posterior_low
    np.testing.assert_allclose(clean[given > 1], 1 - low[given > 1], atol=1e-6)
    assert clean.dtype == np.float32 and (clean[given == 1] == 1).all()
    assert sorted(clean[given == 2].round()) == [0, 1]
    assert clean[given == 2][actual[given == 2].argmax()] > 0.5  # the closer of the two


def test_ties_and_nobody_at_all():
    given = np.array([0, 0, 0, 2])
    np.testing.assert_array_equal(fa.clean_probability(np.full(4, -0.3), given, 3), np.ones(4))
    none = np.zeros(0, int)
    assert fa.clean_probability(np.zeros(0), none, 3).shape == (0,)
    means, counts = class_means(np.zeros((0, 2)), none, np.zeros(0, bool), 3)
    assert (means == 0).all() and (counts == 0).all()


def test_wrong_labels_are_found():
    rng = np.random.default_rng(7)
    true = rng.integers(0, CLASSES, 1000)
    wrong = rng.random(1000) < 0.3
    given = np.where(wrong, (true + 1) % CLASSES, true)
    unit = cl2n(rng.normal(size=(1000, CHANNELS)) * 0.2 + 2 * np.eye(CLASSES, CHANNELS)[true])
    centres, _ = class_means(unit, given, np.ones(1000, bool), CLASSES)
    clean = fa.clean_probability(fa.scores(unit, given, centres), given, CLASSES) > 0.5
    assert (clean == ~wrong).mean() > 0.98
