import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.stats import transition


def em64(probs, given, pseudo, iterations):
    """The same EM, sample by sample in float64."""
    size, classes = probs.shape
    t = pseudo / pseudo.sum(1, keepdims=True)
    prior = np.bincount(given, minlength=classes) + 1.0
    prior = prior / prior.sum()
    for _ in range(iterations):
        counts, mass = pseudo.copy(), np.full(classes, 1e-6)
        for i in range(size):
            q = np.array([probs[i, y] * prior[y] * t[y, given[i]] for y in range(classes)])
            q[given[i]] += 1e-20
            q /= q.sum()
            counts[:, given[i]] += q
            mass += q
        t, prior = counts / counts.sum(1, keepdims=True), mass / mass.sum()
    return t, prior


def case(size=80, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(classes) * 0.4, size).astype(np.float32)
    given = rng.integers(0, classes, size).astype(np.int32)
    pseudo = rng.uniform(0.1, 2, (classes, classes)).astype(np.float32)
    return probs, given, pseudo


@pytest.mark.parametrize("iterations", [0, 1, 30])
def test_em_against_numpy(iterations):
    probs, given, pseudo = case()
    actual = transition.estimate(probs, given, pseudo, iterations)
    t, prior = em64(probs.astype(np.float64), given, pseudo.astype(np.float64), iterations)
    np.testing.assert_allclose(actual.transition, t, atol=2e-4)
    np.testing.assert_allclose(actual.prior, prior, atol=2e-4)


def test_em_finds_a_known_transition():
    rng = np.random.default_rng(0)
    true_t = np.array([[1, 0, 0], [0.3, 0.7, 0], [0.4, 0.1, 0.5]])
    clean = rng.choice(3, 6000, p=[0.6, 0.3, 0.1])
    given = np.array([rng.choice(3, p=true_t[y]) for y in clean]).astype(np.int32)
    # What is seen is the true class, or with probability 0.15 any class: p is its likelihood.
    seen = np.where(rng.random(6000) < 0.15, rng.integers(0, 3, 6000), clean)
    probs = 0.05 + 0.85 * np.eye(3)[seen]
    counts = jnp.asarray(np.bincount(given, minlength=3), jnp.float32)
    pseudo = transition.headward_pseudo_counts(counts, 0.02)
    actual = transition.estimate(probs.astype(np.float32), given, pseudo)
    np.testing.assert_allclose(actual.transition, true_t, atol=0.08)
    np.testing.assert_allclose(actual.prior, [0.6, 0.3, 0.1], atol=0.05)


def test_posterior_rows_sum_to_one_even_where_impossible():
    probs = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    model = transition.LabelModel(jnp.eye(2), jnp.array([0.5, 0.5]))
    posterior = transition.label_posterior(probs, jnp.array([1, 1]), model)
    np.testing.assert_allclose(posterior, [[0, 1], [0, 1]], atol=1e-6)


def test_pseudo_counts_point_headward():
    table = np.asarray(transition.headward_pseudo_counts(jnp.array([100.0, 50.0, 10.0]), 0.1))
    np.testing.assert_allclose(table.sum(1), [10, 5, 1], rtol=1e-5)
    assert table[1, 2] == 0 and table[2, 0] > table[2, 1] > 0
    np.testing.assert_allclose(np.diag(table), [8, 4, 0.8], rtol=1e-5)


def test_candidates_hold_the_mass_with_the_fewest_classes():
    rng = np.random.default_rng(3)
    posterior = rng.dirichlet(np.ones(6) * 0.5, 200).astype(np.float32)
    for mass in (0.3, 0.7, 0.95, 1.0):
        actual = np.asarray(transition.candidate_targets(jnp.array(posterior), mass))
        np.testing.assert_allclose(actual.sum(1), 1, rtol=1e-5)
        for q, t in zip(posterior.astype(np.float64), actual, strict=True):
            kept = np.flatnonzero(t)
            assert q[kept].min() >= np.delete(q, kept).max(initial=0), "the most likely ones"
            assert q[kept].sum() >= mass - 1e-5, "enough"
            assert q[kept].sum() - q[kept].min() < mass + 1e-5, "no more than needed"
            np.testing.assert_allclose(t[kept], q[kept] / q[kept].sum(), rtol=1e-4)


def test_classes_that_were_renamed_are_named():
    given = np.array([0] * 10 + [1] * 6 + [2] * 4)
    swapped = np.eye(3)[np.array([1] * 10 + [0] * 6 + [2] * 4)]
    assert transition.renamed_classes(swapped, given).tolist() == [True, True, False]
    merged = np.eye(3)[np.array([0] * 10 + [2] * 6 + [2] * 4)]  # 2 is what was called 1
    assert transition.renamed_classes(merged, given).tolist() == [False, True, True]
    assert not transition.renamed_classes(np.eye(3)[given], given).any()


@pytest.mark.parametrize("rate", [0.2, 0.4])
@pytest.mark.parametrize("name", ["t2h", "symmetric", "asymmetric"])
def test_the_true_labels_rename_nobody(name, rate):
    """Nor does heavy noise: under T2H a rare class keeps a tenth of its labels."""
    true = np.repeat(np.arange(10), (500 * 50.0 ** (-np.arange(10) / 9)).astype(int))
    options = {"cap": 0.9} if name == "t2h" else {}
    given = corrupt(NoiseSpec(name=name, rate=rate, **options), true, 10).given
    assert not transition.renamed_classes(np.eye(10)[true], given).any()


@settings(max_examples=50, deadline=None)
@drawn(st.integers(0, 2**32 - 1))
def test_renamed_classes_are_a_better_naming(seed):
    """Against all namings, tried one by one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 12)
    posterior = rng.dirichlet(np.full(4, 0.3), 12)
    agreed = [
        posterior[np.arange(12), np.array(names)[labels]].sum()
        for names in itertools.permutations(range(4))
    ]
    better = max(agreed) > agreed[0] + 1e-4  # the first permutation is the identity
    assert transition.renamed_classes(posterior, labels).any() == better
