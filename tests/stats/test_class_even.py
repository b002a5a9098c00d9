"""The class-even stream of head-to-tail transfer, and the labels of what is mixed from it."""

import numpy as np

from dull_jax.data.views.mixing import rare_label_share
from dull_jax.stats.class_even import class_even, class_shares_drawn, mixed_prior


def test_the_class_even_stream_is_even():
    targets = np.zeros((1000, 4), np.float32)
    targets[:900, 0] = targets[900:990, 1] = targets[990:, 2] = 1  # class 3 has nobody
    chosen = class_even(targets, 30_000, np.random.default_rng(0), 1e6)
    shares = targets[chosen].mean(0)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 1 / 3, 0], atol=0.01)


def test_a_class_of_few_samples_is_not_drawn_without_end():
    mass = np.array([900.0, 90, 10, 0])
    drawn = 500 * class_shares_drawn(mass, 500, repeats=3)
    np.testing.assert_allclose(drawn, [235, 235, 30, 0], atol=1e-3)
    drawn = 5000 * class_shares_drawn(mass, 5000, repeats=3)  # all at their limit: in proportion
    np.testing.assert_allclose(drawn / 5, mass, rtol=1e-3)


def test_mixed_prior_is_that_of_the_mixed_labels():
    rng = np.random.default_rng(0)
    targets = np.eye(3, dtype=np.float32)[rng.choice(3, 4000, p=[0.8, 0.15, 0.05])]
    prior = targets.mean(0)
    rare = class_even(targets, 20_000, rng, 1e6)
    actual = mixed_prior(targets, rare, prior, 0.25, rng)
    partner, lam = rng.integers(0, 4000, 20_000), rng.uniform(0.5, 1, 20_000)
    wanted = np.zeros(3)
    for i, j, share in zip(rare, partner, lam, strict=True):
        n_rare, n_partner = targets[i] @ prior, targets[j] @ prior
        if n_partner > n_rare:
            share = max(share, (n_partner / (n_partner + n_rare)) ** 0.25)
        wanted += share * targets[i] + (1 - share) * targets[j]
    np.testing.assert_allclose(actual, wanted / wanted.sum(), atol=0.01)
    assert rare_label_share(lam[:2], targets[:2], targets[:2], prior, 0.25).shape == (2, 1)
