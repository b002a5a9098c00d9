"""Labels that a person has decided: known, off the list, and of use to the others."""

import numpy as np
import pytest

import gaussians
from dull_jax.errors import UserError
from dull_jax.stats.label_audit import audit_labels

COUNTS = np.array([600, 300, 150])


pytestmark = pytest.mark.usefixtures("few_rates")


def reviewed(seed):
    """An audit, the truth of its first 80 labels decided, and the audit that follows."""
    true, positions, given = gaussians.image_noise(COUNTS, 0.2, seed=seed)
    probs = gaussians.cross_validated(positions, given)
    first = audit_labels(probs, given, features=positions)
    known = np.full(len(true), -1)
    looked_at = np.argsort(-first.wrong)[:80]
    known[looked_at] = true[looked_at]
    again = gaussians.cross_validated(positions, np.where(known >= 0, known, given))
    second = audit_labels(again, given, features=positions, known=known)
    return true, given, probs, positions, first, known, second


@pytest.fixture(scope="module")
def world():
    return reviewed(seed=5)


def test_what_is_decided_is_known_and_not_listed(world):
    true, given, *_, known, second = world
    decided = known >= 0
    np.testing.assert_array_equal(second.decided, decided)
    np.testing.assert_array_equal(second.wrong[decided], (true != given)[decided])
    np.testing.assert_array_equal(second.suggested[decided], true[decided])
    for column in (second.flagged, second.ambiguous, second.replaceable):
        assert not (column & decided).any()
    assert second.estimated["all"].labels == (~decided).sum()
    assert sum(second.estimated[group].labels for group in second.groups) == (~decided).sum()


def test_the_others_are_judged_about_as_well(world):
    """The predictions of these classes are as good as can be, so there is little to learn."""
    true, given, *_, first, known, second = world
    rest = known < 0
    wrong = (true != given)[rest]

    def auroc(score):
        order = np.argsort(np.argsort(score)) + 1.0
        count = wrong.sum()
        return (order[wrong].sum() - count * (count + 1) / 2) / (count * (~wrong).sum())

    assert auroc(second.wrong[rest]) > auroc(first.wrong[rest]) - 0.02


def test_how_many_of_the_others_are_wrong_is_told_about_as_well(world):
    before = after = wrong = 0.0
    for true, given, *_, first, known, second in [world, *map(reviewed, (6, 7, 8))]:
        rest = known < 0
        count = (true != given)[rest].sum()
        before += abs(first.wrong[rest].sum() - count)
        after += abs(second.wrong[rest].sum() - count)
        wrong += count
    assert after <= before + 0.2 * wrong


def test_nothing_decided_is_no_change(world):
    _, given, probs, positions, first, known, _ = world
    nothing = audit_labels(probs, given, features=positions, known=np.full_like(known, -1))
    np.testing.assert_array_equal(nothing.wrong, first.wrong)
    np.testing.assert_array_equal(nothing.flagged, first.flagged)
    assert not nothing.decided.any()


def test_all_decided(world):
    true, given, probs, positions, *_ = world
    audit = audit_labels(probs, given, features=positions, known=true)
    assert not audit.flagged.any() and audit.estimated["all"].labels == 0
    np.testing.assert_array_equal(audit.suggested, true)
    assert np.isnan(audit.estimated["all"].precision)


def test_a_sample_of_no_class_is_wrong_whatever_it_is_called(world):
    _, given, probs, positions, *_ = world
    known = np.full(len(given), -1)
    known[[3, 7]] = -2
    audit = audit_labels(probs, given, features=positions, known=known)
    assert audit.wrong[[3, 7]].tolist() == [1, 1] and audit.decided.sum() == 2
    assert not audit.flagged[[3, 7]].any()
    assert (audit.suggested[[3, 7]] >= 0).all()


def test_errors_that_nobody_suspected_do_not_make_all_doubtful(world):
    _, given, probs, positions, first, *_ = world
    known = np.full(len(given), -1)
    trusted = np.argsort(first.wrong)[:6]
    known[trusted] = (given[trusted] + 1) % 3
    audit = audit_labels(probs, given, features=positions, known=known)
    assert audit.flagged.sum() < 1.3 * first.flagged.sum()


@pytest.mark.parametrize(
    "known", [np.zeros(3, int), np.full(1050, 3), np.full(5, -1), [1, -1], np.full(1050, 0.5)]
)
def test_what_cannot_be_known_is_refused(world, known):
    _, given, probs, *_ = world
    with pytest.raises(UserError, match="known must be"):
        audit_labels(probs, given, known=known)


def test_likely_classes_come_in_order(world):
    _, given, probs, *_ = world
    audit = audit_labels(probs, given, candidates=2, posterior=True)
    assert audit.candidates.shape == (len(given), 2)
    ranked = np.take_along_axis(probs, audit.candidates, 1)
    assert (ranked[:, 0] >= ranked[:, 1]).all()
    assert (ranked[:, 0] == probs.max(1)).mean() > 0.95
    assert audit_labels(probs, given, candidates=9).candidates.shape[1] == 3
    assert audit_labels(probs, given).candidates.shape[1] == 0


def test_a_label_far_above_the_samples_is_refused():
    with pytest.raises(UserError, match="row 1: label 1000000000"):
        audit_labels(None, np.array([0, 10**9, 1]), features=np.eye(3))
