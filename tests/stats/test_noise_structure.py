"""The kind and amount of noise, from predictions whose noise is known exactly."""

import re

import numpy as np
import pytest
import scipy.linalg

import gaussians
import richardson_lucy
from dull_jax.stats import (
    image_noise,
    look_alikes,
    noise_kinds,
    noise_trials,
    noise_undone,
    temperature_scaling,
    transition,
)
from dull_jax.stats import noise_structure as structure

COUNTS = np.array([400, 200, 100, 50, 25])
SIZE = len(COUNTS)


def world(seed=0, times=1):
    """Gaussian classes in five dimensions: true labels, positions, exact p(true | x), numbers."""
    rng = np.random.default_rng(seed)
    clean = np.repeat(np.arange(SIZE), times * COUNTS)
    centres = 2.5 * np.eye(SIZE)
    x = centres[clean] + rng.normal(size=(len(clean), SIZE))
    log = -0.5 * ((x[:, None] - centres) ** 2).sum(2) + np.log(COUNTS / COUNTS.sum())
    probs = np.exp(log - log.max(1, keepdims=True))
    return clean, x, probs / probs.sum(1, keepdims=True), rng


def drawn(clean, table, rng):
    return np.array([rng.choice(SIZE, p=table[k]) for k in clean])


def by_loops(noisy, table):
    return np.array([richardson_lucy.deconvolved(observed, table) for observed in noisy])


def test_deconvolution_and_gain_against_loops():
    _, _, probs, rng = world()
    noisy, given = rng.dirichlet(np.ones(SIZE), 6), rng.integers(0, SIZE, 6)
    noise = noise_kinds.joint(COUNTS.astype(float), 0.35)
    table = noise_kinds.table(noise)
    expected = by_loops(noisy, table)
    clean = np.asarray(noise_undone.clean_probs(noisy, noise))
    np.testing.assert_allclose(clean, expected, atol=2e-5)
    prior, best = COUNTS / COUNTS.sum(), -np.inf
    for temperature in noise_undone.TEMPERATURES:
        sharp = prior * (expected / prior) ** (1 / temperature)
        again = sharp / sharp.sum(1, keepdims=True) @ table
        gain = np.array([np.log(again[n, k] / noisy[n, k]) for n, k in enumerate(given)])
        if gain.mean() > best:
            best, gains, chosen = gain.mean(), gain, temperature
    model = transition.LabelModel(table.astype(np.float32), prior.astype(np.float32))
    by_sample, temperature = noise_undone.likelihood_gain(noisy, given, noise, model)
    np.testing.assert_allclose(by_sample, gains, atol=1e-3)
    assert float(temperature) == pytest.approx(chosen)
    exact = np.asarray(noise_undone.clean_probs(probs @ table, noise))
    assert np.abs(exact - probs).mean() < 0.02, "what mixing did is undone"


def test_true_counts_are_solved_for():
    for make in (
        lambda n: noise_kinds.t2h(n, 0.25, 0.6),
        lambda n: noise_kinds.symmetric(n, 0.3),
        lambda n: noise_kinds.joint(n, 0.3),
    ):
        true, table = COUNTS / COUNTS.sum(), noise_kinds.table(make(COUNTS.astype(float)))
        _, model = noise_undone.solved(COUNTS @ table, make)
        np.testing.assert_allclose(model.prior, true, rtol=0.05)
        np.testing.assert_allclose(model.transition, table, atol=0.03)


def doubts(model, clean_probs, given):
    balanced = clean_probs / model.prior
    posterior = np.asarray(transition.label_posterior(balanced, given, model))
    return posterior[np.arange(len(given)), given] < 0.5


