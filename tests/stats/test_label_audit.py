"""The audit of labels: its numbers, what it must not depend on, and what may be handed in."""

import numpy as np
import pytest

from dull_jax.errors import UserError
from dull_jax.stats import label_audit, noise_kinds
from dull_jax.stats.label_audit import audit_labels
from dull_jax.stats.noise_structure import NoiseEstimate
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel

COUNTS = np.array([240, 120, 60, 30, 12])
SIZE = len(COUNTS)


@pytest.fixture(scope="module")
def world():
    """Clean and given labels, and p(given | x) as a model that has learnt the noise says it."""
    rng = np.random.default_rng(0)
    clean = rng.permutation(np.repeat(np.arange(SIZE), COUNTS))
    table = noise_kinds.table(noise_kinds.symmetric(COUNTS.astype(float), 0.25))
    given = np.array([rng.choice(SIZE, p=table[k]) for k in clean])
    scores = 6 * np.eye(SIZE)[clean] + rng.normal(size=(len(clean), SIZE))
    exact = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return clean, given, exact @ table


@pytest.fixture(scope="module")
def audit(world):
    _, given, probs = world
    return audit_labels(probs, given, posterior=True)


def test_wrong_labels_are_found(world, audit):
    clean, given, _ = world
    wrong = clean != given
    assert audit.noise.startswith("symmetric")
    assert wrong[audit.flagged].mean() > 0.95 and audit.flagged[wrong].mean() > 0.8
    assert (audit.suggested == clean).mean() > 0.97
    np.testing.assert_allclose(audit.prior, COUNTS / COUNTS.sum(), atol=0.02)
    assert audit.groups["tail"] == [3, 4] and audit.estimated["all"].labels == len(given)
    assert abs(audit.estimated["all"].precision - wrong[audit.flagged].mean()) < 0.06
    assert audit.estimated["tail"].false_alarm <= label_audit.TAIL_FALSE_ALARMS


def test_estimates_are_sums_over_the_posterior(world, audit):
    _, given, _ = world
    rows = np.arange(len(given))
    assert audit.posterior.shape == (len(given), SIZE)
    np.testing.assert_allclose(audit.posterior.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(audit.wrong, 1 - audit.posterior[rows, given], atol=1e-6)
    np.testing.assert_array_equal(audit.suggested, audit.posterior.argmax(1))
    for group, numbers in audit.estimated.items():
        ids = range(SIZE) if group == "all" else audit.groups[group]
        members = [n for n in rows if given[n] in ids]
        p = [float(audit.wrong[n]) for n in members]
        chosen = [float(audit.wrong[n]) for n in members if audit.flagged[n]]
        assert numbers.labels == len(members) and numbers.flagged == len(chosen)
        assert numbers.precision == pytest.approx(np.mean(chosen))
        right = sum(1 - q for q in chosen) / sum(1 - q for q in p)
        assert numbers.false_alarm == pytest.approx(right)
        assert numbers.recall == pytest.approx(sum(chosen) / sum(p))


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
    posterior_model = label_audit.PosteriorModel(noise, model, Scaling(1.5, -0.3), 462)
    expected = joint / joint.sum(1, keepdims=True)
    np.testing.assert_allclose(
        label_audit.posterior_of(probs, given, posterior_model), expected, atol=2e-4
    )


def test_guard_against_trying_every_threshold():
    rng = np.random.default_rng(4)
    wrong = rng.random(200).astype(np.float32)
    inside, differs = rng.random(200) < 0.5, wrong > 0.4
    right = (1 - wrong[inside].astype(np.float64)).sum()

    def alarms(threshold):
        return (1 - wrong[inside & (wrong > threshold)].astype(np.float64)).sum() / right

    for budget in (0.0, 0.005, 0.02, 0.1, 1.0):
        flagged, threshold = label_audit.flags(wrong, differs, {"tail": inside}, budget)
        assert alarms(threshold["tail"]) <= budget
        lower = wrong[(wrong < threshold["tail"]) & (wrong >= 0.5)]
        if len(lower):  # nothing lower would do
            assert alarms(np.nextafter(lower.max(), 0)) > budget or threshold["tail"] == 0.5
        np.testing.assert_array_equal(
            flagged, differs & (wrong > np.where(inside, threshold["tail"], 0.5))
        )


def test_budget_is_kept_and_can_be_lifted(world, audit):
    _, given, probs = world
    free = audit_labels(probs, given, max_tail_false_alarms=1)
    strict = audit_labels(probs, given, max_tail_false_alarms=0.001)
    assert free.threshold["tail"] == 0.5 and strict.threshold["tail"] > 0.5
    assert strict.estimated["tail"].false_alarm <= 0.001
    assert strict.flagged.sum() <= audit.flagged.sum() <= free.flagged.sum()
    np.testing.assert_array_equal(free.wrong, strict.wrong)


def test_neither_blocks_nor_files_nor_order_matter(world, audit, tmp_path):
    _, given, probs = world
    small = audit_labels(probs, given, block=100)
    np.testing.assert_allclose(small.wrong, audit.wrong, atol=1e-5)
    np.save(tmp_path / "probs.npy", probs)
    mapped = audit_labels(np.load(tmp_path / "probs.npy", mmap_mode="r"), given)
    np.testing.assert_array_equal(mapped.wrong, audit.wrong)
    half = audit_labels(probs.astype(np.float16), given)
    np.testing.assert_allclose(half.wrong, audit.wrong, atol=0.05)
    rng = np.random.default_rng(5)
    rows, classes = rng.permutation(len(given)), rng.permutation(SIZE)  # new class -> old class
    moved = audit_labels(probs[rows][:, classes], np.argsort(classes)[given[rows]])
    np.testing.assert_allclose(moved.wrong, audit.wrong[rows], atol=0.02)
    agree = classes[moved.suggested] == audit.suggested[rows]
    assert agree.mean() > 0.99 and audit.noise == moved.noise


@pytest.mark.parametrize(
    "given",
    [
        [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2],  # no noise
        [1, 1, 1, 1, 1, 1, 2, 2, 2, 0, 0, 0],  # all wrong
        [0] * 12,  # one class
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],  # a class without, one with a single label
    ],
)
def test_small_sets_finish(given):
    looks = np.repeat([0, 1, 2], [6, 3, 3])
    probs = np.where(np.eye(3)[looks] == 1, 1.0, 0.0)
    audit = audit_labels(probs, np.array(given))
    assert np.isfinite(audit.wrong).all() and (audit.wrong >= 0).all() and (audit.wrong <= 1).all()
    np.testing.assert_allclose(audit.transition.sum(1), 1, rtol=1e-4)
    assert set(audit.estimated) == {"head", "medium", "tail", "all"}
    if given == looks.tolist():
        assert not audit.flagged.any() and np.isnan(audit.estimated["all"].precision)


