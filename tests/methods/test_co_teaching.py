"""Co-teaching: what is picked, by whom, and how much of a batch."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base as recipe
from dull_jax.errors import UserError
from dull_jax.methods import base
from dull_jax.methods.co_teaching import Method, smallest
from dull_jax.models.axis import AXIS


class Offset:
    """A network whose logits are its images plus its parameters [K]."""

    def apply(self, variables, images, train, mutable=None, method=None):
        outputs = {"logits": images + variables["params"]}
        return (outputs, {}) if mutable else outputs


@pytest.fixture
def method():
    config = recipe.get_config()
    config.train.batch_size, config.co_teaching.ramp = 20, 4
    return Method(config, Offset(), types.SimpleNamespace(given=np.zeros(50, int), num_classes=3))


def cross_entropies(logits, labels):
    logits = logits.astype(np.float64)
    sums = np.log(np.exp(logits).sum(1))
    return np.array([s - z[y] for s, z, y in zip(sums, logits, labels, strict=True)])


def kept(method, epoch):
    first, second = method.epoch(types.SimpleNamespace(epoch=epoch))
    assert (first.network, second.network) == (0, 1)
    assert first.constants == second.constants
    return int(first.constants["kept"])


@pytest.mark.parametrize("count", [1, 5, 12])
def test_the_smallest_are_picked(count):
    losses = np.random.default_rng(0).normal(size=12)
    actual = np.asarray(smallest(jnp.array(losses), count))
    assert actual.sum() == count
    assert count == 12 or losses[actual].max() < losses[~actual].min()


def test_of_equal_losses_the_first_are_picked():
    actual = np.asarray(smallest(jnp.array([2.0, 1.0, 1.0, 1.0]), 2))
    assert actual.tolist() == [False, True, True, False]


def test_the_share_kept_falls_to_what_the_noise_leaves(method):
    method.config.noise.rate = 0.3  # known, unless a rate is set
    assert [kept(method, epoch) for epoch in (0, 2, 4, 9)] == [20, 17, 14, 14]
    method.config.co_teaching.forget_rate = 0.5
    assert [kept(method, epoch) for epoch in (0, 2, 4, 9)] == [20, 15, 10, 10]
    method.config.co_teaching.forget_rate = 0.99
    assert kept(method, 9) == 1


def test_without_noise_nothing_is_left_out(method):
    method.config.noise.name = "none"
    assert kept(method, 9) == 20


@pytest.mark.parametrize(
    ("noise", "data"), [("file", "cifar10"), ("none", "folder"), ("none", "embeddings")]
)
def test_labels_of_which_nobody_knows_how_many_are_wrong(method, noise, data):
    config = method.config
    config.noise.name, config.data.name = noise, data
    with pytest.raises(UserError, match=r"forget_rate: .* set it, as to 0.2"):
        Method.validate(config)
    config.co_teaching.forget_rate = 0.2
    Method.validate(config)
    assert kept(method, 9) == 16


@pytest.mark.parametrize("count", [4, 10])
def test_a_network_learns_what_its_peer_finds_small_in_the_global_batch(method, count):
    rng = np.random.default_rng(2)
    images = rng.normal(size=(2, 5, 3)).astype(np.float32)
    labels = rng.integers(0, 3, (2, 5))
    mine, theirs = np.array([[2, 0, -2], [-2, 1, 1]], np.float32)
    own, peer = (types.SimpleNamespace(params=p, batch_stats={}) for p in (mine, theirs))

    def shard(params, images, given):
        batch = {"main": base.Examples({"weak": images}, given, None, {}, None)}
        constants = {"kept": np.int32(count)}
        return method.losses["co_teaching"](params, own, (peer,), batch, constants, None)

    step = jax.vmap(jax.value_and_grad(shard, has_aux=True), (None, 0, 0), axis_name=AXIS)
    (loss, aux), gradient = step(mine, images, labels)

    flat, given = images.reshape(-1, 3), labels.ravel()
    picked = np.argsort(cross_entropies(flat + theirs, given))[:count]
    if count == 4:
        own_pick = np.argsort(cross_entropies(flat + mine, given))[:count]
        assert set(picked) != set(own_pick), "else the test could not tell whose pick it was"

    def total(params):
        return cross_entropies(flat[picked] + params.astype(np.float64), given[picked]).mean()

    assert float(loss.mean()) == pytest.approx(total(mine), rel=1e-5)
    slopes = [(total(mine + h) - total(mine - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
    np.testing.assert_allclose(gradient.mean(0), slopes, atol=1e-4)
    sums, counts = aux.metrics["loss"]
    assert float(counts.sum()) == count and float(sums.sum()) / count == pytest.approx(total(mine))
