"""Calibration by decisions: its likeliest functions, and what they must not touch."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from dull_jax.stats import decided_calibration as calibration


def drawn(size=300, groups=2, seed=0):
    rng = np.random.default_rng(seed)
    score, group = rng.uniform(0.3, 0.999, size), rng.integers(0, groups, size)
    true = expit(logit(score) - np.where(score > 0.9, 2, 0) + 0.5 * group)
    return score, rng.random(size) < true, group


def independent(score, wrong, group, groups):
    """The same posterior in its plain form: f and h at the knots, by the inverse covariance."""
    knots, z = calibration.KNOTS, logit(score)
    covariance = np.exp(-(np.subtract.outer(knots, knots) ** 2) / 2 / calibration.LENGTH**2)
    precision = np.linalg.inv(covariance + 1e-6 * np.eye(len(knots)))

    def loss(values):
        common, *own = values.reshape(groups + 1, -1)
        x = np.array(
            [s + np.interp(s, knots, common + own[g]) for s, g in zip(z, group, strict=True)]
        )
        likelihood = np.where(wrong, -np.log(expit(x)), -np.log(expit(-x))).sum()
        prior = common @ precision @ common / calibration.SPREAD**2
        prior += sum(h @ precision @ h for h in own) / calibration.GROUP_SPREAD**2
        return likelihood + prior / 2

    return loss


def test_the_functions_are_the_likeliest():
    score, wrong, group = drawn(60)
    loss = independent(score, wrong, group, 2)
    found = calibration.fit(score, wrong, group, 2).values
    # What is found is the sum f + h; the likeliest split of it has f in proportion to variances.
    scale = calibration.SPREAD**2 / (calibration.GROUP_SPREAD**2 + 2 * calibration.SPREAD**2)
    common = scale * found.sum(0)
    start = np.concatenate([common, (found - common).ravel()])
    rng = np.random.default_rng(1)
    covariance = np.exp(-(np.subtract.outer(calibration.KNOTS, calibration.KNOTS) ** 2) / 2)
    for _ in range(30):  # no smooth step makes it likelier
        step = (rng.normal(size=(3, len(calibration.KNOTS))) @ covariance).ravel() * 0.01
        assert loss(start + step) > loss(start) - 1e-4
    line = minimize(lambda a: loss(start * a), 1.0)
    assert line.x == pytest.approx(1, abs=0.01)


def test_decisions_move_scores_like_theirs():
    score = np.full(100, 0.97)
    found = calibration.fit(score, np.arange(100) < 70, np.zeros(100, int), 1)
    near, far, low = found.apply(np.array([0.97, 0.5, 0.05]), np.zeros(3, int))
    assert near == pytest.approx(0.7, abs=0.03)
    assert far == pytest.approx(0.5, abs=0.05) and low == pytest.approx(0.05, abs=0.01)


def test_many_decisions_are_believed():
    score, wrong, group = drawn(20_000)
    found = calibration.fit(score, wrong, group, 2).apply(score, group)
    for number in range(2):
        for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.92, 1)):
            inside = (group == number) & (score >= low) & (score < high)
            assert found[inside].mean() == pytest.approx(wrong[inside].mean(), abs=0.02)


def test_few_decisions_move_little_and_none_nothing():
    nothing = calibration.fit(np.zeros(0), np.zeros(0, bool), np.zeros(0, int), 3)
    score = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(nothing.apply(score, np.arange(50) % 3), score, atol=1e-6)
    one = calibration.fit(np.array([0.5]), np.array([True]), np.array([0]), 3)
    after = one.apply(np.array([0.5, 0.5]), np.array([0, 1]))
    assert 0.5 < after[1] < after[0] < 0.72  # the own group most


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_certain_scores_stay_finite(edge):
    found = calibration.fit(np.full(9, edge), np.arange(9) < 3, np.zeros(9, int), 1)
    assert np.isfinite(found.apply(np.array([0.0, 1.0]), np.zeros(2, int))).all()


def test_the_surest_are_believed_as_far_as_those_that_were_decided():
    found = calibration.fit(np.full(300, 1.0), np.arange(300) < 210, np.zeros(300, int), 1)
    assert found.apply(np.array([0.9999, 1.0]), np.zeros(2, int)) == pytest.approx(0.72, abs=0.06)


def test_scores_below_the_knots_keep_their_order():
    found = calibration.fit(np.full(9, 0.9), np.zeros(9, bool), np.zeros(9, int), 1)
    low = np.logspace(-12, -2, 40)
    assert (np.diff(found.apply(low, np.zeros(40, int)).astype(np.float64)) > 0).all()
