"""Temperature and prior power of predictions, fitted through label noise."""

import numpy as np

from dull_jax.stats import temperature_scaling
from dull_jax.stats.transition import LabelModel


def test_exponents_are_fitted_through_the_noise():
    """Predictions made timid and leaning on the prior are put right, though labels are wrong."""
    rng = np.random.default_rng(0)
    size, prior = 4000, np.array([0.6, 0.3, 0.1])
    true_probs = rng.dirichlet(prior * 2, size)
    clean = np.array([rng.choice(3, p=p) for p in true_probs])
    table = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    given = np.array([rng.choice(3, p=table[k]) for k in clean])
    timid = true_probs**0.5 * prior**0.5
    timid /= timid.sum(1, keepdims=True)
    model = LabelModel(table.astype(np.float32), prior.astype(np.float32))
    scaling = temperature_scaling.fit(timid.astype(np.float32), given, model, 1.0)
    assert abs(scaling.sharpness - 2) < 0.5 and abs(scaling.prior_power + 1) < 0.6
    scaled = np.asarray(temperature_scaling.scaled(timid, model.prior, scaling))
    assert np.abs(scaled - true_probs).mean() < 0.3 * np.abs(timid - true_probs).mean()


def test_formulas_against_numpy():
    rng = np.random.default_rng(1)
    probs, prior = rng.dirichlet(np.ones(4), 5), np.array([0.5, 0.3, 0.15, 0.05])
    expected = probs**1.7 * prior**-0.4
    scaled = temperature_scaling.scaled(probs, prior, temperature_scaling.Scaling(1.7, -0.4))
    np.testing.assert_allclose(scaled, expected / expected.sum(1, keepdims=True), rtol=1e-5)
    unseen = 0.5 / (40 * prior + 1)
    expected = (1 - unseen) * probs + unseen * prior
    smoothed = temperature_scaling.smoothed(probs, prior, 40)
    np.testing.assert_allclose(smoothed, expected / expected.sum(1, keepdims=True), rtol=1e-5)
