"""The opinion pool: votes against a loop, the fit against SciPy, both in float64."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from dull_jax.stats import neighbour_graph, opinion_pool
from dull_jax.stats.neighbour_graph import Graph

SIZE, CLASSES = 1500, 4
ALL = np.ones(CLASSES, bool)  # classes that labels name


@pytest.fixture(scope="module")
def world():
    """Given labels, of which a fifth is wrong, two sources that know the true ones, features."""
    rng = np.random.default_rng(0)
    true = rng.choice(CLASSES, SIZE, p=[0.5, 0.3, 0.15, 0.05])
    given = np.where(rng.random(SIZE) < 0.2, rng.integers(0, CLASSES, SIZE), true)
    looks = 2 * np.eye(CLASSES)[true] + rng.normal(size=(3, SIZE, CLASSES))
    one, other = 0.8 * softmax(looks[:2], axis=2) + 0.2 / CLASSES
    return given, one, other, looks[2]


def votes_by_loop(graph, given, num_classes, kernel):
    out = np.empty((len(graph.indices), num_classes))
    for n, (indices, cosine) in enumerate(zip(graph.indices, graph.cosine, strict=True)):
        weights = [np.exp(np.float64(c) / kernel) for c in cosine]
        total, counted = sum(weights), sum(weights) ** 2 / sum(w**2 for w in weights)
        for k in range(num_classes):
            share = sum(w for w, i in zip(weights, indices, strict=True) if given[i] == k) / total
            prior = np.mean([label == k for label in given])
            out[n, k] = (share * counted + prior) / (counted + 1)
    return out


@pytest.mark.parametrize("kernel", opinion_pool.KERNELS)
def test_votes_against_a_loop(world, kernel):
    given, _, _, features = world
    graph = neighbour_graph.nearest(features, 7)
    some = Graph(*(column[20:60] for column in graph))
    votes = opinion_pool.votes(some, given, CLASSES, kernel)
    assert votes.dtype == np.float32 and (votes > 0).all()
    np.testing.assert_allclose(votes, votes_by_loop(some, given, CLASSES, kernel), rtol=2e-5)
    np.testing.assert_allclose(votes.sum(1), 1, rtol=1e-5)


def test_equal_neighbours_count_one_each_and_a_twin_counts_alone():
    given = np.array([0, 0, 1, 1])
    equal = Graph(np.array([[1, 2, 3]], np.int32), np.full((1, 3), 0.5, np.float32))
    votes = opinion_pool.votes(equal, given, 2, 0.04)
    np.testing.assert_allclose(votes, [[(1 + 0.5) / 4, (2 + 0.5) / 4]], rtol=1e-6)
    twin = Graph(equal.indices, np.array([[1, -1, -1]], np.float32))
    np.testing.assert_allclose(opinion_pool.votes(twin, given, 2, 0.02), [[0.75, 0.25]], rtol=1e-6)


def test_the_best_kernel_is_the_likeliest(world):
    given, _, _, features = world
    graph, rows = neighbour_graph.nearest(features, 20), np.arange(0, SIZE, 15)
    part = Graph(*(column[rows] for column in graph))
    likelihood = {
        kernel: np.log(votes_by_loop(part, given, CLASSES, kernel)[range(100), given[rows]]).mean()
        for kernel in opinion_pool.KERNELS
    }
    best = opinion_pool.best_kernel(graph, rows, given, CLASSES)
    assert best == max(likelihood, key=likelihood.get)
    assert likelihood[best] > min(likelihood.values()) + 1e-3, "a set on which it matters"


def by_scipy(sources, given, with_biases):
    """(weights, biases, pooled) in float64, by a method without gradients of ours."""
    logs, count = np.log(np.maximum(sources, 1e-6)), len(sources)
    start = np.append(np.full(count, 1 / count), np.zeros(CLASSES))

    def scores(values):
        biases = values[count:] if with_biases else np.zeros(CLASSES)
        return np.tensordot(values[:count], logs, 1) + biases

    def loss(values):
        own = log_softmax(scores(values), axis=1)[np.arange(len(given)), given]
        return -own.sum() + ((values - start) ** 2).sum() / 2

    bounds = [(0, 10)] * count + [(None, None)] * CLASSES
    best = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13}).x
    return best[:count], best[count:], softmax(scores(best), axis=1)


@pytest.mark.parametrize("kernel", [np.nan, 0.04], ids=["models", "with votes"])
def test_weights_and_biases_against_scipy(world, kernel):
    given, one, other, _ = world
    with_biases = not np.isnan(kernel)
    weights, biases, expected = by_scipy([one, other], given, with_biases)
    pool = opinion_pool.fit([one, other], given, ALL, kernel)
    np.testing.assert_allclose(pool.weights, weights, atol=5e-3)
    np.testing.assert_allclose(pool.biases, biases, atol=1e-2)
    assert pool.biases.any() == with_biases and np.array_equal(pool.kernel, kernel, equal_nan=True)
    found = np.asarray(opinion_pool.pooled([one, other], pool.weights, pool.biases))
    np.testing.assert_allclose(found, expected, atol=3e-3)


def test_few_samples_pull_towards_equal_weights(world):
    given, one, other, _ = world
    few = [source[:8] for source in (one, other)]
    weights, biases, _ = by_scipy(few, given[:8], True)
    pool = opinion_pool.fit(few, given[:8], ALL, 0.04)
    np.testing.assert_allclose(pool.weights, weights, atol=5e-3)
    np.testing.assert_allclose(pool.biases, biases, atol=1e-2)
    assert np.abs(weights - 0.5).max() < 0.5, "and not the bound of a few that are separable"


def test_the_product_against_numpy():
    rng = np.random.default_rng(1)
    one, other = rng.dirichlet(np.ones(3), (2, 5))
    one[0] = [1, 0, 0]
    weights, biases = np.array([0.5, 1.5], np.float32), np.array([0.1, 0, -0.3], np.float32)
    expected = np.exp(biases) * np.maximum(one, 1e-6) ** 0.5 * np.maximum(other, 1e-6) ** 1.5
    expected = np.maximum(expected / expected.sum(1, keepdims=True), 1e-6)
    pooled = np.asarray(opinion_pool.pooled([one, other], weights, biases))
    np.testing.assert_allclose(pooled, expected / expected.sum(1, keepdims=True), rtol=1e-4)
    assert (pooled > 0).all()


@pytest.mark.parametrize("power", [0.3, 3.0], ids=["timid", "bold"])
@pytest.mark.parametrize("kernel", [np.nan, 0.04], ids=["models", "with votes"])
def test_how_bold_predictions_were_does_not_matter(world, power, kernel):
    given, one, other, _ = world

    def pooled(first):
        pool = opinion_pool.fit([first, other], given, ALL, kernel)
        return np.asarray(opinion_pool.pooled([first, other], pool.weights, pool.biases))

    changed = one**power / (one**power).sum(1, keepdims=True)
    np.testing.assert_allclose(pooled(changed), pooled(one), atol=0.02)


def test_a_source_that_contradicts_gets_no_weight(world):
    given, one, _, _ = world
    pool = opinion_pool.fit([one, (1 - one) / (CLASSES - 1)], given, ALL)
    assert pool.weights[1] == 0 and pool.weights[0] > 0.5


def test_fitted_rows_are_evenly_spaced_and_few():
    np.testing.assert_array_equal(opinion_pool.fitted_rows(5, 3), np.arange(5))
    many = opinion_pool.fitted_rows(10**6, 10)
    assert len(many) == opinion_pool.FITTED and many[0] == 0 and many[-1] == 10**6 - 1
    assert np.ptp(np.diff(many)) <= 1
    assert len(opinion_pool.fitted_rows(10**6, 10_000)) == opinion_pool.FITTED_NUMBERS // 10_000
    assert opinion_pool.fitted_rows(3, 10**9).tolist() == [0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (6, 1), (6, 3)])
@pytest.mark.parametrize("kernel", [np.nan, 0.04], ids=["models", "with votes"])
def test_extremes_stay_finite(shape, kernel):
    size, num_classes = shape
    certain = np.eye(num_classes)[np.zeros(size, int)]
    labels = [0, num_classes - 1]  # certain and right, certain and wrong
    for label, alone in itertools.product(labels, (False, True)):
        named = (np.arange(num_classes) == label) | (not alone)
        pool = opinion_pool.fit([certain], np.full(size, label), named, kernel)
        pooled = np.asarray(opinion_pool.pooled([certain], pool.weights, pool.biases))
        assert np.isfinite(pool.weights).all() and np.isfinite(pool.biases).all()
        assert (pooled > 0).all()
        np.testing.assert_allclose(pooled.sum(1), 1, rtol=1e-5)


def test_a_class_that_no_label_names_takes_no_part_in_the_fit(world):
    """However sure of it the sources are: the others have the weights that they have without it."""
    given, one, other, _ = world
    strange = np.arange(SIZE)[:, None] % 3 == 0
    sure = np.where(strange, 0.9, 0.0001)
    wider = [np.hstack([source * (1 - sure), sure]) for source in (one, other)]
    plain = opinion_pool.fit([one, other], given, ALL, 0.04)
    found = opinion_pool.fit(wider, given, np.append(ALL, False), 0.04)
    np.testing.assert_allclose(found.weights, plain.weights, atol=1e-3)
    np.testing.assert_allclose(found.biases, [*plain.biases, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([[0, 1, 2, 0], [0, 1, 2, 0]], 1.0),
        ([[0, 1, 2, 0], [0, 1, 0, 1]], 0.5),
        ([[0, 1, 2, 0], [0, 1, 0, 1], [0, 0, 0, 0]], (2 / 4 + 2 / 4 + 2 / 4) / 3),
        ([[0, 1, 2, 0]], 1.0),
    ],
)
def test_agreement_is_the_mean_over_pairs(named, expected):
    opinions = [np.eye(3, dtype=np.float32)[classes] for classes in named]
    assert opinion_pool.agreement(opinions) == pytest.approx(expected)
