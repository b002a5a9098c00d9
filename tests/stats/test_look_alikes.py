"""Noise between look-alikes: tables against loops, and the kinds found where they were drawn."""

import numpy as np
import pytest

import gaussians
from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.data.noises.t2h import tailness
from dull_jax.stats import look_alikes, noise_kinds
from dull_jax.stats.label_audit import TAIL_FALSE_ALARMS, audit_labels, in_words
from dull_jax.stats.noise_kinds import Table
from dull_jax.stats.noise_trials import LookAlikes, Trial

COUNTS = np.array([60.0, 300.0, 20.0, 120.0])
CONFUSED = np.array(
    [[0.7, 0.2, 0.04, 0.06], [0.1, 0.8, 0.04, 0.06], [0.3, 0.1, 0.5, 0.1], [0.05, 0.1, 0, 0.85]]
)


@pytest.mark.parametrize("reverse", [0, 0.2, 1])
def test_headward_against_loops(reverse):
    away = np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            if i != j:
                away[i, j] = CONFUSED[i, j] * (1 if COUNTS[j] > COUNTS[i] else reverse)
    away *= 0.15 / away.sum(1).mean()
    table = look_alikes.headward(COUNTS, CONFUSED, 0.15, reverse).table
    np.testing.assert_allclose(table, away + np.diag(1 - away.sum(1)), atol=1e-12)


@pytest.mark.parametrize("cap", [None, 0.3, 0.9])
def test_towards_against_loops(cap):
    shares, rate = COUNTS / COUNTS.sum(), 0.08
    slope = np.array([1.0, 0, 1, 1]) if cap is None else tailness(COUNTS)
    low, high = 0.0, 1e3
    for _ in range(200):  # one multiple for all, by bisection
        middle = (low + high) / 2
        enough = shares @ np.minimum(cap or 0.95, middle * slope) >= rate
        low, high = (low, middle) if enough else (middle, high)
    expected = np.eye(4)
    for i in range(4):
        loses = min(cap or 0.95, high * slope[i])
        to = {j: CONFUSED[i, j] + 1e-4 * shares[j] for j in range(4) if COUNTS[j] > COUNTS[i]}
        for j, weight in to.items():
            expected[i, j] = loses * weight / sum(to.values())
        expected[i, i] = 1 - loses
    table = look_alikes.towards(COUNTS, CONFUSED, rate, cap).table
    np.testing.assert_allclose(table, expected, atol=1e-9)
    assert shares @ (1 - table.diagonal()) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("classes", "lost"),
    [("as shown", [0.2, 0.1, 0.3, 0.1]), ("all", [1, 1, 1, 1]), ("few", [0.2, 0, 0.3, 0])],
)
def test_pairs_against_loops(classes, lost):
    expected, to = np.eye(4), [1, 0, 0, 1]
    for i in range(4):
        loses = 0.12 * lost[i] / np.mean(lost)
        expected[i, i] -= loses
        expected[i, to[i]] += loses
    table = look_alikes.pairs(COUNTS, CONFUSED, 0.12, classes).table
    np.testing.assert_allclose(table, expected, atol=1e-12)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("counts", [COUNTS, np.ones(4), np.array([5.0, 5, 5, 9])])
def test_every_kind_is_a_transition(rate, counts):
    for kind, make in look_alikes.kinds(COUNTS).items():
        table = make(counts, CONFUSED, rate).table
        assert (table >= 0).all(), kind
        np.testing.assert_allclose(table.sum(1), 1, err_msg=kind)
        assert table.diagonal().min() >= 1 - look_alikes.MOST - 1e-9
        if kind.startswith(look_alikes.TO_HEAD) and not kind.endswith("mostly"):
            rarer = (counts[:, None] >= counts) & ~np.eye(4, dtype=bool)
            assert (table[rarer] == 0).all(), kind
        if kind.startswith(look_alikes.PAIRS):
            assert ((table > 0).sum(1) <= 2).all(), kind


def test_classes_that_nothing_tells_apart_have_fewer_kinds():
    assert look_alikes.kinds(np.array([7])) == {}
    equal = look_alikes.kinds(np.array([7, 7]))
    assert look_alikes.CONFUSED in equal and look_alikes.TO_HEAD not in equal


