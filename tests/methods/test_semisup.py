"""The steps of co-training against float64 NumPy, and DaSC's and DivideMix's own bookkeeping."""

import itertools
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from test_every_method import recipe

from dull_jax import models
from dull_jax.data.dataset import TrainSet
from dull_jax.methods import base, dasc, dividemix, semisup, sfa
from dull_jax.methods.base import Examples
from dull_jax.models.axis import AXIS

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_draws_in_any_order():
    """Which worker runs which test must not change what it draws."""
    rng.bit_generator.state = np.random.default_rng(0).bit_generator.state


B, K = 6, 4


def rows(*shape):
    drawn = rng.uniform(0.05, 1, shape)
    return drawn / drawn.sum(-1, keepdims=True)


def on_one_device(function, *arguments):
    """`function` inside a mapped step of one device."""
    batched = jax.tree.map(lambda a: jnp.asarray(a)[None], arguments)
    return jax.tree.map(lambda a: np.asarray(a[0]), jax.pmap(function, AXIS)(*batched))


def sharpened(probs, temperature):
    out = np.array([[p ** (1 / temperature) for p in row] for row in probs])
    return out / out.sum(1)[:, None]


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_sharpening_and_co_refinement(temperature):
    probs, given = rows(B, K), rng.integers(0, K, B)
    trust = np.array([0, 1, 0.5, 0.2, 0.9, 0.3])
    np.testing.assert_allclose(
        semisup.sharpen(jnp.asarray(probs), temperature), sharpened(probs, temperature), rtol=1e-5
    )
    blended = [
        [trust[i] * (given[i] == k) + (1 - trust[i]) * probs[i, k] for k in range(K)]
        for i in range(B)
    ]
    found = semisup.refined(jnp.asarray(given), jnp.asarray(trust), jnp.asarray(probs), temperature)
    np.testing.assert_allclose(found, sharpened(blended, temperature), rtol=1e-5)


def test_mixup_takes_most_of_a_row_and_the_rest_of_another():
    parts = [rng.normal(size=(B, 2, 2, 1)).astype(np.float32) for _ in range(4)]
    targets = [rows(B, K).astype(np.float32) for _ in range(4)]
    key = jax.random.key(3)
    images, mixed = on_one_device(
        lambda *a: semisup.mixup(key, list(a[:4]), list(a[4:]), 4.0), *parts, *targets
    )
    before, labels = np.concatenate(parts).reshape(4 * B, -1), np.concatenate(targets)
    found, lams = [], []
    for row, label in zip(images.reshape(4 * B, -1), mixed, strict=True):
        fits = []  # every possible partner, and the lambda that it would need
        me = len(found)
        for other in range(4 * B):
            difference = before[me] - before[other]
            length = difference @ difference or 1
            lam = float((row - before[other]) @ difference / length)
            image = lam * before[me] + (1 - lam) * before[other]
            target = lam * labels[me] + (1 - lam) * labels[other]
            if np.abs(np.append(image - row, target - label)).max() < 1e-4:
                fits.append((other, lam))
        assert fits, "a blend of two rows, images and labels alike"
        alone = np.abs(row - before[me]).max() < 1e-5
        found.append(me if alone else fits[0][0])
        lams += [] if alone else [fits[0][1]]
    assert sorted(found) == list(range(4 * B)), "partners are a permutation"
    np.testing.assert_allclose(lams, lams[0], atol=1e-3)
    assert 0.5 <= lams[0] < 1


def test_consistency_and_evenness():
    probs, targets = rows(B, K), rows(B, K)
    expected = [sum((probs[i, k] - targets[i, k]) ** 2 for k in range(K)) / K for i in range(B)]
    np.testing.assert_allclose(
        semisup.consistency(jnp.asarray(probs), jnp.asarray(targets)), expected, rtol=1e-5
    )
    mean = probs.mean(0)
    kl = sum(1 / K * np.log(1 / K / mean[k]) for k in range(K))
    found = on_one_device(semisup.evenness, probs.astype(np.float32))
    np.testing.assert_allclose(found, kl, rtol=1e-4)
    even = on_one_device(semisup.evenness, np.full((B, K), 1 / K, np.float32))
    assert abs(even) < 1e-6
    assert np.isfinite(on_one_device(semisup.evenness, np.eye(K, dtype=np.float32)[[0, 0]]))