@pytest.mark.parametrize("kind", ["t2h", "symmetric", "joint", "confused"])
def test_kind_and_rate_are_found(kind):
    counts = 4 * COUNTS
    clean, x, _, rng = world(1, 4)
    pairs = np.eye(SIZE)
    pairs[0, :2], pairs[1, [1, 2]], pairs[3, [3, 0]] = [0.7, 0.3], [0.7, 0.3], [0.6, 0.4]
    table = {
        "t2h": noise_kinds.table(noise_kinds.t2h(counts, 0.25, 0.6)),
        "symmetric": noise_kinds.table(noise_kinds.symmetric(counts, 0.3)),
        "joint": noise_kinds.table(noise_kinds.joint(counts, 0.3)),
        "confused": pairs,
    }[kind]
    given = drawn(clean, table, rng)
    noise, clean_probs = structure.estimate(gaussians.cross_validated(x, given), given)
    assert noise.name.startswith(kind), noise.name
    wrong, doubted = given != clean, doubts(noise.model, clean_probs, given)
    assert wrong[doubted].mean() > (2 * wrong.mean() if kind == "confused" else 0.85)
    assert doubted[wrong].mean() > 0.5 and noise.gain > 0
    if kind != "confused":  # whose amount is found only roughly
        rate = float(noise.name.split("rate ")[1].split()[0])
        assert rate == pytest.approx(wrong.mean(), abs=0.08)


# Noise that depends on the class, or not ----------------------------------------------------------


def class_conditional(positions, given):
    """As the audit asks for it."""
    probs = structure.positive(gaussians.cross_validated(positions, given))
    counts = np.bincount(given, minlength=SIZE)
    counted = image_noise.counted(probs, given).rate
    return structure.class_conditional(
        probs, given, counts, temperature_scaling.likelihood_gain, counted=counted
    )


@pytest.mark.parametrize("kind", ["t2h", "symmetric", "joint"])
def test_noise_that_depends_on_the_class_is_found(kind):
    make = {
        "t2h": lambda n: noise_kinds.t2h(n, 0.25, 0.6),
        "symmetric": lambda n: noise_kinds.symmetric(n, 0.3),
        "joint": lambda n: noise_kinds.joint(n, 0.3),
    }[kind]
    true, positions, given = gaussians.class_noise(2 * COUNTS, make)
    found = class_conditional(positions, given)
    assert found.name.startswith(kind) and found.gain > 0.02
    rate = float(found.name.split("rate ")[1].split()[0])
    assert rate == pytest.approx((given != true).mean(), abs=0.04)
    table = noise_kinds.table(make(2.0 * COUNTS))
    assert np.average(np.abs(found.model.transition - table).sum(1), weights=COUNTS) < 0.1


def test_without_noise_there_is_no_kind():
    _, positions, given = gaussians.class_noise(2 * COUNTS, noise_kinds.none)
    assert class_conditional(positions, given) is None


def test_noise_that_depends_on_the_image_is_of_no_kind():
    """Between look-alikes, a label drawn from a tempered p(class | image)."""
    true, positions, given = gaussians.image_noise(2 * COUNTS, 0.1)
    assert 0.2 < (given != true).mean() < 0.3
    assert class_conditional(positions, given) is None


def trial(kind, place, ahead, realised=0.3):
    """Explains a label better than no noise does, by so many standard errors.

    Differences of two trials have the standard deviation 1.
    """
    pattern = scipy.linalg.hadamard(8)[1 + place] / np.sqrt(2)
    gains = np.tile(pattern, 50) + ahead / np.sqrt(400)
    return noise_trials.Trial(kind, 0.3, realised, gains, 1.0)


@pytest.mark.parametrize(("ahead", "kept"), [(2.5, True), (1.5, False)])
def test_asymmetric_noise_is_more_than_what_people_confuse(ahead, kept):
    pairs, confused = trial("asymmetric few", 2, 5), trial("confused", 3, 5 - ahead)
    without, simple = trial("none", 0, 0, realised=0), trial("simple", 1, 0)
    assert (structure.decided(without, simple, [pairs], confused, 0.3) is pairs) == kept
    other = trial("t2h-similar", 4, 4.9)  # explains a little less, and may be ahead by less
    found = structure.decided(without, simple, [pairs, other], confused, 0.3)
    assert found is (pairs if kept else other)


