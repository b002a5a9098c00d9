"""An update tells by its length whether what it made is finite."""

import types

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dull_jax.train import step
from dull_jax.train.state import NetState


@pytest.mark.parametrize(
    ("gradient", "variance", "finite"),
    [(1.0, 2.0, True), (1.0, np.inf, False), (np.nan, 2.0, False)],
)
def test_a_state_that_is_not_finite_shows(gradient, variance, finite, monkeypatch):
    monkeypatch.setattr(step.axis, "pmean", lambda tree: tree)
    optimizer = optax.identity()
    params = {"head": {"kernel": jnp.ones(3)}}
    own = NetState(
        step=jnp.int32(0), params=params, batch_stats={}, opt=optimizer.init(params), average={},
        extra={}, samples={},
    )  # fmt: skip
    method = types.SimpleNamespace(
        learning_rates=lambda params: {"head": {"kernel": 1.0}}, project=lambda params: params
    )
    aux = types.SimpleNamespace(
        batch_stats={"var": jnp.full(2, variance)}, extra=None, samples=None
    )
    grads = {"head": {"kernel": jnp.full(3, gradient)}}
    spec = step.StepSpec(method, None, {}, None, optimizer, ema=0.0)
    new, length = step.apply_gradients(own, grads, aux, 0.5, spec)
    assert bool(jnp.isfinite(length)) is finite
    if finite:
        np.testing.assert_allclose(length, 0.5 * np.sqrt(3))
        np.testing.assert_allclose(new.params["head"]["kernel"], 0.5)
