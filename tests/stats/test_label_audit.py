"""The audit of labels: its numbers, what it must not depend on, and what may be handed in."""

import numpy as np
import pytest

import gaussians
from dull_jax.errors import UserError
from dull_jax.stats import label_audit, label_error_model, noise_kinds, rule_of_succession
from dull_jax.stats.label_audit import audit_labels

COUNTS = np.array([800, 400, 200, 100, 50])
SIZE = len(COUNTS)


pytestmark = pytest.mark.usefixtures("few_rates")


@pytest.fixture
def judged_once(monkeypatch):
    """Audits of the same labels in one test differ by what follows P(wrong) only."""
    known, original = [], label_error_model.judged

    def once(*args):
        known[:] = known or [original(*args)]
        return known[0]

    monkeypatch.setattr(label_error_model, "judged", once)


def world_of(positions_and_labels):
    """(true labels, given labels, cross-validated p(given | x), positions)."""
    true, positions, given = positions_and_labels
    return true, given, gaussians.cross_validated(positions, given), positions


@pytest.fixture(scope="module")
def by_class():
    """Wrong labels in every class alike."""
    return world_of(gaussians.class_noise(COUNTS, lambda n: noise_kinds.symmetric(n, 0.25), seed=1))


@pytest.fixture(scope="module")
def headward():
    """Wrong labels of rare classes, called by frequent ones."""
    return world_of(gaussians.class_noise(COUNTS, lambda n: noise_kinds.t2h(n, 0.25, 0.6)))


@pytest.fixture(scope="module")
def by_image():
    """Wrong labels between look-alikes; long-tailed."""
    return world_of(gaussians.image_noise(COUNTS, 0.2, seed=2))


@pytest.fixture(scope="module")
def balanced():
    """Wrong labels between look-alikes, classes of one size."""
    return world_of(gaussians.image_noise(np.full(SIZE, 310), 0.2))


@pytest.fixture(scope="module")
def audit(by_class):
    _, given, probs, _ = by_class
    return audit_labels(probs, given, posterior=True)


@pytest.fixture(scope="module")
def image_audit(by_image):
    _, given, probs, _ = by_image
    return audit_labels(probs, given, posterior=True)


def f1(flagged, wrong):
    return 2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum())


# What is found -----------------------------------------------------------------------------------


def test_noise_that_depends_on_the_class_is_found(by_class, audit):
    true, given, probs, _ = by_class
    wrong = true != given
    assert audit.noise.startswith("symmetric") and audit.gain > 0.02
    assert wrong[audit.flagged].mean() > 0.93 and audit.flagged[wrong].mean() > 0.93
    assert f1(audit.flagged, wrong) > f1(probs.argmax(1) != given, wrong) + 0.02
    assert (audit.suggested == true).mean() > 0.95
    np.testing.assert_allclose(audit.prior, COUNTS / COUNTS.sum(), atol=0.02)
    assert audit.wrong.mean() == pytest.approx(wrong.mean(), rel=0.1)
    assert audit.groups["tail"] == [3, 4] and audit.estimated["all"].labels == len(given)
    assert abs(audit.estimated["all"].precision - wrong[audit.flagged].mean()) < 0.05
    assert abs(audit.estimated["all"].recall - audit.flagged[wrong].mean()) < 0.05
    assert audit.estimated["tail"].false_alarm <= label_audit.TAIL_FALSE_ALARMS["symmetric"]


def test_noise_towards_frequent_classes_has_a_stricter_guard(headward, judged_once):
    _, given, probs, _ = headward
    default, strict, loose = (
        audit_labels(probs, given, max_tail_false_alarms=budget) for budget in (None, 0.01, 0.03)
    )
    assert default.noise.startswith("tail-to-head")
    np.testing.assert_array_equal(default.flagged, strict.flagged)
    assert default.threshold["tail"] >= loose.threshold["tail"]


def test_right_labels_of_the_tail_are_spared(headward):
    true, given, probs, _ = headward
    audit, wrong = audit_labels(probs, given), true != given
    assert audit.noise.startswith("tail-to-head")
    tail = np.isin(given, audit.groups["tail"])
    accused = audit.flagged[tail & ~wrong].mean()
    assert accused <= 0.05 < 0.5 * (probs.argmax(1) != given)[tail & ~wrong].mean()
    assert f1(audit.flagged, wrong) > 0.9 > 0.7 > f1(probs.argmax(1) != given, wrong)


