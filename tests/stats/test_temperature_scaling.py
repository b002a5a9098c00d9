"""Temperature and prior power of predictions, fitted through label noise."""

import numpy as np
import pytest

from dull_jax.stats import noise_kinds, temperature_scaling
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


def gain_by_hand(noisy, given, table, prior):
    """(gains, sharpness) in float64: deconvolution, then each exponent by turns, twice."""
    clean, rows = noisy.copy(), np.arange(len(given))
    for _ in range(60):
        clean *= (noisy / (clean @ table)) @ table.T
    clean /= clean.sum(1, keepdims=True)
    unseen = 0.5 / (len(given) * prior + 1)

    def gains(sharpness, power):
        probs = clean**sharpness * prior**power
        probs /= probs.sum(1, keepdims=True)
        probs = (1 - unseen) * probs + unseen * prior
        probs /= probs.sum(1, keepdims=True)
        return np.log((probs @ table)[rows, given] / noisy[rows, given])

    sharpness, power = 1.0, 0.0
    for _ in range(2):
        candidates = np.geomspace(0.6, 3, 14)
        sharpness = max(candidates, key=lambda x, power=power: gains(x, power).mean())
        powers = np.linspace(-1, 0.5, 11)
        power = max(powers, key=lambda x, sharpness=sharpness: gains(sharpness, x).mean())
    return gains(sharpness, power), sharpness, power


@pytest.mark.parametrize("boldness", [0.5, 1.0, 2.0])
def test_likelihood_gain_against_numpy(boldness):
    rng = np.random.default_rng(2)
    counts = np.array([60, 30, 15, 10])
    true, prior = np.repeat(np.arange(4), counts), counts / counts.sum()
    noise = noise_kinds.t2h(counts.astype(float), 0.3, 0.6)
    table = noise_kinds.table(noise)
    given = np.array([rng.choice(4, p=table[k]) for k in true])
    scores = boldness * (2 * np.eye(4)[true] + rng.normal(size=(len(true), 4)))
    noisy = np.exp(scores) / np.exp(scores).sum(1, keepdims=True) @ table
    model = LabelModel(table.astype(np.float32), prior.astype(np.float32))
    gains, temperature = temperature_scaling.likelihood_gain(
        noisy.astype(np.float32), given, noise, model
    )
    expected, sharpness, power = gain_by_hand(noisy, given, table, prior)
    np.testing.assert_allclose(gains, expected, atol=2e-3)
    assert float(temperature) == pytest.approx(1 / sharpness, rel=1e-5)
    assert (sharpness, power) != (1, 0), "a set on which there is something to choose"
