"""P(wrong) of a row, by Bayes' rule step by step, and what is likelier than a given label."""

import numpy as np

import gaussians
from dull_jax.stats import label_error_model, label_evidence, noise_kinds, opinion_pool
from dull_jax.stats.label_audit import audit_labels
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel

COUNTS = np.array([240, 120, 60, 30, 12])
SIZE = len(COUNTS)


def test_the_posterior_of_a_row_is_bayes_rule():
    """In float64, step by step, from the noise on."""
    rng = np.random.default_rng(3)
    probs, given = rng.dirichlet(np.ones(SIZE), 6), rng.integers(0, SIZE, 6)
    prior, noise = COUNTS / COUNTS.sum(), noise_kinds.symmetric(COUNTS, 0.3)
    table = noise_kinds.table(noise)
    p = probs.copy()
    for _ in range(60):
        p *= (probs / (p @ table)) @ table.T
    p = p**1.5 * prior**-0.3
    p /= p.sum(1, keepdims=True)
    unseen = 0.5 / (462 * prior + 1)
    joint = ((1 - unseen) * p + unseen * prior) * table[:, given].T
    model = LabelModel(table.astype(np.float32), prior.astype(np.float32))
    posterior_model = label_error_model.PosteriorModel(noise, model, Scaling(1.5, -0.3), 462)
    expected = joint / joint.sum(1, keepdims=True)
    np.testing.assert_allclose(
        label_error_model.posterior_of(probs, given, posterior_model), expected, atol=2e-4
    )


def test_a_label_that_is_probably_wrong_may_still_be_the_likeliest():
    """Two other classes share P(wrong): neither is suggested for certain.

    Of hard images all three are about as likely: were one much less so, it alone would be doubted.
    """
    rng, size = np.random.default_rng(1), 900
    probs = np.full((size, 3), 0.1) + 0.7 * np.eye(3)[rng.integers(0, 3, size)]
    hard = np.arange(0, size, 3)
    probs[hard] = 0.34
    probs[hard, rng.integers(0, 3, len(hard))] = 0.32
    given = np.array([rng.choice(3, p=p) for p in probs])
    audit = audit_labels(probs, given, posterior=True)
    assert audit.noise.startswith("between classes")
    between_two = (audit.wrong > 0.5) & (audit.posterior.argmax(1) == given)
    assert between_two.any() and audit.flagged[between_two].all()
    assert audit.ambiguous[between_two].all() and not audit.replaceable[between_two].any()


def test_the_less_opinions_agree_the_less_sure_is_the_audit(monkeypatch):
    _, positions, given = gaussians.image_noise(np.array([300, 300, 200, 200]), 0.2, seed=3)
    probs = gaussians.cross_validated(positions, given)
    evidence, _ = label_evidence.gathered(probs, given, positions, None, None)
    entropies = []
    for agreement in (0.99, 0.9, 0.8):
        monkeypatch.setattr(opinion_pool, "agreement", lambda _, x=agreement: x)
        found = label_error_model.judged(evidence, keep=False)
        assert found.noise.startswith("image")
        wrong = np.clip(found.wrong.astype(np.float64), 1e-12, 1 - 1e-12)
        entropies.append(-(wrong * np.log(wrong) + (1 - wrong) * np.log1p(-wrong)).mean())
    assert entropies == sorted(entropies) and entropies[0] < 0.9 * entropies[-1]