CENTRES = 2.2 * np.stack([np.cos(np.arange(6)), np.sin(np.arange(6)), np.arange(6)], 1)


def world(seed):
    """Gaussian classes on a line: neighbours resemble each other. (features, true)."""
    true = np.repeat(np.arange(6), 2 * np.array([400, 60, 150, 40, 250, 90]))
    noise = np.random.default_rng(seed).normal(size=(len(true), 3))
    return (CENTRES[true] + noise).astype(np.float32), true


@pytest.mark.parametrize("profile", ["tailness", "uniform"])
def test_tail_to_head_noise_towards_look_alikes_is_found(profile):
    features, true = world(0)
    gaps = np.linalg.norm(CENTRES[:, None] - CENTRES, axis=2)
    spec = NoiseSpec("t2h", 0.2, destination="similar", temperature=1.0, profile=profile)
    given = corrupt(spec, true, 6, similarity=-gaps).given
    probs = gaussians.cross_validated(features, given)
    audit = audit_labels(probs.astype(np.float32), given)
    wrong = given != true
    assert audit.noise.startswith("tail-to-head"), audit.noise
    if profile == "uniform":  # the other is told from what rarity explains only roughly
        assert "towards look-alikes" in audit.noise
    caught = (audit.flagged & wrong).sum()
    assert caught / audit.flagged.sum() > 0.75 and caught / wrong.sum() > 0.7
    assert audit.wrong.mean() == pytest.approx(wrong.mean(), rel=0.25)
    tail = np.isin(true, [1, 3]) & ~wrong
    assert audit.flagged[tail].mean() < 0.03


@pytest.mark.parametrize("seed", [0, 1])
def test_asymmetric_noise_is_found(seed):
    table = np.eye(5)
    table[0, [0, 3]], table[2, [2, 0]] = [0.8, 0.2], [0.65, 0.35]
    counts = 4 * np.array([400, 200, 100, 50, 25])
    true, positions, given = gaussians.class_noise(counts, lambda n: Table(table), seed=seed)
    audit = audit_labels(gaussians.cross_validated(positions, given).astype(np.float32), given)
    assert audit.noise.startswith("asymmetric"), audit.noise
    wrong, caught = given != true, (audit.flagged & (given != true)).sum()
    assert caught / audit.flagged.sum() > 0.85 and caught / wrong.sum() > 0.65
    assert audit.wrong.mean() == pytest.approx(wrong.mean(), rel=0.15)


@pytest.mark.parametrize(
    ("gains", "start", "found"),
    [
        ([1, 2, 3, 4], 0.1, 3),  # uphill to the right
        ([4, 3, 2, 1], 0.4, 0),  # and to the left
        ([1, 5, 2, 3], 0.2, 1),
        ([2, 2, 2, 2], 0.3, 0),  # ties: less noise
        ([1, 3, None, None], 0.4, 1),  # so much noise cannot be
        ([None] * 4, 0.3, None),
    ],
)
def test_the_best_rate_is_uphill(monkeypatch, gains, start, found):
    def trial(self, kind, rate):
        gain = gains[round(10 * rate) - 1]
        return None if gain is None else Trial(kind, rate, rate, np.array([float(gain)]), 1.0)

    monkeypatch.setattr(LookAlikes, "_trial", trial)
    trials = LookAlikes(np.full((9, 3), 1 / 3), np.arange(9) % 3, np.ones(3), None)
    best = trials.best(look_alikes.CONFUSED, (0.1, 0.2, 0.3, 0.4), start)
    assert (best and round(10 * best.rate) - 1) == found


def test_every_kind_has_words_and_a_guard():
    kinds = [*look_alikes.kinds(COUNTS), *(kind for kind, _, _ in noise_kinds.kinds(COUNTS, [0.1]))]
    for kind in set(kinds) - {look_alikes.CONFUSED}:  # which an audit takes for noise of images
        name, _, how = kind.partition(" ")
        assert name in TAIL_FALSE_ALARMS
        words = in_words(f"{name} rate 0.10 {how}".strip())
        assert "rate 0.10" in words and (not how or len(words.split(", ")) > 2), words
