import numpy as np
import pytest

from dull_jax.data.groups import class_groups
from dull_jax.stats import metrics
from dull_jax.stats.calibration import expected_calibration_error


def test_groups_by_rank_and_by_count():
    ranks, _ = class_groups(np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 1]))
    assert [len(g) for g in ranks.values()] == [3, 4, 3]
    assert ranks["head"] == [0, 1, 2] and ranks["tail"] == [7, 8, 9]
    counts, rule = class_groups(np.array([101, 100, 20, 19]), "counts")
    assert counts == {"head": [0], "medium": [1, 2], "tail": [3]} and "100" in rule
    assert len(class_groups(np.full(100, 150))[0]["head"]) == 100
    assert class_groups(np.array([5]))[0]["medium"] == [0]
    tied = class_groups(np.array([9, 9, 0, 0, 0, 0]), ties=np.array([9, 9, 1, 3, 1, 3]))[0]
    assert tied == {"head": [0, 1], "medium": [3, 5], "tail": [2, 4]}


def test_accuracy_against_counting():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    groups = {"head": [0, 1], "medium": [2, 3], "tail": [4], "none": [7]}
    scores = metrics.accuracy(predicted, labels, 8, groups)
    assert scores["accuracy"] == pytest.approx(100 * np.mean(predicted == labels))
    chosen = [i for i in range(300) if labels[i] in (0, 1)]
    assert scores["head"] == pytest.approx(
        100 * np.mean([predicted[i] == labels[i] for i in chosen])
    )
    assert np.isnan(scores["none"])
    by_class = metrics.class_accuracy(predicted, labels, 8)
    assert by_class[4] == pytest.approx(scores["tail"]) and np.isnan(by_class[7])


def test_wrong_labels_by_hand():
    clean = np.array([0, 0, 0, 1, 1, 2])
    given = np.array([0, 0, 1, 1, 0, 0])
    score = np.array([0.1, 0.9, 0.8, 0.2, 0.3, 0.7])
    groups = {"head": [0], "medium": [1], "tail": [2]}
    scores = metrics.wrong_labels(score, given, clean, groups)
    assert scores["precision"] == pytest.approx(2 / 3)
    assert scores["recall"] == pytest.approx(2 / 3)
    # pairs (wrong, right): wrong 0.8, 0.3, 0.7; right 0.1, 0.9, 0.2
    assert scores["auroc"] == pytest.approx(6 / 9)
    assert scores["false_alarm_head"] == pytest.approx(1 / 2)
    assert scores["recall_by_true_tail"] == 1 and scores[
        "precision_by_given_head"
    ] == pytest.approx(1 / 2)
    assert np.isnan(scores["false_alarm_tail"])


def test_undefined_numbers_are_nan():
    none = metrics.wrong_labels(np.zeros(3), np.zeros(3), np.zeros(3), {"head": [0]})
    assert np.isnan(none["auroc"]) and np.isnan(none["precision"]) and np.isnan(none["recall"])


def test_ece_against_a_loop():
    rng = np.random.default_rng(2)
    probs, labels = rng.dirichlet(np.ones(4) * 0.5, 500), rng.integers(0, 4, 500)
    probs[0] = [1, 0, 0, 0]
    wanted, confidence = 0.0, probs.max(1)
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            hits = (probs.argmax(1) == labels)[inside].mean()
            wanted += inside.mean() * abs(hits - confidence[inside].mean()) * 100
    assert expected_calibration_error(probs, labels) == pytest.approx(wanted)
    assert expected_calibration_error(np.eye(4)[labels], labels) == 0


def test_suggestions_by_hand():
    clean, given = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 0])
    suggested = np.array([0, 0, 0, 0, 2])
    scores = metrics.suggestions(suggested, given, clean, {"head": [0], "tail": [1, 2]})
    assert scores == pytest.approx(
        {
            "suggested_right": 3 / 5,
            "suggested_right_head": 1,
            "suggested_right_tail": 1 / 3,
            "suggested_right_of_wrong": 2 / 3,
            "suggested_right_of_wrong_head": 1,
            "suggested_right_of_wrong_tail": 1 / 2,
        }
    )


def test_transition_distance():
    realised = np.array([[0.75, 0.25, 0], [0.5, 0.5, 0], [np.nan] * 3])
    assert metrics.transition_distance(np.nan_to_num(realised), realised) == 0
    estimate = np.array([[1, 0, 0], [0.5, 0.5, 0], [1, 0, 0]])  # no sample of class 2
    assert metrics.transition_distance(estimate, realised) == pytest.approx(0.125)