def test_noise_that_depends_on_the_image_is_counted_and_found():
    """Of three sets: no single one says how good a threshold is."""
    for seed in range(3):
        true, given, probs, _ = world_of(gaussians.image_noise(np.full(SIZE, 310), 0.2, seed))
        audit, wrong = audit_labels(probs, given), true != given
        assert audit.noise.startswith("between classes that look alike") and audit.gain == 0
        assert audit.wrong.mean() == pytest.approx(wrong.mean(), rel=0.25)
        assert f1(audit.flagged, wrong) > f1(probs.argmax(1) != given, wrong)
        assert f1(audit.flagged, wrong) > 0.65


def test_right_labels_have_no_noise():
    true, positions, given = gaussians.class_noise(COUNTS, noise_kinds.none, spread=9)
    audit = audit_labels(gaussians.cross_validated(positions, given), given)
    assert audit.noise == "none" and not audit.flagged.any() and (audit.suggested == true).all()


# Verdicts and estimates --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["audit", "image_audit"])
def test_verdicts_follow_from_the_posterior(name, request):
    found = request.getfixturevalue(name)
    _, given, *_ = request.getfixturevalue("by_image" if name == "image_audit" else "by_class")
    rows = np.arange(len(given))
    assert found.posterior.shape == (len(given), SIZE)
    np.testing.assert_allclose(found.posterior.sum(1), 1, rtol=1e-5)
    own = found.posterior[rows, given]
    rare = COUNTS[given] < label_audit.RARE * COUNTS.max()
    guarded = np.isin(given, found.groups["tail"]) & rare
    expected = 1 - own
    if name == "audit":
        spared = rule_of_succession.smoothed(expected, given, found.transition, found.prior)
        assert (spared < expected)[rare & ~guarded].any()  # rare classes outside the tail too
        expected = np.where(rare, spared, expected)
    np.testing.assert_allclose(found.wrong, expected, atol=1e-6)
    others = found.posterior.copy()
    others[rows, given] = -1
    rest = np.maximum(1 - own, 1e-12)
    likelier = found.wrong * others.max(1) / rest > 1 - found.wrong
    changed = found.flagged | likelier
    np.testing.assert_array_equal(found.suggested != given, changed)
    np.testing.assert_array_equal(found.suggested[changed], others.argmax(1)[changed])
    np.testing.assert_array_equal(found.ambiguous, found.flagged & ~likelier)
    np.testing.assert_array_equal(found.replaceable, found.flagged & likelier & ~guarded)
    assert found.replaceable.any() and (found.ambiguous.any() or name == "audit")


def test_classes_of_a_few_labels_are_not_corrected_unseen():
    """Six of one to three labels each, all of which look like another class."""
    sizes = np.array([40, 40, 40, 1, 1, 3, 3, 3, 1])
    given = np.repeat(np.arange(9), sizes)
    looks = np.where(given < 3, given, given % 3)
    probs = np.full((len(given), 9), 0.01)
    probs[np.arange(len(given)), looks] = 0.92
    found = audit_labels(probs, given)
    assert set(given[found.flagged]) & set(range(3, 9)) and not found.replaceable.any()
    of_one = {3, 4, 8}
    assert set(found.groups["tail"]) == of_one and set(found.groups["medium"]) == {5, 6, 7}


@pytest.mark.parametrize("name", ["audit", "image_audit"])
def test_estimates_are_sums_of_p_wrong(name, request):
    found = request.getfixturevalue(name)
    _, given, *_ = request.getfixturevalue("by_image" if name == "image_audit" else "by_class")
    for group, numbers in found.estimated.items():
        ids = range(SIZE) if group == "all" else found.groups[group]
        members = [n for n in range(len(given)) if given[n] in ids]
        p = [float(found.wrong[n]) for n in members]
        chosen = [float(found.wrong[n]) for n in members if found.flagged[n]]
        assert numbers.labels == len(members) and numbers.flagged == len(chosen)
        assert numbers.precision == pytest.approx(np.mean(chosen))
        right = sum(1 - q for q in chosen) / sum(1 - q for q in p)
        assert numbers.false_alarm == pytest.approx(right)
        assert numbers.recall == pytest.approx(sum(chosen) / sum(p))


# Thresholds --------------------------------------------------------------------------------------


def expected_f1(wrong, threshold):
    chosen = wrong[wrong > threshold].astype(np.float64)
    return 2 * chosen.sum() / (len(chosen) + wrong.sum(dtype=np.float64) + 1e-12)


