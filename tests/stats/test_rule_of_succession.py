"""How surely a label of a rare class can be called wrong, against the formula by hand."""

import numpy as np
import pytest

from dull_jax.stats.label_audit import audit_labels
from dull_jax.stats.rule_of_succession import smoothed

PRIOR = np.array([0.1, 0.9])
FEW_WRONG = np.array([[0.9, 0.1], [0.01, 0.99]])


@pytest.mark.parametrize("wrong", [0.0, 0.2, 0.9, 1.0])
def test_the_odds_of_a_right_label_grow_by_the_prior_odds_over_right_labels_plus_two(wrong):
    given = np.array([0] * 100 + [1] * 900)
    right, other = 0.1 * 0.9, 0.9 * 0.01
    odds = right / other / (1000 * right + 2)
    for_right, for_wrong = 1 - wrong + wrong * odds, wrong
    found = smoothed(np.full(1000, wrong), given, FEW_WRONG, PRIOR)[0]
    assert found == pytest.approx(for_wrong / (for_wrong + for_right), abs=1e-12)


def test_the_order_of_a_class_stays_and_nothing_grows():
    given, wrong = np.zeros(101, int), np.linspace(0, 1, 101, dtype=np.float32)
    found = smoothed(wrong, given, FEW_WRONG, PRIOR)
    assert found.dtype == np.float32 and (np.diff(found) > 0).all()
    assert (found <= wrong).all() and found[0] == 0


def test_the_larger_a_class_the_surer_its_labels_can_be_wrong():
    most = [smoothed(np.ones(n), np.zeros(n, int), FEW_WRONG, PRIOR)[0] for n in (50, 500, 5000)]
    assert most == sorted(most) and most[-1] > 0.97


def test_a_class_of_mostly_wrong_labels_is_not_spared():
    mostly_wrong = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert smoothed(np.ones(100), np.zeros(100, int), mostly_wrong, PRIOR).min() == 1


@pytest.mark.parametrize("transition", [np.eye(2), np.array([[0.0, 1.0], [0.0, 1.0]])])
def test_no_noise_and_classes_without_a_label_give_numbers(transition):
    found = smoothed(np.ones(4), np.array([0, 0, 1, 1]), transition, PRIOR)
    assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()


def tail_to_head(seed: int):
    """Predictions that are sure and wrong of some right labels of the rare class."""
    rng = np.random.default_rng(seed)
    true = np.repeat([0, 1, 2], [600, 200, 40])
    given = np.where((true == 2) & (rng.random(840) < 0.5), 0, true)
    given = np.where((true == 1) & (rng.random(840) < 0.3), 0, given)
    looks = np.where((true == 2) & (rng.random(840) < 0.4), 0, true)
    return 0.97 * np.eye(3)[looks] + 0.03 * rng.dirichlet(np.ones(3), 840), given, true


def test_right_labels_of_a_rare_class_that_look_like_another_are_spared():
    alarms = []
    for seed in range(5):
        probs, given, true = tail_to_head(seed)
        flagged = audit_labels(probs, given).flagged
        alarms.append(flagged[(true == 2) & (given == 2)].mean())
    assert np.mean(alarms) < 0.05, alarms


def test_balanced_small_sets_are_left_alone():
    """A wrong label among twenty of its class is as suspicious as among thousands."""
    true = np.repeat(np.arange(5), 20)
    given = true.copy()
    given[0] = 3
    probs = 0.95 * np.eye(5)[true] + 0.01
    audit = audit_labels(probs, given)
    assert audit.flagged[0] and audit.wrong[0] > 0.9
