"""Discriminant analysis against its definition in float64, and what must hold of it."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from dull_jax.stats import discriminant


def drawn(size=120, dims=6, classes=4, seed=0):
    """Features of unequal classes, and labels of which some are wrong."""
    rng = np.random.default_rng(seed)
    shares = 0.5 ** np.arange(classes)
    given = rng.choice(classes, size, p=shares / shares.sum())
    given[:classes] = np.arange(classes)
    features = rng.normal(size=(classes, dims))[given] + 0.7 * rng.normal(size=(size, dims))
    flipped = rng.random(size) < 0.2
    return features.astype(np.float32), np.where(flipped, rng.integers(0, classes, size), given)


def fitted(features, given, num_classes, rows):
    return discriminant.fit(discriminant.directions(features), given, num_classes, rows)


def reference(model, features, row):
    """log p(features of the row | class k) up to a constant, from all other samples; float64."""
    unit = features / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit -= unit.mean(0)
    given, (size, dims) = model.given, unit.shape
    freedom = size - len(np.unique(given))
    share = model.lent * freedom  # of what is not the identity in W
    means = np.stack([unit[given == k].mean(0) for k in range(len(model.counts))])
    identity = (1 - share) * ((unit - means[given]) ** 2).sum() / freedom / dims * np.eye(dims)
    others = np.arange(size) != row
    scatter, scores = np.zeros((dims, dims)), []
    for k in range(len(model.counts)):
        members = unit[others & (given == k)]
        off = members - members.mean(0)
        scatter += off.T @ off
    for k in range(len(model.counts)):
        members = unit[others & (given == k)]
        mean = members.sum(0) / (len(members) + 1 / model.between)
        variance = 1 + 1 / (len(members) + 1 / model.between)
        covariance = variance * (share * scatter / freedom + identity)
        scores.append(multivariate_normal.logpdf(unit[row], mean, covariance))
    return np.array(scores)


def test_it_is_the_definition():
    features, given = drawn()
    model = fitted(features, given, 4, np.arange(len(given)))
    found = model.log_likelihood(slice(None))
    for row in range(0, len(given), 7):
        expected = reference(model, features, row)
        np.testing.assert_allclose(found[row] - found[row, 0], expected - expected[0], atol=2e-3)


def test_a_label_has_no_part_in_its_own_judgement():
    """But for W's freedom, and the variance between classes, to which each is one of many."""
    features, given = drawn(size=2000)
    model = fitted(features, given, 4, np.arange(2000))
    other = given.copy()
    other[5] = (other[5] + 1) % 4
    again = fitted(features, other, 4, np.arange(2000))
    np.testing.assert_allclose(model.probs([5]), again.probs([5]), atol=0.01)


def test_rows_are_probabilities_whatever_is_asked_for():
    features, given = drawn()
    model = fitted(features, given, 4, np.arange(len(given)))
    whole = model.probs(slice(None))
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.probs(slice(3, 9)), whole[3:9])
    np.testing.assert_allclose(model.probs(np.array([7, 3])), whole[[7, 3]], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_only_directions_count(scale):
    features, given = drawn()
    rows = np.arange(len(given))
    first = fitted(features, given, 4, rows).probs(slice(None))
    again = fitted(features * np.float32(scale), given, 4, rows).probs(slice(None))
    np.testing.assert_allclose(first, again, atol=1e-5)


def test_classes_that_differ_are_told_apart_and_wrong_labels_are_not_believed():
    rng = np.random.default_rng(1)
    true = np.repeat([0, 1, 2], [600, 150, 30])
    features = rng.normal(size=(3, 50))[true] + rng.normal(size=(len(true), 50))
    given = np.where(rng.random(len(true)) < 0.2, 0, true)
    model = fitted(features.astype(np.float32), given, 3, np.arange(len(true)))
    predicted = model.probs(slice(None)).argmax(1)
    for k in range(3):
        assert np.mean(predicted[true == k] == k) > 0.9, k


@pytest.mark.parametrize(
    ("features", "given"),
    [
        (np.zeros((2, 3)), [0, 1]),
        (np.ones((5, 1)), [0, 0, 0, 0, 0]),
        (np.eye(4), [0, 1, 2, 3]),
        (np.repeat(np.eye(2), 3, axis=0), [0, 0, 0, 1, 1, 2]),
        (np.random.default_rng(0).normal(size=(6, 40)), [0, 0, 1, 1, 4, 4]),
    ],
)
def test_degenerate_sets_have_finite_answers(features, given):
    given = np.array(given)
    model = fitted(features, given, 5, np.arange(len(given)))
    probs = model.probs(slice(None))
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_more_features_than_directions_are_reduced(monkeypatch):
    features, given = drawn(size=400, dims=60)
    whole = fitted(features, given, 4, np.arange(400))
    monkeypatch.setattr(discriminant, "DIRECTIONS", 40)
    reduced = fitted(features, given, 4, np.arange(400))
    assert reduced.whitening.shape == (40, 40)
    same = whole.probs(slice(None)).argmax(1) == reduced.probs(slice(None)).argmax(1)
    assert same.mean() > 0.8


def test_the_temperature_is_the_likeliest():
    features, given = drawn(size=600)
    rows = np.arange(600)
    model = fitted(features, given, 4, rows)

    def likelihood(temperature):
        scores = model.log_likelihood(rows) / temperature + np.log((model.counts + 1) / (604))
        return np.log(softmax(scores, axis=1)[rows, given]).mean()

    best = likelihood(model.temperature)
    assert all(best >= likelihood(model.temperature * by) - 1e-9 for by in (0.8, 0.95, 1.05, 1.3))
