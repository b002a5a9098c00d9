"""The neighbours' votes against a loop over samples in float64."""

import numpy as np
import pytest

from dull_jax.stats import neighbours


def naive(features, labels, num_classes, k, temperature):
    features = features.astype(np.float64)
    actual = np.zeros((len(features), num_classes))
    for i, own in enumerate(features):
        cosines = []
        for j, other in enumerate(features):
            if j != i:
                cosine = own @ other / (np.linalg.norm(own) * np.linalg.norm(other))
                cosines.append((cosine, labels[j]))
        for cosine, label in sorted(cosines, reverse=True)[:k]:
            actual[i, label] += np.exp(cosine / temperature)
    return actual / actual.sum(1, keepdims=True)


@pytest.mark.parametrize("size", [2, 7, 60])
def test_votes_of_a_naive_version(size):
    rng = np.random.default_rng(size)
    features = rng.normal(size=(size, 5)).astype(np.float32) * rng.uniform(0.1, 9, (size, 1))
    labels = rng.integers(0, 4, size)
    actual = neighbours.votes(features, labels, 4, neighbours=10)
    assert actual.shape == (size, 4)
    np.testing.assert_allclose(actual, naive(features, labels, 4, 10, 0.1), rtol=1e-4, atol=1e-6)


def test_some_are_asked_of_all():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    asked = np.array([3, 3, 49, 0, 17])
    actual = neighbours.votes(features, labels, 3, asked, neighbours=9)
    whole = neighbours.votes(features, labels, 3, neighbours=9)
    np.testing.assert_allclose(actual, whole[asked], rtol=1e-6)


def test_a_sample_does_not_vote_for_itself():
    """Two copies of each feature with different labels: each gets the other's."""
    features = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    labels = np.array([0, 1, 1, 0, 0, 1])
    actual = neighbours.votes(features, labels, 2, neighbours=1)
    np.testing.assert_array_equal(actual.argmax(1), 1 - labels)


def test_well_apart_heaps_agree_and_random_labels_do_not():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    features = 3 * np.eye(3)[labels] + rng.normal(0, 0.1, (120, 3))
    assert (neighbours.votes(features, labels, 3, neighbours=20).argmax(1) == labels).all()
    shuffled = rng.permutation(labels)
    agreement = neighbours.votes(features, shuffled, 3, neighbours=20).argmax(1) == shuffled
    assert agreement.mean() < 0.6


@pytest.mark.parametrize("size", [0, 1])
def test_nobody_to_ask(size):
    actual = neighbours.votes(np.ones((size, 3), np.float32), np.zeros(size, int), 2)
    np.testing.assert_array_equal(actual, np.zeros((size, 2)))


def test_a_feature_of_zeros_stays_finite():
    features = np.zeros((4, 3), np.float32)
    features[0, 0] = 1
    assert np.isfinite(neighbours.votes(features, np.array([0, 1, 0, 1]), 2)).all()