def test_two_sided_loss():
    logits, targets = rng.normal(size=(4 * B, K)), rows(4 * B, K)
    trust = rng.uniform(size=B)
    probs = np.exp(logits) / np.exp(logits).sum(1)[:, None]
    loss_x = -(targets * np.log(probs)).sum(1)[: 2 * B]
    loss_u = ((probs - targets)[2 * B :] ** 2).mean(1)

    labelled = Examples(
        views={}, given=None, places=None, columns={"trust": jnp.asarray(trust)}, keys=None
    )
    total, by_example, metrics = semisup.two_sided(
        jnp.asarray(logits), jnp.asarray(targets), {"labelled": labelled}, 7.0
    )
    np.testing.assert_allclose(total, loss_x.mean() + 7 * loss_u.mean(), rtol=1e-5)
    np.testing.assert_allclose(by_example, (loss_x[:B] + loss_x[B:]) / 2, rtol=1e-5)
    assert float(metrics["unlabelled_loss"][0]) == pytest.approx(loss_u.sum(), rel=1e-5)


def test_given_label_loss_and_entropy():
    logits, given = 30 * rng.normal(size=(B, K)), rng.integers(0, K, B)
    probs = np.exp(logits - logits.max(1)[:, None])
    probs /= probs.sum(1)[:, None]
    expected = [-np.log(probs[i, given[i]]) for i in range(B)]
    # Near 0 the logarithm of a rounded probability keeps few digits: there 1e-14 is enough.
    loss = dividemix.given_label_loss(logits, given)
    np.testing.assert_allclose(loss, expected, rtol=1e-9, atol=1e-14)
    expected = [-sum(p * np.log(p) for p in row if p > 0) for row in probs]
    np.testing.assert_allclose(dividemix.entropy(jnp.asarray(logits)), expected, atol=1e-4)


def test_ramp_rises_to_lambda_u():
    config = ConfigDict({"semisup": {"lambda_u": 25.0, "warmup": 10, "ramp": 16}})
    values = [float(semisup.ramp(config, epoch)) for epoch in range(10, 40)]
    assert values[0] == pytest.approx(25 * 0.5 / 16)
    assert all(a <= b for a, b in itertools.pairwise(values))
    assert values[16:] == [25.0] * 14 and values[8] == pytest.approx(25 * 8.5 / 16)


@pytest.mark.parametrize(
    ("clean", "labelled", "unlabelled"),
    [
        ([1, 0, 1], [0, 2], [1]),
        ([1, 1, 1], [0, 1, 2], [0, 1, 2]),
        ([0, 0, 0], [0, 1, 2], [0, 1, 2]),
    ],
    ids=["both", "no wrong one", "no right one"],
)
def test_no_stream_is_empty(clean, labelled, unlabelled):
    split = semisup.Split(np.array(clean, bool), np.array([0.9, 0.1, 0.7], np.float32))
    found = semisup.streams(split, recipe("dividemix"), ("weak", "weak2"))
    assert found["labelled"].indices.tolist() == labelled
    assert found["unlabelled"].indices.tolist() == unlabelled
    assert found["labelled"].columns["trust"] is split.probability
    given = np.array([0, 0, 1])
    counted = np.maximum([sum(given[split.clean] == k) for k in range(3)], 0.5)
    log_prior = semisup.log_prior(split, given, 3)
    np.testing.assert_allclose(log_prior, np.log(counted / counted.sum()), rtol=1e-6)
    assert counted.min() == 0.5, "no class is without a logit"


