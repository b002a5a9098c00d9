"""TABASCO's statistics and both stages against their definition, class by class."""

import numpy as np
import pytest

from dull_jax.stats import mixture
from dull_jax.stats import tabasco_split as ts
from dull_jax.stats.centroids import cl2n, class_means

SAMPLES, CHANNELS, CLASSES = 500, 8, 6


def case(seed=0, sharp=1.0):
    rng = np.random.default_rng(seed)
    # Class 0: none; 1: one sample; 2: two; the rest many.
    given = rng.permutation(np.concatenate([[1, 2, 2], rng.integers(3, CLASSES, SAMPLES - 3)]))
    wrong = rng.random(SAMPLES) < 0.3
    true = np.where(wrong, 3 + (given + 1) % 3, given)
    logits = sharp * (2 * np.eye(CLASSES)[true] + rng.normal(size=(SAMPLES, CLASSES)))
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    features = np.eye(CLASSES, CHANNELS)[true] + 0.4 * rng.normal(size=(SAMPLES, CHANNELS))
    return probs.astype(np.float32), features.astype(np.float32), given.astype(np.int32), wrong


def tables(probs, given):
    """A, A2 and the confident samples, by loops."""
    average, adjusted = np.zeros((2, CLASSES, CLASSES))
    chosen = np.zeros(len(given), bool)
    for k in range(CLASSES):
        members = [i for i in range(len(given)) if given[i] == k]
        if not members:
            continue
        average[k] = np.mean([probs[i].astype(float) for i in members], 0)
        top = average[k].argmax()
        raised = []
        for i in members:
            p = probs[i].astype(float).copy()
            p[top] *= max(1, p[top] / average[k, top])
            raised.append(p)
        adjusted[k] = np.mean(raised, 0)
        top = adjusted[k].argmax()
        high = [i for i in members if probs[i].argmax() == top and probs[i, top] > adjusted[k, top]]
        chosen[high or members] = True
    return average, adjusted, chosen


@pytest.mark.parametrize("sharp", [0.2, 1.0, 5.0])
def test_predictions_of_a_class_and_its_confident_samples(sharp):
    probs, _, given, _ = case(sharp=sharp)
    average, adjusted, chosen = tables(probs, given)
    np.testing.assert_allclose(ts.average_predictions(probs, given), average, atol=1e-7)
    actual = ts.adjusted_predictions(probs, given, average)
    np.testing.assert_allclose(actual, adjusted, atol=1e-7)
    assert (actual >= average - 1e-9).all()
    np.testing.assert_array_equal(ts.high_confidence(probs, given, adjusted), chosen)
    # Nobody exceeds the bar: everybody of the class is in.
    assert ts.high_confidence(probs, given, np.full((CLASSES, CLASSES), 2.0)).all()


