"""The mixtures against scikit-learn's, and groups that leave nothing to fit."""

import warnings

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from dull_jax.stats import mixture


def two_heaps(rng, n, share=0.3):
    return np.where(rng.random(n) < share, rng.normal(0.7, 0.12, n), rng.normal(0.2, 0.06, n))


SHAPES = {
    "two_heaps": two_heaps,
    "overlapping": lambda rng, n: np.where(
        rng.random(n) < 0.5, rng.normal(0.2, 0.1, n), rng.normal(0.5, 0.2, n)
    ),
    "one_heap": lambda rng, n: rng.beta(2, 8, n),
    "heavy_tail": lambda rng, n: rng.exponential(size=n),
    "ties": lambda rng, n: np.round(two_heaps(rng, n), 1),
}


# One shape for most tests: N and G decide what is compiled.
GROUPS, SAMPLES = 7, 1000


def reference(values, reg=5e-4, max_iter=100, tol=1e-6):
    """scikit-learn in float64 from the best cut, found by trying every one.

    Returns weights, means, variances (lower mean first), posterior of the lower, steps taken.
    """
    ordered = np.sort(values)
    cuts = range(1, len(ordered))
    loss = [ordered[:c].var() * c + ordered[c:].var() * (len(ordered) - c) for c in cuts]
    low, high = np.split(ordered, [1 + int(np.argmin(loss))])
    model = GaussianMixture(
        2,
        reg_covar=reg,
        tol=tol,
        max_iter=max_iter,
        weights_init=[len(low) / len(values), len(high) / len(values)],
        means_init=[[low.mean()], [high.mean()]],
        precisions_init=[[[1 / (low.var() + reg)]], [[1 / (high.var() + reg)]]],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # max_iter reached: so does ours
        model.fit(values[:, None])
    order = np.argsort(model.means_.ravel())
    return (
        model.weights_[order],
        model.means_.ravel()[order],
        model.covariances_.ravel()[order],
        model.predict_proba(values[:, None])[:, order[0]],
        model.n_iter_,
    )


def groups_of_every_size(shape):
    rng = np.random.default_rng(0)
    sizes = [540, 180, 129, 128, 20, 3]
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    values = np.empty(len(group))
    for g, n in enumerate(sizes):
        values[group == g] = SHAPES[shape](rng, n)
    return values, group


@pytest.mark.parametrize("max_iter", [1, 10, 60])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_step_is_that_of_scikit_learn(shape, max_iter):
    """tol=0 runs both for the same number of steps, so only the arithmetic is compared."""
    values, group = groups_of_every_size(shape)
    fitted = mixture.fit(values, group, GROUPS, max_iter=max_iter, tol=0)
    for g in range(6):
        weights, means, variances, posterior, steps = reference(
            values[group == g], max_iter=max_iter, tol=0
        )
        assert steps == max_iter
        np.testing.assert_allclose(fitted.weights[g], weights, atol=2e-5)
        np.testing.assert_allclose(fitted.means[g], means, atol=2e-5)
        np.testing.assert_allclose(fitted.variances[g], variances, atol=2e-5)
        np.testing.assert_allclose(fitted.posterior_low[group == g], posterior, atol=2e-5)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("shape", SHAPES)
def test_stops_within_two_steps_of_scikit_learn(shape, tol):
    """The likelihood's change creeps past `tol`, where float32 may be a step early or late."""
    values, group = groups_of_every_size(shape)
    fitted = mixture.fit(values, group, GROUPS, tol=tol)
    for g in range(6):
        mine = fitted.posterior_low[group == g]
        steps = reference(values[group == g], tol=tol)[-1]
        near = range(max(1, steps - 2), min(100, steps + 2) + 1)
        others = [reference(values[group == g], max_iter=n, tol=0)[3] for n in near]
        assert min(np.abs(mine - other).max() for other in others) < 2e-5


def test_well_separated_heaps_of_a_large_class():
    values = two_heaps(np.random.default_rng(1), 5000)
    fitted = mixture.fit(values, np.zeros(5000, int), 1)
    np.testing.assert_allclose(fitted.posterior_low, reference(values)[3], atol=2e-5)


@pytest.mark.parametrize(("offset", "scale"), [(1e6, 1e-2), (-5.0, 1e4), (0.0, 1e-12), (0, 1e30)])
def test_units_do_not_matter(offset, scale):
    values, group = two_heaps(np.random.default_rng(2), SAMPLES), np.arange(SAMPLES) % GROUPS
    want = mixture.fit(values, group, GROUPS)
    got = mixture.fit(values * scale + offset, group, GROUPS, reg=5e-4 * scale**2)
    np.testing.assert_allclose(got.posterior_low, want.posterior_low, atol=1e-4)
    np.testing.assert_allclose((got.means - offset) / scale, want.means, rtol=1e-4)
    np.testing.assert_allclose(got.variances / scale**2, want.variances, rtol=1e-3)


def test_normalize_is_a_fit_of_min_max_values():
    values = two_heaps(np.random.default_rng(3), SAMPLES) * 7 - 2
    group = np.arange(SAMPLES) % GROUPS
    got = mixture.fit(values, group, GROUPS, normalize=True)
    want = mixture.fit(mixture.min_max(values, group, GROUPS), group, GROUPS)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert ((got.means >= 0) & (got.means <= 1)).all()


@pytest.mark.parametrize("normalize", [False, True])
def test_groups_that_cannot_be_split(normalize):
    rng = np.random.default_rng(4)
    #         0: none, 1: one, 2: two, 3: all equal, 4: two equal, 5: many, 6: none
    group = np.repeat([1, 2, 3, 4, 5], [1, 2, 100, 2, 895])
    values = np.concatenate([[3.0], [1.0, 2.0], np.full(100, 0.7), [5, 5], two_heaps(rng, 895)])
    fitted = mixture.fit(values, group, GROUPS, normalize=normalize)
    assert all(np.isfinite(a).all() for a in fitted)
    for g in (0, 1, 3, 4, 6):
        assert fitted.weights[g].tolist() == [0.5, 0.5]
        assert fitted.variances[g].tolist() == [5e-4, 5e-4]
        assert (fitted.posterior_low[group == g] == 0.5).all()
    means = [0, 0, 0, 0] if normalize else [0, 3, 0.7, 5]
    assert fitted.means[[0, 1, 3, 4], 0] == pytest.approx(means)
    assert fitted.posterior_low[group == 2] == pytest.approx([1, 0])


def test_nothing_at_all_and_one_far_value():
    empty = mixture.fit(np.zeros(0), np.zeros(0, int), GROUPS)
    assert empty.means.shape == (GROUPS, 2) and empty.posterior_low.shape == (0,)
    values = np.append(np.zeros(SAMPLES - 1), 1e8)
    fitted = mixture.fit(values, np.zeros(SAMPLES, int), GROUPS)
    assert all(np.isfinite(a).all() for a in fitted)
    assert (fitted.posterior_low[:-1] > 0.99).all() and fitted.posterior_low[-1] < 0.01


def test_means_ascend_and_a_group_ignores_the_others():
    rng = np.random.default_rng(5)
    group = rng.integers(0, GROUPS, SAMPLES)
    values = rng.random(SAMPLES) ** (1 + group % 3)
    fitted = mixture.fit(values, group, GROUPS)
    assert (fitted.means[:, 0] <= fitted.means[:, 1]).all()
    np.testing.assert_allclose(fitted.weights.sum(1), 1, atol=1e-6)
    other = np.where(group == 3, values, rng.random(SAMPLES))
    again = mixture.fit(other, group, GROUPS)
    np.testing.assert_array_equal(again.posterior_low[group == 3], fitted.posterior_low[group == 3])


def test_compiles_once_whatever_the_group_sizes():
    rng = np.random.default_rng(6)
    mixture.fit(rng.random(SAMPLES), rng.integers(0, GROUPS, SAMPLES), GROUPS)
    before = mixture._em._cache_size()
    group = np.repeat([0, 1, 4], [900, 90, 10])
    mixture.fit(rng.random(SAMPLES), group, GROUPS, tol=1e-2, max_iter=3)
    assert mixture._em._cache_size() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(bad):
    with pytest.raises(ValueError, match="position 2"):
        mixture.fit(np.array([0.0, 1.0, bad]), np.zeros(3, int), 1)
    with pytest.raises(ValueError, match="groups must be"):
        mixture.fit(np.array([0.0, 1.0]), np.array([0, 1]), 1)