@pytest.mark.parametrize(
    ("method", "loss"), [(dividemix, "mixmatch"), (sfa, "sfa"), (dasc, "dasc")]
)
def test_running_statistics_are_those_of_plain_images(method, loss):
    """Mixed images vary less: their averages would not fit what is evaluated."""
    config = recipe(method.__name__.rpartition(".")[2])
    network = models.build(config.model, 2, AXIS, method.Method.head)
    method = method.Method(config, network, train_set())
    draw = np.random.default_rng(1)
    variables = jax.jit(models.build(config.model, 2, None, method.head).init)(
        jax.random.key(0), jnp.zeros((1, 8, 8, 1))
    )
    net = Net(**variables, extra=method.init_extra(jax.random.key(1)))
    names = (*semisup.views(config), "weak3")
    batch = {
        side: Examples(
            {v: jnp.asarray(draw.normal(size=(B, 8, 8, 1)), jnp.float32) for v in names},
            jnp.arange(B) % 2,
            None,
            {"trust": jnp.full(B, 0.5)},
            jax.random.split(jax.random.key(2), B),
        )
        for side in ("labelled", "unlabelled")
    }
    constants = {"lambda_u": jnp.float32(1), "log_prior": jnp.zeros(2)}

    def step(net, batch, key):
        _, aux = method.losses[loss](net.params, net, (net,), batch, constants, key)
        plain = jnp.concatenate([x.views[v] for x in batch.values() for v in names[:2]])
        return aux.batch_stats, base.applied(network, net.params, net, plain)[1]

    found, expected = on_one_device(step, net, batch, jax.random.key(3))
    backbone = found["backbone"]
    jax.tree.map(np.testing.assert_array_equal, backbone, expected["backbone"])
    assert not np.allclose(jax.tree.leaves(backbone)[0], 0)


@flax.struct.dataclass
class Net:
    params: Any
    batch_stats: Any
    extra: Any


class Recorder:
    """An epoch's run that has seen nothing."""

    def __init__(self, epoch):
        self.epoch, self.memory, self.logged = epoch, {}, {}

    def log(self, values):
        self.logged |= values


def test_a_network_trains_on_the_split_of_the_other():
    splits = [semisup.Split(np.array(c, bool), np.array(c, np.float32)) for c in ([1, 0], [0, 1])]
    run, order = Recorder(5), []

    def select(n):
        order.append(f"split {n}")
        return splits[n]

    phases = semisup.co_training(run, 5, None, select, lambda n, split: (n, split.clean.tolist()))
    assert list(phases) == [(0, [False, True]), (1, [True, False])]
    assert order == ["split 0", "split 1"]
    assert run.memory["clean"].tolist() == [[1, 0], [0, 1]]
    assert list(semisup.co_training(Recorder(4), 5, lambda n: n, select, None)) == [0, 1]


def train_set(size=8):
    images = np.zeros((size, 8, 8, 1), np.uint8)
    given = (np.arange(size) % 2).astype(np.int32)
    return TrainSet(images, given, np.array([f"i{n}" for n in range(size)]), ("a", "b"))


def test_dasc_hands_banks_over_and_mimics_the_released_weights():
    config = recipe("dasc")
    method = dasc.Method(config, None, train_set())
    assert method.exchange(("bank of 0", "bank of 1")) == ("bank of 1", "bank of 0")
    probability = np.linspace(0.2, 0.9, 8).astype(np.float32)
    split = semisup.Split(probability > 0.5, probability)
    aligned = method._phase(Recorder(3), 0, split).streams["labelled"]
    np.testing.assert_array_equal(aligned.columns["trust"], probability)
    config.dasc.weights = "released"
    released = method._phase(Recorder(3), 0, split).streams["labelled"]
    trust = released.columns["trust"][released.indices]
    np.testing.assert_array_equal(trust, probability[: len(trust)])


def test_dividemix_averages_losses_over_epochs():
    config = recipe("dividemix", **{"dividemix.history": 3})
    train = train_set(40)
    method = dividemix.Method(config, None, train)
    memory, seen = method.init_memory(), []
    for epoch in range(5):
        logits = rng.normal(size=(40, 2))
        loss = dividemix.given_label_loss(logits, train.given)
        seen.append((loss - loss.min()) / (loss.max() - loss.min()))
        run = Recorder(epoch)
        run.memory, run.observe = memory, lambda n, logits=logits: {"logits": logits}
        method._split(run, 1)
        kept = seen[-3:][::-1]
        np.testing.assert_allclose(memory["history"][1][: len(kept)], kept, atol=1e-6)
        assert memory["splits"].tolist() == [0, epoch + 1]
