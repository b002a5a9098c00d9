"""P(wrong) of a row, by Bayes' rule step by step, and what is likelier than a given label."""

import numpy as np
import pytest

import gaussians
from dull_jax.stats import (
    image_noise,
    label_error_model,
    label_evidence,
    noise_kinds,
    opinion_pool,
)
from dull_jax.stats.label_audit import audit_labels
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel

COUNTS = np.array([240, 120, 60, 30, 12])
SIZE = len(COUNTS)


def made(seed=2):
    """Predictions, positions and given labels under noise that depends on the image."""
    _, positions, given = gaussians.image_noise(np.array([120, 90, 60, 40]), 0.12, seed=seed)
    return gaussians.cross_validated(positions, given), positions, given


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


def test_noise_that_depends_on_the_image_has_two_rounds():
    """By the formulas, from opinions of the given labels and of the corrected ones."""
    counts = np.array([300, 300, 100, 60])
    _, positions, given = gaussians.image_noise(counts, 0.12, seed=5)
    probs, rows = gaussians.cross_validated(positions, given), np.arange(len(given))
    evidence, _ = label_evidence.gathered(probs, given, positions, None, None)
    found = label_error_model.judged(evidence, keep=True)
    assert found.noise.startswith("image")

    first = evidence.at(rows)
    counted = image_noise.counted(first, given)
    agreement = opinion_pool.agreement(evidence.opinions(rows))
    accuracy = image_noise.accuracy(first, given, counted.rate, agreement)

    def scored(opinions):
        power = image_noise.sharpness(opinions, accuracy)
        scores = image_noise.doubts(opinions, given, power)[0]
        return image_noise.fit(scores, given, power, counted)

    model = scored(first)
    likely = model.posterior(first, given)
    corrected = np.where(likely.max(1) > 0.6, likely.argmax(1), given)
    doubted = (likely.argmax(1) != given).sum()
    assert 20 < (corrected != given).sum() < doubted, "the less likely ones stay"
    refitted, _ = label_evidence.gathered(probs, corrected, positions, None, None)
    sharp = first.astype(np.float64) ** model.sharpness
    mean = np.sqrt(sharp / sharp.sum(1, keepdims=True) * refitted.at(rows))
    mean = (mean / mean.sum(1, keepdims=True)).astype(np.float32)
    expected = scored(mean).posterior(mean, given)
    assert np.abs(expected - model.posterior(first, given)).max() > 0.02, "the second round counts"
    np.testing.assert_allclose(found.posterior, expected, atol=1e-3)
    np.testing.assert_allclose(found.wrong, 1 - expected[rows, given], atol=1e-3)


def test_predictions_alone_have_one_round():
    _, positions, given = gaussians.image_noise(np.array([300, 300, 100, 60]), 0.12, seed=5)
    probs = gaussians.cross_validated(positions, given)
    evidence, _ = label_evidence.gathered(probs, given, None, None, None)
    assert evidence.refitted is None
    assert label_error_model.judged(evidence, keep=False).noise.startswith("image")


def test_what_is_refitted_is_what_the_labels_alone_would_say():
    probs, positions, given = made()
    rows = np.arange(len(given))
    known = np.full(len(given), -1)
    known[::9] = (given[::9] + 1) % 4
    other = np.where(rows % 7 == 0, (given + 1) % 4, given)
    evidence, _ = label_evidence.gathered(probs, given, positions, None, None, known)
    expected, _ = label_evidence.gathered(
        probs, np.where(known >= 0, known, other), positions, None, None
    )
    np.testing.assert_allclose(evidence.refitted(other).at(rows), expected.at(rows), rtol=1e-5)
    assert np.abs(evidence.at(rows) - expected.at(rows)).max() > 0.05


def test_what_nobody_can_correct_keeps_its_label_in_the_second_round():
    """Samples of none of the classes (-2), and those that were put aside (-3)."""
    probs, positions, given = made()
    known = np.full(len(given), -1)
    known[::9], known[4::9] = -2, np.iinfo(np.int32).min
    other = (given + 1) % 4
    other[::5] = given[::5]
    evidence, _ = label_evidence.gathered(probs, given, positions, None, None, known)
    labels = np.where(known == -1, other, given)
    expected, _ = label_evidence.gathered(probs, labels, positions, None, None)
    rows = np.arange(len(given))
    np.testing.assert_allclose(evidence.refitted(other).at(rows), expected.at(rows), rtol=1e-5)


@pytest.mark.parametrize("alone", [True, False])
def test_a_class_that_would_lose_all_its_labels_keeps_them(alone):
    probs, positions, given = made()
    evidence, _ = label_evidence.gathered(
        None if alone else probs, given, positions, list("abcd"), None
    )
    rows = np.arange(len(given))
    emptied = evidence.refitted(np.where(given == 3, 0, given))
    np.testing.assert_allclose(emptied.at(rows), evidence.refitted(given).at(rows), atol=1e-6)
    assert emptied.at(rows)[given == 3, 3].mean() > 0.1


@pytest.mark.parametrize("block", [1, 500])
def test_two_rounds_do_not_depend_on_the_block(block):
    probs, positions, given = made(seed=7)
    whole, other = (
        audit_labels(probs, given, features=positions, block=rows, posterior=True)
        for rows in (None, block)
    )
    assert whole.noise.startswith("between classes")
    np.testing.assert_allclose(whole.posterior, other.posterior, atol=1e-5)


def test_opinions_that_do_not_fit_into_memory_are_asked_for_again(monkeypatch):
    probs, positions, given = made(seed=7)
    held = audit_labels(probs, given, features=positions)
    monkeypatch.setattr(label_evidence, "HELD_NUMBERS", 0)
    asked = audit_labels(probs, given, features=positions)
    np.testing.assert_allclose(held.wrong, asked.wrong, atol=1e-5)
