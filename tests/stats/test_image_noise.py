"""Noise that depends on the image: how many labels are wrong, and which, in float64 by hand."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit

from dull_jax.stats import image_noise

CLASSES = 4


def made(size=400, seed=0):
    """(positive predictions float32 `[N, K]`, given labels): half of the classes look alike."""
    rng = np.random.default_rng(seed)
    scores = 2.5 * rng.normal(size=(size, CLASSES)) - [0, 0.5, 1, 2]
    probs = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    probs = (0.98 * probs + 0.02 / CLASSES).astype(np.float32)
    given = np.array([rng.choice(CLASSES, p=p / p.sum()) for p in probs.astype(np.float64)])
    return probs, given


@pytest.fixture(scope="module")
def world():
    probs, given = made()
    return probs, given, image_noise.counted(probs, given)


# 1. How many -------------------------------------------------------------------------------------


def counts_by_loop(probs, given):
    """(table of confident counts, counts of the likeliest class)."""
    table, likeliest = np.zeros((CLASSES, CLASSES)), np.zeros(CLASSES)
    mean = [probs[given == k, k].mean(dtype=np.float64) for k in range(CLASSES)]
    for p, label in zip(probs, given, strict=True):
        likeliest[p.argmax()] += 1
        sure = [k for k in range(CLASSES) if p[k] >= mean[k]]
        if sure:
            table[max(sure, key=lambda k, p=p: p[k]), label] += 1
    return table, likeliest


def test_confusions_against_a_loop(world):
    probs, given, found = world
    table, likeliest = counts_by_loop(probs, given)
    assert 0 < table.sum() < len(given), "some images are not sure"
    np.testing.assert_array_equal(found.table, table)
    shares = table / table.sum(1, keepdims=True)
    np.testing.assert_allclose(found.transition, shares, atol=1e-4)
    np.testing.assert_allclose(found.prior, likeliest / len(given))
    wrong = sum(likeliest[i] / len(given) * (1 - shares[i, i]) for i in range(CLASSES))
    assert found.rate == pytest.approx(wrong, abs=1e-4)
    for j in range(CLASSES):
        labels = [likeliest[i] * shares[i, j] for i in range(CLASSES)]
        expected = (sum(labels) - labels[j] + 0.5) / (sum(labels) + 1)
        assert found.wrong_shares[j] == pytest.approx(expected, abs=1e-4)


def test_a_class_that_no_label_names_is_counted():
    """By the largest of the means, 0.85."""
    probs = np.array([[0.9, 0.05, 0.05], [0.1, 0.85, 0.05], [0.02, 0.03, 0.95], [0.3, 0.1, 0.6]])
    found = image_noise.counted(probs, np.array([0, 1, 0, 0]))
    np.testing.assert_array_equal(found.table, [[1, 0, 0], [0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("rows", [1, 7, 399])
def test_blocks_add_up_to_one(world, rows):
    probs, given, whole = world
    found = image_noise.Confusions(CLASSES)
    blocks = [slice(start, start + rows) for start in range(0, len(given), rows)]
    for block in blocks:
        found.add_to_thresholds(probs[block], given[block])
    for block in blocks:
        found.add(probs[block], given[block])
    np.testing.assert_array_equal(found.table, whole.table)
    np.testing.assert_array_equal(found.likeliest, whole.likeliest)
    assert found.rate == whole.rate


def test_right_labels_are_exactly_none_wrong():
    for size in range(2, 60):  # among them shares whose sum is not 1 to the last bit
        given = np.repeat(np.arange(3), [size, 2 * size + 1, 7])
        found = image_noise.counted(0.9 * np.eye(3)[given] + 0.1 / 3, given)
        assert found.rate == 0


# 2. Which ----------------------------------------------------------------------------------------


def right_when_sharpened(probs, power):
    """Mean of the largest of r^power, normalised."""
    sharp = probs.astype(np.float64) ** power
    return (sharp.max(1) / sharp.sum(1)).mean()


@pytest.mark.parametrize("accuracy", [0.85, 0.9, 0.99])
def test_sharpened_predictions_are_right_as_often_as_asked(world, accuracy):
    power = image_noise.sharpness(world[0], accuracy)
    assert 1 < power < image_noise.SHARPEST
    assert right_when_sharpened(world[0], power) == pytest.approx(accuracy, abs=1e-4)


def test_sharpness_has_an_end_on_either_side(world):
    assert right_when_sharpened(world[0], 1) > 0.3 and image_noise.sharpness(world[0], 0.3) == 1
    assert image_noise.sharpness(world[0], 1.0) == pytest.approx(image_noise.SHARPEST)


@pytest.mark.parametrize(
    ("rate", "agreement", "expected"),
    [
        (0.25, 1.0, 0.95),  # of 30 % that are contradicted 25 % are wrong
        (0.25, 0.9, 0.9),  # opinions disagree more often
        (0.4, 1.0, 1.0),  # more are wrong than are contradicted
    ],
)
def test_predictions_are_right_as_often_as_can_be(rate, agreement, expected):
    probs, given = np.tile([0.6, 0.4], (100, 1)), np.repeat([0, 1], [70, 30])
    assert image_noise.accuracy(probs, given, rate, agreement) == pytest.approx(expected)


@pytest.mark.parametrize("power", [1.0, 2.7, 30.0])
def test_doubts_against_a_loop(world, power):
    probs, given, _ = world
    scores, others, parts = image_noise.doubts(probs, given, power)
    assert scores.dtype == np.float32 and others.dtype == np.int32
    for n in range(0, 400, 7):
        sharp = probs[n].astype(np.float64) ** power
        rest = np.delete(sharp, given[n])
        assert scores[n] == pytest.approx(0.6 * np.log(rest.sum() / sharp[given[n]]), abs=2e-4)
        assert others[n] != given[n] and sharp[others[n]] == rest.max()
        assert parts[n] == pytest.approx(rest.max() / rest.sum(), rel=1e-3)


def fitted(probs, given, found):
    power = image_noise.sharpness(probs, 0.95)
    scores = image_noise.doubts(probs, given, power)[0]
    model = image_noise.fit(scores, given, power, found)
    return model, scores, model.label_error_prob(scores, given)


def test_as_many_are_wrong_as_were_counted(world):
    probs, given, found = world
    model, scores, wrong = fitted(probs, given, found)
    assert model.log_odds.max() < image_noise.HIGHEST_OF_CLASS, "no class is at its limit"
    assert wrong.dtype == np.float32 and wrong.mean(dtype=np.float64) == pytest.approx(
        found.rate, abs=2e-4
    )
    expected = expit(model.log_odds[given] + scores.astype(np.float64))
    np.testing.assert_allclose(wrong, expected, rtol=1e-5)


def test_shares_of_classes_are_half_way_in_log_odds(world):
    probs, given, found = world
    _, scores, wrong = fitted(probs, given, found)
    scores, labels = scores.astype(np.float64), np.bincount(given)
    one = brentq(lambda c: expit(c + scores).mean() - found.rate, -50, 0)
    alone = np.array([expit(one + scores[given == j]).mean() for j in range(CLASSES)])
    middle = (logit(alone) + logit(found.wrong_shares)) / 2
    shift = brentq(lambda c: (labels * expit(middle + c)).sum() / len(given) - found.rate, -9, 9)
    shares = [wrong[given == j].mean(dtype=np.float64) for j in range(CLASSES)]
    np.testing.assert_allclose(shares, expit(middle + shift), atol=5e-4)
    assert np.abs(shares - alone).max() > 0.01, "the confident joint has its say"


def test_the_likeliest_label_is_rather_right_whatever_was_counted(world):
    """Counts of very many wrong labels: fewer are expected, and no class exceeds its limit."""
    probs, given, _ = world
    found = image_noise.counted(probs, given)
    found.table = 1.0 + np.roll(found.table, 1, axis=1)
    model, scores, wrong = fitted(probs, given, found)
    assert found.rate > 0.6 and wrong.mean() < found.rate - 0.05
    assert wrong.mean() <= expit(scores.astype(np.float64)).mean() + 1e-3, "odds 1 at margin 0"
    assert (model.log_odds <= image_noise.HIGHEST_OF_CLASS).all()


def test_a_class_whose_labels_are_all_wrong_is_held_at_its_limit(world):
    probs, given, _ = world
    found = image_noise.counted(probs, given)
    found.table[3, 3], found.table[0, 3] = 0, 10_000
    model, _, _ = fitted(probs, given, found)
    assert model.log_odds[3] == pytest.approx(image_noise.HIGHEST_OF_CLASS, abs=1e-6)


def test_posterior_rows_sum_to_one_and_agree(world):
    probs, given, found = world
    model, _, wrong = fitted(probs, given, found)
    posterior = model.posterior(probs, given)
    assert posterior.dtype == np.float32
    np.testing.assert_allclose(posterior.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(1 - posterior[np.arange(len(given)), given], wrong, atol=1e-6)
    for n in range(0, 400, 7):  # the rest is spread as the sharpened predictions are
        rest = np.delete(probs[n].astype(np.float64) ** model.sharpness, given[n])
        expected = wrong[n] * rest / rest.sum()
        np.testing.assert_allclose(np.delete(posterior[n], given[n]), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "num_classes"),
    [
        ([0] * 12, 1),
        ([0], 1),
        ([0], 3),
        ([2], 3),
        ([0] * 12, 3),
        ([0, 0, 0, 2, 2, 2], 3),  # an empty class
        ([0, 0, 1, 1, 2, 2], 3),  # as predicted: rate 0
        ([1, 1, 2, 2, 0, 0], 3),  # all wrong
    ],
)
@pytest.mark.parametrize("least", [1e-6, 0.2])
def test_degenerate_sets_stay_finite(given, num_classes, least):
    given = np.array(given)
    looks = np.arange(len(given)) * num_classes // len(given)
    probs = np.maximum(np.eye(num_classes, dtype=np.float32)[looks], np.float32(least))
    probs /= probs.sum(1, keepdims=True)
    found = image_noise.counted(probs, given)
    assert 0 <= found.rate <= 1 and (found.wrong_shares > 0).all()
    np.testing.assert_allclose(found.transition.sum(1), 1)
    model, _, wrong = fitted(probs, given, found)
    posterior = model.posterior(probs, given)
    assert np.isfinite(model.log_odds).all() and ((wrong >= 0) & (wrong <= 1)).all()
    np.testing.assert_allclose(posterior.sum(1), 1, atol=1e-5)
    if found.rate == 0:
        assert wrong.max() < 1e-3


# 3. A second round --------------------------------------------------------------------------------


def test_both_rounds_are_pooled_by_their_geometric_mean(world):
    probs, power = world[0], 2.3
    second = probs[::-1]
    sharp = probs.astype(np.float64) ** power
    sharp /= sharp.sum(1, keepdims=True)
    expected = np.sqrt(sharp * second)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(
        image_noise.geometric_mean(probs, power, second), expected, rtol=1e-4
    )


def test_the_geometric_mean_stays_positive():
    probs = np.full((2, 50), 1e-6, np.float32)
    probs[:, 0] = 1 - 49e-6
    found = image_noise.geometric_mean(probs, image_noise.SHARPEST, probs[:, ::-1])
    assert (found > 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