@pytest.mark.parametrize("shape", [(4, 1), (1, 3)])
def test_one_class_and_one_sample(shape):
    audit = audit_labels(np.full(shape, 1 / shape[1]), np.zeros(shape[0], int))
    assert np.isfinite(audit.wrong).all() and not audit.flagged.any()
    if shape[1] == 1:
        assert audit.noise == "none" and np.isnan(audit.estimated["tail"].precision)


def _with(row, values):
    probs = np.full((6, 3), 1 / 3)
    probs[row] = values
    return probs


FINE, LABELS = np.full((6, 3), 1 / 3), np.zeros(6, int)


@pytest.mark.parametrize(
    ("probs", "given", "options", "message"),
    [
        (FINE[0], LABELS, {}, r"\[samples, classes\]"),
        (np.zeros((0, 3)), LABELS[:0], {}, "not empty"),
        (np.ones((6, 3), int), LABELS, {}, "int64; hand in probabilities"),
        (FINE, LABELS[:5], {}, "5 given labels, but 6 rows"),
        (FINE, LABELS + 0.0, {}, "must be integers"),
        (FINE, [0, 0, 3, 0, 0, -1], {}, r"row 2: label 3 is outside .*\(2 such rows\)"),
        (FINE, [0, 3, 0, 0, 0, 0], {"class_names": ["cat", "dog", "cow"]}, "'cat'.*'cow'"),
        (FINE, LABELS, {"class_names": ["cat"]}, "1 class names, but .* 3 classes"),
        (_with(4, [np.nan, 0, 1]), LABELS, {}, "row 4 .* nan or inf"),
        (_with(5, [np.inf, 0, 1]), LABELS, {}, "row 5 .* nan or inf"),
        (_with(3, [-0.5, 0.5, 1]), LABELS, {}, "row 3 .* has -0.5; .* of logits, the softmax"),
        (_with(2, [2.0, 3, 4]), LABELS, {}, "row 2 .* sums to 9; .* of logits, the softmax"),
        (FINE, LABELS, {"max_tail_false_alarms": 2}, r"must be in \[0, 1\]"),
        (FINE, LABELS, {"block": 0}, "1 or more rows"),
    ],
)
def test_bad_input_is_named(probs, given, options, message):
    with pytest.raises(UserError, match=message) as error:
        audit_labels(probs, np.asarray(given), **{"block": 2} | options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"head": [0, 7]}, "group 'head': class 7 is outside 0 to 2"),
        ({"head": [0], "tail": [0]}, "class 0 .* 'head' and 'tail'"),
    ],
)
def test_bad_groups_are_named(monkeypatch, groups, message):
    monkeypatch.setattr(label_audit, "_prepared", _no_noise)
    with pytest.raises(UserError, match=message):
        audit_labels(FINE, LABELS, groups=groups)


def _no_noise(probs, given):
    model = LabelModel(np.eye(3, dtype=np.float32), np.full(3, 1 / 3, np.float32))
    noise = noise_kinds.none(np.ones(3))
    posterior_model = label_audit.PosteriorModel(noise, model, Scaling(1.0, 0.0), len(given))
    return NoiseEstimate("none", noise, model, 0.0, 1.0), posterior_model