@pytest.mark.parametrize(
    ("best", "other", "ahead", "kept"),
    [
        ("t2h-similar", "t2h-similar evenly", 3.9, "other"),
        ("t2h-similar mostly", "t2h-similar cap 0.6", 3.9, "other"),
        ("t2h-similar mostly", "t2h-similar cap 0.6", 4.1, "best"),
        ("t2h-similar cap 0.6", "t2h-similar mostly", 3.9, "best"),
        ("t2h-similar", "t2h-similar mostly", 0.1, "best"),
        ("asymmetric few", "t2h-similar cap 0.6", 0.1, "best"),
        ("asymmetric few", "asymmetric evenly", 0.1, "best"),
        ("t2h-similar", "asymmetric evenly", 0.1, "best"),
    ],
)
def test_shares_that_follow_from_the_rate_may_be_behind(best, other, ahead, kept):
    trials = {"best": trial(best, 2, 9), "other": trial(other, 3, 9 - ahead)}
    without, simple = trial("none", 0, 0, realised=0), trial("simple", 1, 0)
    for narrow in ([*trials.values()], [*trials.values()][::-1]):
        assert structure.decided(without, simple, narrow, None, 0.3) is trials[kept]
    overtaken = trial("confused", 4, 8.99 - ahead)  # not by less than what it is ahead of
    overtaking = trial("confused", 4, 9.01 - ahead)
    if kept == "other":
        assert structure.decided(without, simple, narrow, overtaken, 0.3) is trials["other"]
        assert structure.decided(without, simple, narrow, overtaking, 0.3) is trials["best"]


@pytest.mark.parametrize(
    ("simple", "narrow", "confused", "counted", "kept"),
    [
        (2.5, None, 0, 0.3, None),  # three standard errors above no noise are asked for
        (3.5, None, 0, 0.3, "simple"),
        (9, None, 8.5, 0.55, "simple"),  # confusions explain less
        (9, None, 8.5, 0.65, None),  # but less than half of what was counted is explained
        (9, None, 6.5, 0.65, "simple"),
        (9, None, 9.5, 0.3, "simple"),  # confusions explain more, by less than three; as many
        (9, None, 11.5, 0.3, "simple"),
        (9, None, 12.5, 0.3, None),
        (9, None, 9.5, 0.45, None),  # and more were counted
        (9, 9.5, 5, 0.3, "simple"),  # look-alikes must be ahead by one
        (9, 10.5, 5, 0.3, "narrow"),
        (9, 10.5, 10, 0.3, "narrow"),
        (9, 10.5, 11, 0.3, "simple"),  # and ahead of confusions
        (2, 2.9, 0, 0.3, None),
        (0, 3.1, 0, 0.3, "narrow"),
        (9, 10.5, 9, 0.65, None),
        (0, 5, 4, 0.3, "narrow"),
        (0, 5, 4, 0.5, None),  # by two where it explains less than three quarters
        (0, 5, 2.5, 0.5, "narrow"),
        (3.5, 5, None, 0.9, "narrow"),  # confusions are not tried of many classes
    ],
)
def test_a_kind_earns_its_place(simple, narrow, confused, counted, kept):
    def made(kind, place, ahead):
        return None if ahead is None else trial(kind, place, ahead)

    others = [t for t in [made("narrow", 2, narrow)] if t], made("confused", 3, confused)
    without = trial("none", 0, 0, realised=0)
    found = structure.decided(without, trial("simple", 1, simple), *others, counted)
    assert (found and found.kind) == kept


def test_two_classes_do_not_swap_their_names():
    """A rate of 0.6 explains the same labels as one of 0.4 does."""
    rng = np.random.default_rng(0)
    clean = np.repeat([0, 1], [2000, 1000])
    certain = np.where(rng.random(3000) < 0.9, clean, 1 - clean)
    probs = np.where(np.eye(2)[certain] == 1, 0.9, 0.1)
    table = noise_kinds.table(noise_kinds.symmetric(np.array([2000, 1000]), 0.4))
    given = np.where(rng.random(3000) < 0.4, 1 - clean, clean)
    noise, clean_probs = structure.estimate(probs @ table, given)
    assert (clean_probs.argmax(1) == clean).mean() > 0.85, noise.name


