"""Noise between look-alikes: tables against loops, and the kinds found where they were drawn."""

import numpy as np
import pytest

import gaussians
from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.data.noises.t2h import tailness
from dull_jax.stats import image_noise, look_alikes, noise_structure, temperature_scaling
from dull_jax.stats.label_audit import audit_labels

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


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("counts", [COUNTS, np.ones(4), np.array([5.0, 5, 5, 9])])
def test_every_kind_is_a_transition(rate, counts):
    for kind, make in look_alikes.kinds(COUNTS).items():
        table = make(counts, CONFUSED, rate).table
        assert (table >= 0).all(), kind
        np.testing.assert_allclose(table.sum(1), 1, err_msg=kind)
        assert table.diagonal().min() >= 1 - look_alikes.MOST - 1e-9
        if kind not in (look_alikes.CONFUSED, f"{look_alikes.TO_HEAD} mostly"):
            assert (table[counts[:, None] >= counts] * ~np.eye(4, dtype=bool)[
                counts[:, None] >= counts] == 0).all(), kind  # fmt: skip


def test_classes_that_nothing_tells_apart_have_fewer_kinds():
    assert look_alikes.kinds(np.array([7])) == {}
    assert list(look_alikes.kinds(np.array([7, 7]))) == [look_alikes.CONFUSED]


def similar_world(seed, profile, rate, scale=2):
    """Gaussian classes on a line: neighbours resemble each other. (features, true, given)."""
    rng = np.random.default_rng(seed)
    counts = scale * np.array([400, 60, 150, 40, 250, 90])
    true = np.repeat(np.arange(6), counts)
    centres = 2.2 * np.stack([np.cos(np.arange(6)), np.sin(np.arange(6)), np.arange(6)], 1)
    features = (centres[true] + rng.normal(size=(len(true), 3))).astype(np.float32)
    gaps = np.linalg.norm(centres[:, None] - centres, axis=2)
    spec = NoiseSpec("t2h", rate, seed, destination="similar", temperature=1.0, profile=profile)
    return features, true, corrupt(spec, true, 6, similarity=-gaps).given


@pytest.mark.parametrize("profile", ["tailness", "uniform"])
def test_tail_to_head_noise_towards_look_alikes_is_found(profile):
    features, true, given = similar_world(0, profile, 0.2)
    probs = gaussians.cross_validated(features, given)
    audit = audit_labels(probs.astype(np.float32), given)
    wrong = given != true
    assert audit.noise.startswith("tail-to-head, towards look-alikes"), audit.noise
    caught = (audit.flagged & wrong).sum()
    assert caught / audit.flagged.sum() > 0.75 and caught / wrong.sum() > 0.7
    assert audit.wrong.mean() == pytest.approx(wrong.mean(), rel=0.25)
    tail = np.isin(true, [1, 3]) & ~wrong
    assert audit.flagged[tail].mean() < 0.03


def test_noise_of_both_directions_is_not_taken_for_it():
    """Of people: between look-alikes, wherever an image lies between them."""
    _, positions, given = gaussians.image_noise(np.array([800, 400, 200, 100, 50]), 0.1)
    probs = noise_structure.positive(gaussians.cross_validated(positions, given))
    counted = image_noise.counted(probs, given).rate
    found = noise_structure.class_conditional(
        probs, given, np.bincount(given), temperature_scaling.likelihood_gain, counted
    )
    assert found is None
