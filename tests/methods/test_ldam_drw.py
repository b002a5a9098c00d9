"""LDAM-DRW: the margins, the weighted mean over the global batch, and when the weights begin."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base as recipe
from dull_jax.methods import base
from dull_jax.methods.ldam_drw import Method, margins
from dull_jax.models.axis import AXIS

COUNTS = np.array([40, 9, 3])


class Cosines:
    """A network whose images are its cosines."""

    def apply(self, variables, images, train, mutable=None, method=None):
        outputs = {"logits": images * variables["params"], "features": images}
        return (outputs, {}) if mutable else outputs


@pytest.fixture
def method():
    config = recipe.get_config()
    config.train.epochs = 10
    train = types.SimpleNamespace(
        given=np.repeat(np.arange(3), COUNTS), counts=COUNTS, num_classes=3
    )
    return Method(config, Cosines(), train)


def constants(method, epoch):
    (phase,) = method.epoch(types.SimpleNamespace(epoch=epoch))
    return phase.constants


def test_margins_fall_with_the_fourth_root_of_the_count():
    wanted = [n ** (-1 / 4) for n in COUNTS]
    wanted = [0.5 * m / max(wanted) for m in wanted]
    np.testing.assert_allclose(margins(COUNTS, 0.5), wanted, rtol=1e-6)
    np.testing.assert_allclose(margins(np.array([40, 0, 3]), 0.5)[1:], 0.5)


def test_weights_come_late(method):
    for epoch in (0, 7):
        np.testing.assert_array_equal(constants(method, epoch)["weights"], 1)
    raw = [(1 - 0.9999) / (1 - 0.9999**n) for n in COUNTS.tolist()]
    wanted = [3 * w / sum(raw) for w in raw]
    np.testing.assert_allclose(constants(method, 8)["weights"], wanted, rtol=1e-5)


def test_loss_is_the_weighted_mean_over_the_global_batch(method):
    rng = np.random.default_rng(0)
    cosines, labels = rng.uniform(-1, 1, (2, 8, 3)).astype(np.float32), rng.integers(0, 3, (2, 8))
    phase = jax.tree.map(jnp.array, constants(method, 9))

    def shard(images, given):
        own = types.SimpleNamespace(batch_stats={})
        batch = {"main": base.Examples({"weak": images}, given, None, {}, None)}
        return method.losses["ldam"](1.0, own, (), batch, phase, None)[0]

    actual = jax.vmap(shard, axis_name=AXIS)(cosines, labels).mean()
    total = weight = 0.0
    phase = constants(method, 9)
    for z, y in zip(cosines.reshape(-1, 3).astype(np.float64), labels.ravel(), strict=True):
        z = 30 * (z - phase["margins"] * (np.arange(3) == y))
        total += phase["weights"][y] * (np.log(np.exp(z - z.max()).sum()) + z.max() - z[y])
        weight += phase["weights"][y]
    assert float(actual) == pytest.approx(total / weight, rel=1e-5)


def test_predictions_are_scaled_cosines(method):
    net = types.SimpleNamespace(params=1.0, batch_stats={})
    images = np.array([[0.5, -1.0, 0.1]], np.float32)
    np.testing.assert_allclose(method.predict((net,), images), 30 * images, rtol=1e-6)