def test_most_labels_of_a_class_may_be_images_of_a_rarer_look_alike():
    """Classes in a row, each like its neighbours; the rare ones lose 60 % of their labels."""
    counts = np.array([2000, 1000, 500, 250, 125])
    centres = 3.0 * np.arange(SIZE)[:, None]
    alike = np.exp(-np.abs(centres - centres.T))

    def make(n):
        return look_alikes.towards(n, alike, 0.2, 0.6)

    rng = np.random.default_rng(0)
    true = rng.permutation(np.repeat(np.arange(SIZE), counts))
    table = noise_kinds.table(make(counts.astype(float)))
    assert (table.diagonal() < (table - np.diag(table.diagonal())).max(0))[1:].any()
    given = drawn(true, table, rng)
    x = centres[true] + rng.normal(size=(len(true), 1))
    found = class_conditional(x, given)
    kind, rate = re.fullmatch(r"(.*) rate (\S+) cap 0.6", found.name).groups()
    assert kind == "t2h-similar" and float(rate) == pytest.approx(0.2, abs=0.02)
    assert np.average(np.abs(found.model.transition - table).sum(1), weights=counts) < 0.1


def test_one_way_exchanges_of_equal_classes_are_asymmetric():
    """A class that loses labels has fewer, so they seem to lead to a more frequent one."""
    equal = np.full(SIZE, 200)
    table = np.eye(SIZE)
    table[[4, 3, 2], [4, 3, 2]], table[[4, 3, 2], [0, 1, 3]] = 0.6, 0.4
    _, positions, given = gaussians.class_noise(equal, lambda n: noise_kinds.Table(table), 2.5)
    found = class_conditional(positions, given)
    assert found.name.startswith("asymmetric"), found.name
    lost = 1 - found.model.transition.diagonal()
    assert np.abs(lost - [0, 0, 0.4, 0.4, 0.4]).max() < 0.15
    assert f"rate {lost @ found.model.prior:.2f}" in found.name


def test_what_cannot_be_told_is_left_out():
    counts = np.array([101.0, 100.0, 99.0])
    _, swapped = noise_undone.solved(counts, lambda n: noise_kinds.symmetric(n, 0.7))
    assert not noise_trials.identifiable(swapped, counts)
    _, kept = noise_undone.solved(counts, lambda n: noise_kinds.symmetric(n, 0.5))
    assert noise_trials.identifiable(kept, counts)
    given = np.repeat([0, 1, 2], counts.astype(int))
    probs = np.full((300, 3), 1 / 3, np.float32)
    for trial in noise_trials.tried(probs, given, counts, [0.3, 0.6]):
        if trial.kind.startswith("t2h"):
            assert trial.realised < 0.3 + 0.05


def test_without_noise_hardly_anything_is_doubted():
    clean, x, exact, _ = world(3, 2)
    for probs in (exact, gaussians.cross_validated(x, clean)):
        noise, clean_probs = structure.estimate(probs, clean)
        assert doubts(noise.model, clean_probs, clean).mean() < 0.03, noise.name


def test_exact_predictions_show_the_most_noise_they_allow():
    """They contain the noise already: nothing is gained by undoing it, but nothing lost."""
    clean, _, exact, rng = world(4, 8)
    table = noise_kinds.table(noise_kinds.t2h(8 * COUNTS, 0.25, 0.6))
    given = drawn(clean, table, rng)
    noise, _ = structure.estimate(exact @ table, given)
    assert noise.name.startswith("t2h"), noise.name
    np.testing.assert_allclose(noise.model.transition, table, atol=0.12)


@pytest.mark.parametrize("counts", [[6, 1], [5, 5], [4, 0, 3]])
def test_small_equal_and_empty_classes_stay_finite(counts):
    given = np.repeat(np.arange(len(counts)), counts)
    probs = np.random.default_rng(0).dirichlet(np.ones(len(counts)), len(given))
    probs[0] = np.eye(len(counts))[-1]  # zeros, too
    noise, clean_probs = structure.estimate(probs, given)
    assert np.isfinite(clean_probs).all() and np.isfinite(noise.model.transition).all()
    np.testing.assert_allclose(noise.model.transition.sum(1), 1, rtol=1e-5)


def test_many_classes_are_searched_on_fewer_samples_and_not_for_confusions():
    assert len(structure.searched(50_000, 100)) == 20_000
    assert len(structure.searched(10**6, 1000)) == 2_000
    assert structure.searched(3, 10**9).tolist() == [0]
    size = noise_trials.MOST_CLASSES + 1
    probs, given = np.full((size, size), 1 / size, np.float32), np.arange(size)
    gain = noise_undone.likelihood_gain
    assert not noise_trials.LookAlikes(probs, given, np.arange(size), gain).kinds
