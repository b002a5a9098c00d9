"""Centroids against their definition, class by class."""

import numpy as np

from dull_jax.stats import centroids

SAMPLES, CHANNELS, CLASSES = 400, 6, 5


def case(seed=0):
    rng = np.random.default_rng(seed)
    # Class 0: none; 1: one sample; 2: two; the rest many.
    given = rng.permutation(np.concatenate([[1, 2, 2], rng.integers(3, CLASSES, SAMPLES - 3)]))
    features = rng.normal(size=(SAMPLES, CHANNELS)) + 2 * np.eye(CLASSES, CHANNELS)[given] + 3
    return features.astype(np.float32), given.astype(np.int32)


def test_cl2n_centres_and_normalises():
    features, _ = case()
    mean = sum(f.astype(np.float64) for f in features) / SAMPLES
    wanted = [(f - mean) / np.sqrt(((f - mean) ** 2).sum()) for f in features]
    np.testing.assert_allclose(centroids.cl2n(features), wanted, atol=1e-12)
    assert centroids.cl2n(np.zeros((0, 2))).shape == (0, 2)


def test_centroids_and_what_stands_in():
    features, given = case()
    chosen = np.random.default_rng(1).random(SAMPLES) < 0.4
    chosen[given <= 2] = False  # no confident sample of classes 1 and 2
    chosen[np.flatnonzero(given == 2)[0]] = True
    means, counts = centroids.class_means(features, given, chosen, CLASSES)
    for k in range(CLASSES):
        rows = [f for f, y, c in zip(features, given, chosen, strict=True) if y == k and c]
        assert counts[k] == len(rows)
        rows = rows or [f for f, y in zip(features, given, strict=True) if y == k]
        wanted = np.mean(np.array(rows, np.float64), 0) if rows else np.zeros(CHANNELS)
        np.testing.assert_allclose(means[k], wanted, atol=1e-12)
    assert (counts[:3] == [0, 0, 1]).all()


def test_equal_features_are_not_blown_up():
    for value in (0.0, 0.1, 1e4):  # a mean of equal numbers is off by rounding
        actual = centroids.cl2n(np.full((3, CHANNELS), value, np.float32))
        np.testing.assert_allclose(actual, 0, atol=1e-4)


def test_squared_distances():
    features, _ = case()
    centres = np.concatenate([features[:1], np.random.default_rng(4).normal(size=(2, CHANNELS))])
    actual = centroids.squared_distances(features.astype(np.float64), centres)
    wanted = [[np.sum((x - c) ** 2) for c in centres] for x in features.astype(np.float64)]
    np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9)
    assert (actual >= 0).all()