@pytest.mark.parametrize("shape", [(1, 9), (0.3, 2), (0.5, 0.5), (0.1, 1), (9, 2)])
def test_best_threshold_against_trying_every_one(shape):
    wrong = np.random.default_rng(0).beta(*shape, 300).astype(np.float32)
    lowest, highest = label_audit.THRESHOLDS
    tried = [lowest, highest, *(float(p) for p in wrong if lowest < p < highest)]
    found = label_audit.best_threshold(wrong)
    assert lowest <= found <= highest
    best = max(expected_f1(wrong, threshold) for threshold in tried)
    assert expected_f1(wrong, found) == pytest.approx(best, abs=1e-12)


def test_thresholds_have_bounds():
    lowest, highest = label_audit.THRESHOLDS
    assert label_audit.best_threshold(np.full(9, 0.1, np.float32)) == lowest
    assert label_audit.best_threshold(np.array([0.99, 0.98, 0, 0], np.float32)) == highest
    for wrong in ([0.0], [1.0], [0.4, 0.4]):
        assert lowest <= label_audit.best_threshold(np.array(wrong, np.float32)) <= highest


@pytest.mark.parametrize("lowest", [0.25, 0.4, 0.5])
@pytest.mark.parametrize("budget", [0.0, 0.005, 0.02, 0.1, 0.7, 1.0])
def test_guard_against_trying_every_threshold(lowest, budget):
    rng = np.random.default_rng(4)
    wrong = rng.random(200).astype(np.float32).round(2)  # some are equal
    inside = rng.random(200) < 0.5
    right = (1 - wrong[inside].astype(np.float64)).sum()

    def alarms(threshold):
        return (1 - wrong[inside & (wrong > threshold)].astype(np.float64)).sum() / right

    found = label_audit.guarded(wrong, wrong > lowest, inside, budget, lowest)
    assert found >= lowest and alarms(found) <= budget
    lower = [float(p) for p in wrong[inside] if lowest <= p < found]
    assert all(alarms(threshold) > budget for threshold in [lowest] * (found > lowest) + lower)
    assert label_audit.guarded(wrong, np.ones(200, bool), inside, budget, lowest) == found
    if budget in (0.0, 1.0):
        assert found == (lowest if budget else wrong[inside].max())


def test_only_the_guarded_have_a_threshold_of_their_own():
    rng = np.random.default_rng(5)
    wrong, part = rng.random(300).astype(np.float32), rng.integers(0, 3, 300)
    inside = {group: part == k for k, group in enumerate(("head", "medium", "tail"))}
    guard = inside["tail"] & (rng.random(300) < 0.5)
    flagged, threshold = label_audit.flags(wrong, inside, guard, 0.02, 1.0)
    lowest = label_audit.best_threshold(wrong)
    assert threshold["head"] == threshold["medium"] == lowest < threshold["tail"]
    assert threshold["tail"] == label_audit.guarded(wrong, wrong > lowest, guard, 0.02, lowest)
    expected = wrong > np.where(guard, np.float32(threshold["tail"]), np.float32(lowest))
    np.testing.assert_array_equal(flagged, expected)
    _, eased = label_audit.flags(wrong, inside, guard, 0.02, lowest + 0.01)
    assert eased == threshold | {"tail": lowest + 0.01}
    flagged, threshold = label_audit.flags(wrong, inside, np.zeros(300, bool), 0.0, 1.0)
    assert set(threshold.values()) == {lowest}
    np.testing.assert_array_equal(flagged, wrong > lowest)


def test_budget_is_kept_and_can_be_lifted(by_class, audit, judged_once):
    _, given, probs, _ = by_class
    free, strict, default = (
        audit_labels(probs, given, max_tail_false_alarms=budget)
        for budget in (1, 0.001, label_audit.TAIL_FALSE_ALARMS["symmetric"])
    )
    assert free.threshold["tail"] == free.threshold["head"]
    assert strict.threshold["tail"] > audit.threshold["tail"] > free.threshold["tail"]
    assert strict.estimated["tail"].false_alarm <= 0.001
    assert strict.flagged.sum() < audit.flagged.sum() < free.flagged.sum()
    np.testing.assert_array_equal(free.wrong, strict.wrong)
    np.testing.assert_array_equal(default.flagged, audit.flagged)


