import jax.numpy as jnp
import numpy as np
import pytest

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
