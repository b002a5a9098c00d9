"""An update tells how far the weights moved, and whether what it made is finite."""

import types

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dull_jax.train import step
from dull_jax.train.state import NetState


def updated(gradient, variance, rate, monkeypatch):
    """(weights, length) after an update of three weights of 1, at 0.5 times their own rate."""
    monkeypatch.setattr(step.axis, "pmean", lambda tree: tree)
    optimizer = optax.identity()
    params = {"head": {"kernel": jnp.ones(3)}}
    own = NetState(
        step=jnp.int32(0), params=params, batch_stats={}, opt=optimizer.init(params), average={},
        extra={}, samples={},
    )  # fmt: skip
    method = types.SimpleNamespace(
        learning_rates=lambda params: {"head": {"kernel": rate}}, project=lambda params: params
    )
    aux = types.SimpleNamespace(
        batch_stats={"var": jnp.full(2, variance)}, extra=None, samples=None
    )
    grads = {"head": {"kernel": jnp.full(3, gradient)}}
    spec = step.StepSpec(method, None, {}, None, optimizer, ema=0.0)
    new, length = step.apply_gradients(own, grads, aux, 0.5, spec)
    return new.params["head"]["kernel"], length


@pytest.mark.parametrize("rate", [1.0, 10.0, 0.0])
def test_the_length_is_how_far_the_weights_moved(rate, monkeypatch):
    weights, length = updated(1.0, 2.0, rate, monkeypatch)
    np.testing.assert_allclose(weights, 1 - 0.5 * rate)
    np.testing.assert_allclose(length, np.linalg.norm(weights - 1), rtol=1e-6)


@pytest.mark.parametrize("rate", [1.0, 0.0], ids=["learns", "frozen"])
@pytest.mark.parametrize(
    ("gradient", "variance", "finite"),
    [(1.0, 2.0, True), (1.0, np.inf, False), (np.nan, 2.0, False)],
)
def test_a_state_that_is_not_finite_shows(gradient, variance, finite, rate, monkeypatch):
    _, length = updated(gradient, variance, rate, monkeypatch)
    assert bool(jnp.isfinite(length)) is finite
