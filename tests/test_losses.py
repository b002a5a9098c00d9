import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from dull_jax import losses


def log_softmax64(z):
    z = z.astype(np.float64)
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.7])
def test_logit_adjusted_is_menon_eq_10(tau):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 7)).astype(np.float32) * 5
    labels, prior = rng.integers(0, 7, 50), rng.dirichlet(np.ones(7))
    # eq. 10: log[1 + sum_{j != y} (pi_j / pi_y)^tau exp(z_j - z_y)]
    z = logits.astype(np.float64)
    wanted = []
    for row, y in zip(z, labels, strict=True):
        others = [
            (prior[j] / prior[y]) ** tau * np.exp(row[j] - row[y]) for j in range(7) if j != y
        ]
        wanted.append(np.log1p(sum(others)))
    found = losses.logit_adjusted(
        jnp.array(logits), jnp.array(labels), jnp.log(jnp.array(prior)), tau
    )
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)


def test_soft_targets():
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(9, 4)), rng.dirichlet(np.ones(4), 9)
    wanted = -(targets * log_softmax64(logits)).sum(1)
    found = losses.cross_entropy(jnp.array(logits), jnp.array(targets))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_extreme_logits_stay_finite():
    logits = jnp.array([[1e4, -1e4], [-1e4, 1e4]])
    assert jnp.isfinite(losses.cross_entropy(logits, jnp.array([1, 1]))).all()


def test_negative_cosine_and_its_constant_side():
    rng = np.random.default_rng(0)
    p, z = rng.normal(size=(2, 6, 5)) * 3
    wanted = [-(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in zip(p, z, strict=True)]
    np.testing.assert_allclose(losses.negative_cosine(p, z), wanted, rtol=1e-5)
    slopes = jax.grad(lambda p, z: losses.negative_cosine(p, z).sum(), (0, 1))(
        jnp.array(p), jnp.array(z)
    )
    assert np.abs(slopes[0]).max() > 0.01 and not slopes[1].any()
    assert jnp.isfinite(losses.negative_cosine(jnp.zeros((1, 4)), jnp.zeros((1, 4)))).all()


def test_info_nce_is_moco_eq_1():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4 + 4 + 7, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query, key, negatives = np.split(rows, [4, 8])
    valid = np.array([1, 0, 1, 1, 0, 1, 1], bool)
    wanted = []
    for q, k in zip(query, key, strict=True):
        shares = [np.exp(q @ n / 0.2) for n, counts in zip(negatives, valid, strict=True) if counts]
        wanted.append(-np.log(np.exp(q @ k / 0.2) / (np.exp(q @ k / 0.2) + sum(shares))))
    found = losses.info_nce(jnp.array(query), jnp.array(key), jnp.array(negatives), valid, 0.2)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_info_nce_without_negatives_is_zero_with_a_finite_gradient():
    query = jnp.eye(3)
    valid = jnp.zeros(2, bool)
    value, slope = jax.value_and_grad(
        lambda q: losses.info_nce(q, query, jnp.zeros((2, 3)), valid, 0.2).sum()
    )(query)
    assert value == 0 and jnp.isfinite(slope).all()


def test_lambert_w_is_scipys():
    """Over [-1/e, 1e4], thickest at the edge, where W has a square root."""
    edge = -1 / np.e + np.append(0, np.logspace(-9, -0.5, 4000))
    points = np.concatenate([edge, np.linspace(-0.36, 3, 4000), np.logspace(-6, 4, 4000)])
    x = np.append(points, [-np.float32(1 / np.e), 0, 1e-30, 1e30]).astype(np.float32)
    wanted = special.lambertw(x.astype(np.float64)).real
    for function in (losses.lambert_w, jax.jit(losses.lambert_w)):
        np.testing.assert_allclose(function(x), wanted, rtol=1e-6, atol=1e-6)
    assert losses.lambert_w(jnp.float32(-1)) == -1, "below the edge counts as the edge"


@pytest.mark.parametrize("regulariser", [0.25, 1.0])
def test_superloss_is_the_least_over_the_weight(regulariser):
    """Against a search over s of (l - tau) s + lambda (log s)^2, which s* minimises locally."""
    loss, threshold = np.linspace(0, 6, 25), np.log(10)
    weight = np.asarray(losses.superloss_weight(jnp.array(loss), threshold, regulariser))
    found = losses.superloss(jnp.array(loss), weight, threshold, regulariser)
    for ell, s, value in zip(loss, weight, found, strict=True):
        grid = np.exp(np.linspace(-4, 1, 200_001))  # s > e lies beyond a maximum
        objective = (ell - threshold) * grid + regulariser * np.log(grid) ** 2
        best = objective.argmin()
        assert value == pytest.approx(objective[best], abs=1e-5)
        assert s == pytest.approx(grid[best], rel=1e-2)
    argument = np.maximum(-2 / np.e, (loss - threshold) / regulariser) / 2
    w = special.lambertw(argument + 1e-15).real  # nan at -1/e itself
    np.testing.assert_allclose(weight, np.exp(-w), rtol=1e-5)
    assert np.all(np.diff(weight) <= 0) and weight.max() <= np.e * 1.0001


def test_superloss_weight_is_constant_in_the_gradient():
    loss = jnp.array([0.0, 1.0, np.log(10), 4.0, 50.0])

    def total(loss):
        weight = losses.superloss_weight(loss, np.log(10), 1.0)
        return losses.superloss(loss, weight, np.log(10), 1.0).sum()

    slope = jax.grad(total)(loss)
    weight = losses.superloss_weight(loss, np.log(10), 1.0)
    np.testing.assert_allclose(slope, weight, rtol=1e-6)
    assert weight[2] == pytest.approx(1, abs=1e-5)


def test_ldam_is_a_softmax_with_the_label_lowered():
    rng = np.random.default_rng(0)
    cosines, labels = rng.uniform(-1, 1, (20, 5)), rng.integers(0, 5, 20)
    margins = rng.uniform(0, 0.5, 5)
    wanted = []
    for row, y in zip(cosines, labels, strict=True):
        own = np.exp(30 * (row[y] - margins[y]))
        wanted.append(-np.log(own / (own + sum(np.exp(30 * row[j]) for j in range(5) if j != y))))
    found = losses.ldam(*map(jnp.array, (cosines, labels, margins)), 30.0)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)


def test_early_learning_is_least_where_prediction_and_target_agree():
    rng = np.random.default_rng(0)
    probs, targets = rng.dirichlet(np.ones(6), 20), rng.dirichlet(np.ones(6), 20) * 0.8
    wanted = [np.log(1 - sum(t * p)) for t, p in zip(targets, probs, strict=True)]
    found = losses.early_learning(jnp.array(probs), jnp.array(targets))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    certain = jnp.array([[1 - 1e-4, 1e-4], [1e-4, 1 - 1e-4]])
    agree, differ = losses.early_learning(certain, jnp.array([[1.0, 0.0], [1.0, 0.0]]))
    assert agree == pytest.approx(np.log(1e-4), rel=1e-3)
    assert differ == pytest.approx(-1e-4, rel=0.1)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
def test_effective_number_weights(beta):
    counts = np.array([5000, 300, 1, 0, 20])
    raw = [1 / sum(beta**i for i in range(max(n, 1))) for n in counts]  # 1 + b + … + b^(n-1)
    found = losses.effective_number_weights(counts, beta)
    np.testing.assert_allclose(found, 5 * np.array(raw) / sum(raw), rtol=1e-6)