def test_noise_of_images_has_a_budget_of_its_own(by_image, image_audit, judged_once):
    _, given, probs, _ = by_image
    limits = label_audit.TAIL_FALSE_ALARMS
    budget = limits["image"]
    assert budget > limits["symmetric"] > limits["t2h"] == limits["joint"]
    other, same = (
        audit_labels(probs, given, max_tail_false_alarms=x) for x in (limits["symmetric"], budget)
    )
    assert image_audit.estimated["tail"].false_alarm <= budget
    assert other.threshold["tail"] > other.threshold["head"], "the guard acts"
    np.testing.assert_array_equal(same.flagged, image_audit.flagged)
    assert other.flagged.sum() < image_audit.flagged.sum()


@pytest.mark.parametrize(
    ("noise", "budget", "spared"),
    [("image rate 0.20", None, False), ("image rate 0.20", 0.05, True), ("none", None, True)],
)
def test_what_is_nearly_certain_is_not_spared(by_image, monkeypatch, noise, budget, spared):
    """Where noise depends on the image, unless somebody says what may be flagged."""
    _, given, probs, _ = by_image
    tail = np.isin(given, [3, 4])
    wrong = np.where(tail, 0.85, 0.1).astype(np.float32)
    sure = tail & (np.cumsum(tail) % 3 > 0)
    wrong[sure] = 0.95
    original = label_error_model.judged
    monkeypatch.setattr(
        label_error_model,
        "judged",
        lambda *args: original(*args)._replace(noise=noise, wrong=wrong),
    )
    monkeypatch.setattr(rule_of_succession, "smoothed", lambda wrong, *_: wrong)
    audit = audit_labels(probs, given, max_tail_false_alarms=budget, groups={"tail": [3, 4]})
    np.testing.assert_array_equal(audit.flagged, sure & (not spared))
    assert audit.threshold["tail"] == (wrong.max() if spared else label_audit.CERTAIN)


def test_balanced_sets_have_no_tail_to_guard(balanced, judged_once):
    """Unless somebody says what it is."""
    _, given, probs, _ = balanced
    audit = audit_labels(probs, given, max_tail_false_alarms=0)
    assert len(set(audit.threshold.values())) == 1 and audit.estimated["tail"].flagged > 0
    named = audit_labels(probs, given, max_tail_false_alarms=0, groups={"tail": [0, 1]})
    assert named.estimated["tail"].flagged == 0 < named.estimated["all"].flagged


# What must not matter ----------------------------------------------------------------------------


@pytest.mark.parametrize("featured", [False, True])
def test_a_class_that_no_label_names_takes_nothing_from_the_others(by_image, featured):
    """A model may know more classes than the labels do."""
    _, given, probs, positions = by_image
    features = positions if featured else None
    strange = np.arange(len(given)) % 15 == 0
    wider = np.hstack([probs * (1 - 1e-5), np.full((len(given), 1), 1e-5)])
    wider[strange] = np.array([*[0.01] * SIZE, 1 - 0.01 * SIZE])
    plain, audit = (audit_labels(x, given, features=features) for x in (probs, wider))
    assert audit.flagged[strange].mean() > 0.9 and (audit.suggested[strange] == SIZE).mean() > 0.9
    assert (audit.flagged == plain.flagged)[~strange].mean() > 0.98


@pytest.mark.parametrize("world", ["headward", "balanced"])
def test_how_bold_predictions_were_hardly_matters(world, request):
    _, given, probs, _ = request.getfixturevalue(world)
    plain = audit_labels(probs, given).flagged
    for power in (0.3, 3.0):
        changed = probs**power / (probs**power).sum(1, keepdims=True)
        flagged = audit_labels(changed, given).flagged
        assert (plain & flagged).sum() > 0.95 * (plain | flagged).sum() > 0


def test_beside_features_too_where_noise_depends_on_the_image(by_image):
    _, given, probs, positions = by_image
    plain = audit_labels(probs, given, features=positions)
    for power in (0.5, 2.0):  # regularised more, and less
        changed = probs**power / (probs**power).sum(1, keepdims=True)
        found = audit_labels(changed, given, features=positions)
        both, either = plain.flagged & found.flagged, plain.flagged | found.flagged
        assert both.sum() > 0.9 * either.sum() > 0
        assert abs(found.wrong.sum() / plain.wrong.sum() - 1) < 0.1


def test_neither_blocks_nor_files_nor_order_matter(by_class, audit, tmp_path):
    _, given, probs, _ = by_class
    small = audit_labels(probs, given, block=500)
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


