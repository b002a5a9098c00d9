"""ELR: the running targets and the gradient, against float64 NumPy."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base as recipe
from dull_jax.methods import base
from dull_jax.methods.elr import Method, updated_targets
from dull_jax.models.axis import AXIS

N, K, SHARD = 10, 4, 3


class Offset:
    """A network whose logits are its images plus its parameters [K]."""

    def apply(self, variables, images, train, mutable, method):
        return {"logits": images + variables["params"]}, {}


def clipped(logits):
    e = np.exp(logits - logits.max())
    return np.clip(e / e.sum(), 1e-4, 1 - 1e-4)


def after(targets, places, probs, beta):
    """The definition, one sample after the other; a sample's second row in a batch is ignored."""
    new, seen = targets.copy(), set()
    for i, p in zip(places, probs, strict=True):
        if i not in seen:
            new[i] = beta * targets[i] + (1 - beta) * p / sum(p)
        seen.add(i)
    return new


@pytest.mark.parametrize("places", [[7, 0, 3, 9, 1, 2], [7, 0, 7, 3, 0, 7]], ids=["once", "twice"])
def test_targets(places):
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.ones(K), N)
    probs = np.clip(rng.dirichlet(np.full(K, 0.05), 6), 1e-4, 1 - 1e-4)
    actual = updated_targets(*map(jnp.array, (targets, places, probs)), 0.7)
    np.testing.assert_allclose(actual, after(targets, places, probs, 0.7), atol=1e-6)


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_loss_and_gradient_on_two_shards(tau):
    rng = np.random.default_rng(1)
    train = types.SimpleNamespace(given=rng.integers(0, K, N), num_classes=K)
    config = recipe.get_config()
    config.elr.tau = tau
    method = Method(config, Offset(), train)
    log_prior = np.log(rng.dirichlet(np.ones(K))).astype(np.float32)
    assert (method.init_samples()["targets"] == np.zeros((N, K))).all()
    targets = rng.dirichlet(np.ones(K), N)
    halves = jnp.array(targets.reshape(2, N // 2, K))
    images = rng.normal(0, 2, (2, SHARD, K)).astype(np.float32)
    images[0, 0, 0] = 20.0  # a certain prediction: clipped, no gradient through it
    places = np.array([[4, 1, 8], [0, 4, 5]])

    def shard(params, images, places, half):
        own = types.SimpleNamespace(batch_stats={}, samples={"targets": half})
        given = jnp.array(train.given)[places]
        batch = {"main": base.Examples({"weak": images}, given, places, {}, None)}
        return method.losses["elr"](params, own, (), batch, {"log_prior": log_prior}, None)

    step = jax.vmap(jax.value_and_grad(shard, has_aux=True), (None, 0, 0, 0), axis_name=AXIS)
    (loss, aux), gradient = step(np.zeros(K, np.float32), images, places, halves)

    flat, order = images.reshape(-1, K).astype(np.float64) + tau * log_prior, places.ravel()
    new = after(targets, order, [clipped(z) for z in flat], 0.7)

    def total(offset):
        """The targets are constants here: nothing of the gradient goes through them."""
        value = 0.0
        for z, i in zip(flat + offset, order, strict=True):
            cross_entropy = np.log(np.exp(z - z.max()).sum()) + z.max() - z[train.given[i]]
            value += cross_entropy + 3 * np.log(1 - new[i] @ clipped(z))
        return value / len(order)

    assert float(loss.mean()) == pytest.approx(total(np.zeros(K)), rel=1e-5)
    slopes = [(total(h) - total(-h)) / 2e-5 for h in 1e-5 * np.eye(K)]
    np.testing.assert_allclose(gradient.mean(0), slopes, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(aux.samples["targets"].reshape(N, K), new, atol=1e-6)
