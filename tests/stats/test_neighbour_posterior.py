"""Predictions by a sample's neighbours, against float64 NumPy and against what they are for."""

import numpy as np
import pytest

from dull_jax.stats import neighbour_posterior as neighbours
from dull_jax.stats.transition import LabelModel, label_posterior

HEADWARD = np.array([[1, 0, 0], [0.4, 0.6, 0], [0.45, 0.15, 0.4]])


def model(transition, prior):
    return LabelModel(np.asarray(transition, np.float32), np.asarray(prior, np.float32))


def em64(features, given, actual, temperature, steps, nearest=10**6):
    """Sample by sample; (probs, posterior, log-likelihood). Far samples count in the mass only."""
    t, prior = np.float64(actual.transition), np.float64(actual.prior)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    size, classes = len(given), len(prior)
    likely = np.array([prior * t[:, label] for label in given])
    start = likely + 1e-20 * np.eye(classes)[given]
    start /= start.sum(1, keepdims=True)
    q = start
    for _ in range(steps):
        probs = np.empty((size, classes))
        for i in range(size):
            others = [j for j in range(size) if j != i]
            cosine = unit[others] @ unit[i]
            weight = np.exp((cosine - 1) / temperature)
            weight[np.argsort(-cosine)[nearest:]] = 0
            density = weight @ q[others] / np.maximum(q[others].sum(0), 1e-3) + 1e-12
            probs[i] = density / density.sum()
        q = probs * likely + 1e-20 * start
        q /= q.sum(1, keepdims=True)
    share = probs * prior
    own = [share[i] @ t[:, given[i]] / share[i].sum() for i in range(size)]
    return probs, q, np.log(own).mean()


def case(size=40, seed=0):
    rng = np.random.default_rng(seed)
    features = np.abs(rng.normal(size=(size, 5))).astype(np.float32)
    return features, rng.integers(0, 3, size).astype(np.int32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("nearest", [7, 100], ids=["the nearest", "all others"])
def test_against_numpy(seed, nearest, monkeypatch):
    """All others speak where they are no more than the nearest that are asked for."""
    monkeypatch.setattr(neighbours, "NEAREST", nearest)
    features, given = case(seed=seed)
    headward = model(HEADWARD, [0.6, 0.3, 0.1])

    def em(temperature, steps):
        return em64(np.float64(features), given, headward, temperature, steps, nearest)

    actual = neighbours.leave_one_out(features, given, headward)
    tried = [em(t, neighbours._TRIED)[2] for t in neighbours.TEMPERATURES]
    temperature = neighbours.TEMPERATURES[int(np.argmax(tried))]
    assert float(actual.temperature) == pytest.approx(temperature)
    probs, posterior, likelihood = em(temperature, neighbours._SETTLED)
    np.testing.assert_allclose(actual.probs, probs, atol=2e-3)
    np.testing.assert_allclose(actual.posterior, posterior, atol=2e-3)
    assert float(actual.log_likelihood) == pytest.approx(likelihood, abs=1e-3)


def test_a_label_says_nothing_of_its_own_sample():
    """Without noise nobody's class depends on another's, so what the others say is untouched."""
    features, given = case()
    certain = model(np.eye(3), [1 / 3] * 3)
    other = given.copy()
    other[7] = (given[7] + 1) % 3
    one, two = (neighbours.leave_one_out(features, labels, certain) for labels in (given, other))
    assert float(one.temperature) == float(two.temperature)
    np.testing.assert_allclose(one.probs[7], two.probs[7], rtol=1e-5)
    assert np.abs(one.probs[8] - two.probs[8]).max() > 1e-4  # it speaks of the others


def test_hidden_samples_of_a_rare_class_are_found():
    """Three of five labels of the tail are the head's; a network that fits them would not know."""
    rng = np.random.default_rng(0)
    clean = np.repeat([0, 1, 2], [300, 60, 10])
    centres = np.eye(3).repeat(4, axis=1)
    features = (centres[clean] + 0.35 * rng.normal(size=(370, 12))).astype(np.float32)
    given = np.array([rng.choice(3, p=HEADWARD[y]) for y in clean]).astype(np.int32)
    headward = model(HEADWARD, np.bincount(clean) / len(clean))
    posterior = np.asarray(neighbours.leave_one_out(features, given, headward).posterior)
    wrong, suggested = given != clean, posterior.argmax(1)
    assert np.mean(suggested[wrong] == clean[wrong]) > 0.85
    assert np.mean(suggested[~wrong] == clean[~wrong]) > 0.97
    learnt = np.full((370, 3), 0.01, np.float32) + 0.97 * np.eye(3, dtype=np.float32)[given]
    by_heart = np.asarray(label_posterior(learnt, given, headward)).argmax(1)
    assert np.mean(by_heart[wrong] == clean[wrong]) < 0.1


@pytest.mark.parametrize("features", [np.zeros((6, 4)), np.ones((6, 4)), np.eye(6)])
def test_finite_for_ties_and_for_nobody_near(features):
    """Also where a class has one sample, and where it has none."""
    given = np.array([0, 0, 0, 0, 0, 1], np.int32)
    actual = neighbours.leave_one_out(
        features.astype(np.float32), given, model(HEADWARD, [0.6, 0.3, 0.1])
    )
    for name in ("probs", "posterior"):
        rows = np.asarray(getattr(actual, name))
        assert np.isfinite(rows).all()
        np.testing.assert_allclose(rows.sum(1), 1, rtol=1e-5)
    assert np.isfinite(actual.log_likelihood)


def test_the_mean_of_two_predictions_and_its_boldness():
    one, two = np.array([[0.8, 0.2]], np.float32), np.array([[0.2, 0.8]], np.float32)
    np.testing.assert_allclose(neighbours.combined(one, two, 1.0), [[0.5, 0.5]], atol=1e-5)
    np.testing.assert_allclose(neighbours.combined(one, one, 1.0), one, atol=1e-5)
    np.testing.assert_allclose(neighbours.combined(one, one, 0.5), [[16 / 17, 1 / 17]], atol=1e-5)


def test_epochs_of_the_same_shape_compile_once():
    certain = model(np.eye(3), [1 / 3] * 3)
    before = neighbours.estimate._cache_size()
    for seed in range(3):
        neighbours.leave_one_out(*case(33, seed), certain)
    assert neighbours.estimate._cache_size() == before + 1