@pytest.mark.parametrize("sharp", [0.2, 1.0, 50.0])
def test_wjsd_and_acd(sharp):
    probs, features, given, _ = case(1, sharp)
    average = tables(probs, given)[0]
    unit = cl2n(features)
    centres = np.random.default_rng(2).normal(size=(CLASSES, CHANNELS))
    wanted_far, wanted_near = [], []
    for p, f, y in zip(probs.astype(float), unit, given, strict=True):
        q = np.eye(CLASSES)[y]
        middle = (p + q) / 2
        divergences = [
            sum(d[j] * np.log(d[j] / middle[j]) for j in range(CLASSES) if d[j] > 0) for d in (p, q)
        ]
        own, of_class = p.max() / max(p[y], 1e-12), average[y].max() / max(average[y, y], 1e-12)
        wanted_far.append(max(1, min(own, of_class)) * np.mean(divergences))
        wanted_near.append(sum(f * centres[y]))
    actual = ts.wjsd(probs, given, average)
    np.testing.assert_allclose(actual, wanted_far, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(ts.acd(unit, given, centres), wanted_near, atol=1e-12)


def test_wjsd_at_certainty():
    probs = np.eye(3, dtype=np.float32)[[0, 1, 1]]
    given = np.array([0, 0, 2])
    actual = ts.wjsd(probs, given, ts.average_predictions(probs, given))
    # Right: 0. Wrong in a class half right: max(1, min(huge, .5 / .5)) log 2.
    np.testing.assert_allclose(actual[:2], [0, np.log(2)], atol=1e-12)
    assert np.isfinite(actual).all() and actual[2] > 1e6


def component(point, weights, means, variances):
    log = [
        np.log(w) - np.log(v) / 2 - (point - m) ** 2 / (2 * v)
        for w, m, v in zip(weights, means, variances, strict=True)
    ]
    return int(log[1] > log[0])


def stage_one(far, in_low, weights, means, variances):
    """True: WJSD. One class, by the page of the method."""
    if in_low.all() or not in_low.any():
        return True
    std, places = [1.0, 1.0], []
    for heap in (far[in_low], far[~in_low]):
        places.append(component(heap.mean(), weights, means, variances))
        std[places[-1]] = heap.std()
    std = [s or 0.1 for s in std]
    return places == [1, 1] or std[1] / std[0] < 0.65


def test_stage_one():
    rng = np.random.default_rng(3)
    classes = 60
    given = rng.permutation(np.repeat(np.arange(classes), np.r_[0, 1, 2, rng.integers(3, 60, 57)]))
    far = rng.beta(*rng.uniform(0.3, 3, (2, classes)))[given] + rng.random(len(given))
    far = mixture.min_max(far, given, classes)
    cut = rng.uniform(0.1, 0.9, classes)[given]
    in_low = (far + 0.5 * rng.normal(size=len(far)) * (given % 3)) > cut
    by_far = mixture.fit(far, given, classes, normalize=True, max_iter=30)
    actual = ts.choose_dimension(far, given, in_low, by_far)
    wanted = [
        stage_one(
            far[given == k],
            in_low[given == k],
            by_far.weights[k],
            by_far.means[k],
            by_far.variances[k],
        )
        for k in range(classes)
    ]
    np.testing.assert_array_equal(actual, wanted)
    some = actual[3:]
    assert some.any() and not some.all()


def fitted(means):
    return mixture.Mixture(
        np.full((1, 2), 0.5), np.array([means], float), np.full((1, 2), 0.01), np.zeros(0)
    )


@pytest.mark.parametrize(
    ("low_heap", "high_heap", "wjsd"),
    [
        ([0.9, 1.0], [0.8, 0.9], True),  # both in the higher component
        ([0.0, 0.1], [0.1, 0.2], False),  # both in the lower
        ([0.0, 0.3], [0.9, 1.0], True),  # the higher is tight
        ([0.0, 0.1], [0.7, 1.0], False),  # the higher is wide
        ([0.7, 1.0], [0.0, 0.1], False),  # the same with the names exchanged
        ([0.0, 0.0], [1.0, 1.0], False),  # two points: 0.1 / 0.1
        ([], [0.0, 1.0], True),  # ACD has parted nothing
        ([0.0, 1.0], [], True),
        ([], [], True),
    ],
)
def test_stage_one_by_hand(low_heap, high_heap, wjsd):
    far = np.array(low_heap + high_heap, float)
    in_low = np.arange(len(far)) < len(low_heap)
    given = np.zeros(len(far), int)
    assert ts.choose_dimension(far, given, in_low, fitted([0.1, 0.9])).tolist() == [wjsd]


def test_stage_two():
    rng = np.random.default_rng(4)
    seen = []
    for _ in range(40):
        centres = rng.normal(size=(CLASSES, CHANNELS)) * 0.3
        centres[1] = centres[2] + 0.02 * rng.normal(size=CHANNELS)
        counts = rng.integers(0, 5, CLASSES)
        actual = ts.choose_cluster(centres, counts)
        for k in range(CLASSES):
            row = np.exp(centres @ centres[k])
            row /= row.sum()
            others = [j for j in range(CLASSES) if j != k and counts[j] > 0]
            nearest = max(others, key=lambda j, row=row: row[j])
            close = abs(row[k] - row[nearest]) < 0.1 * row[k]
            assert actual[k] == (close and counts[k] < counts[nearest])
            seen.append(actual[k])
    assert 0 < np.mean(seen) < 1
    # The only class with samples has no rival.
    assert not ts.choose_cluster(np.ones((3, 2)), np.array([4, 0, 0]))[0]


@pytest.mark.parametrize("seed", range(3))
def test_split_joins_the_pieces(seed):
    probs, features, given, _ = case(seed, 0.7)
    actual = ts.split(probs, features, given, CLASSES)
    average, _, chosen = tables(probs, given)
    unit = cl2n(features)
    centres, counts = class_means(unit, given, chosen, CLASSES)
    far, near = ts.wjsd(probs, given, average), ts.acd(unit, given, centres)
    np.testing.assert_allclose(actual.wjsd, far, atol=1e-6)
    np.testing.assert_allclose(actual.acd, near, atol=1e-9)
    options = {"reg": 5e-4, "max_iter": 30, "normalize": True}
    by_far, by_near = (mixture.fit(v, given, CLASSES, **options) for v in (far, near))
    low_cluster = ts.choose_cluster(centres, counts)
    for k in range(1, CLASSES):
        mine = given == k
        if mine.sum() == 1:
            continue
        in_low = by_near.posterior_low[mine] > 0.5
        span = far[mine].max() - far[mine].min()
        unit_far = (far[mine] - far[mine].min()) / span
        if stage_one(unit_far, in_low, by_far.weights[k], by_far.means[k], by_far.variances[k]):
            dimension, wanted = ts.WJSD, by_far.posterior_low[mine]
        elif low_cluster[k]:
            dimension, wanted = ts.ACD_LOW, by_near.posterior_low[mine]
        else:
            dimension, wanted = ts.ACD_HIGH, 1 - by_near.posterior_low[mine]
        assert actual.dimension[k] == dimension
        np.testing.assert_allclose(actual.probability[mine], wanted, atol=1e-3)
        np.testing.assert_array_equal(actual.clean[mine], wanted > 0.5)
    assert actual.clean.dtype == bool and actual.probability.dtype == np.float32
    assert all(np.isfinite(a).all() for a in actual)
    assert actual.clean[given == 1].all() and (actual.probability[given == 1] == 1).all()
    assert actual.clean[given == 2].sum() == 1


def test_ties_and_nobody_at_all():
    given = np.array([0, 0, 0, 1, 3])
    actual = ts.split(np.full((5, 4), 0.25), np.ones((5, 3)), given, 4)
    assert actual.clean.all() and (actual.probability == 1).all()
    actual = ts.split(np.zeros((0, 4)), np.zeros((0, 3)), np.zeros(0, int), 4)
    assert actual.clean.shape == (0,) and actual.dimension.shape == (4,)
    # One sample a class, and certain of something else.
    actual = ts.split(np.eye(4)[[1, 2, 3, 0]], np.eye(4), np.arange(4), 4)
    assert actual.clean.all() and all(np.isfinite(a).all() for a in actual)


def test_wrong_labels_are_found():
    probs, features, given, wrong = case(5)
    actual = ts.split(probs, features, given, CLASSES)
    many = given >= 3
    assert (actual.clean == ~wrong)[many].mean() > 0.85


def test_values_that_are_not_finite_are_refused():
    probs, features, given, _ = case()
    features[3, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        ts.split(probs, features, given, CLASSES)