def test_blocks_do_not_matter_where_noise_depends_on_the_image(by_image, image_audit):
    _, given, probs, _ = by_image
    found = audit_labels(probs, given, block=500, posterior=True)
    np.testing.assert_allclose(found.wrong, image_audit.wrong, atol=1e-5)
    np.testing.assert_allclose(found.posterior, image_audit.posterior, atol=1e-5)
    np.testing.assert_array_equal(found.flagged, image_audit.flagged)


# Features ----------------------------------------------------------------------------------------


def test_features_alone_or_beside_probabilities(by_class, audit):
    true, given, probs, positions = by_class
    wrong = true != given
    alone = audit_labels(None, given, features=positions)
    both = audit_labels(probs, given, features=positions)
    for found in (alone, both):
        assert found.noise.startswith("symmetric") and f1(found.flagged, wrong) > 0.93
    assert not np.array_equal(alone.wrong, both.wrong)
    assert not np.array_equal(audit.wrong, both.wrong)


def test_only_the_direction_of_features_counts(by_image):
    _, given, _, positions = by_image
    scaled = positions * np.random.default_rng(0).uniform(0.5, 2, (len(given), 1))
    one, other = (audit_labels(None, given, features=x) for x in (positions, scaled))
    np.testing.assert_allclose(one.wrong, other.wrong, atol=1e-3)


def test_features_know_of_classes_that_have_no_label(by_image):
    _, given, _, positions = by_image
    names = [*"abcde", "nobody"]
    found = audit_labels(None, given, features=positions, class_names=names)
    assert found.transition.shape == (6, 6) and (found.suggested < 5).all()


@pytest.mark.parametrize("size", [1, 2, 12])
@pytest.mark.parametrize("with_probs", [False, True])
def test_few_features_and_equal_ones_finish(size, with_probs):
    given = np.arange(size) % 2
    probs = np.full((size, 2), 0.5) if with_probs else None
    found = audit_labels(probs, given, features=np.ones((size, 3)))
    assert np.isfinite(found.wrong).all()


# What may be handed in ---------------------------------------------------------------------------


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
        (FINE, LABELS, {"max_tail_false_alarms": "1"}, r"must be in \[0, 1\]"),
        (np.ma.masked_array(FINE, np.eye(6, 3) == 1), LABELS, {}, "row 0 is missing"),
    ],
)
def test_bad_input_is_named(probs, given, options, message):
    with pytest.raises(UserError, match=message) as error:
        audit_labels(probs, np.asarray(given), **{"block": 2} | options)
    assert "\n" not in str(error.value)


FEATURES = np.ones((6, 2))


@pytest.mark.parametrize(
    ("probs", "features", "message"),
    [
        (None, None, "predictions, features, or both"),
        (None, FEATURES[:5], r"\[6 given labels, numbers\], got \(5, 2\)"),
        (FINE, FEATURES[:5], r"\[6 given labels, numbers\], got \(5, 2\)"),
        (FINE[:1], FEATURES, r"\[1 given labels, numbers\], got \(6, 2\)"),
        (None, FEATURES[:, 0], r"\[6 given labels, numbers\], got \(6,\)"),
        (FINE, FEATURES[:, :0], r"\[6 given labels, numbers\], got \(6, 0\)"),
        (FINE, np.ma.masked_array(FEATURES, np.eye(6, 2) == 1), "features: row 0 is missing"),
        (None, np.where(np.arange(6)[:, None] == 3, np.nan, FEATURES), "sample 3 are not finite"),
    ],
)
def test_bad_features_are_named(probs, features, message):
    with pytest.raises(UserError, match=message):
        audit_labels(probs, LABELS if probs is None else LABELS[: len(probs)], features=features)


@pytest.mark.parametrize("given", [[], [0.5, 1], [[0, 1]], [0, -1]])
def test_bad_labels_are_named_where_features_are_alone(given):
    with pytest.raises(UserError, match=r"given labels must be integers|label -1 is outside"):
        audit_labels(None, np.asarray(given), features=np.ones((2, 3)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"head": [0, 7]}, "group 'head': class 7 is outside 0 to 2"),
        ({"head": [0], "tail": [0]}, "class 0 .* 'head' and 'tail'"),
    ],
)
def test_bad_groups_are_named(groups, message):
    with pytest.raises(UserError, match=message):
        audit_labels(FINE, LABELS, groups=groups)
