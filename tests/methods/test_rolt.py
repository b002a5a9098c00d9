"""RoLT: which labels are doubted, and the soft labels of each part of training."""

import types

import jax
import numpy as np
import pytest

from configs import base as recipe
from dull_jax.methods import base
from dull_jax.methods.rolt import Method, split
from dull_jax.models.axis import AXIS

K = 3
DOUBTED = np.array([False, True, False, True, True, False])
GIVEN = np.array([0, 0, 1, 1, 2, 2], np.int32)
ERM, NCM = np.array([0, 1, 1, 1, 0, 2]), np.array([0, 2, 1, 0, 0, 1])


@pytest.fixture
def method():
    config = recipe.get_config()
    config.train.epochs = 10
    return Method(config, None, types.SimpleNamespace(given=GIVEN, num_classes=K))


def run_at(method, epoch, memory=None):
    """A run whose network predicts `ERM`, and has one feature direction a class."""
    memory = method.init_memory() if memory is None else memory
    logged = {}
    seen = {"logits": np.eye(K, dtype=np.float32)[ERM], "features": np.eye(K)[GIVEN]}
    return types.SimpleNamespace(
        epoch=epoch, memory=memory, observe=lambda *a, **k: seen, log=logged.update, logged=logged
    )


def at(method, epoch, **fields):
    method.config.rolt.update(fields)
    memory = {
        "erm": np.eye(K, dtype=np.float32)[ERM],
        "ncm": np.eye(K, dtype=np.float32)[NCM] - 1,
        "labels": np.where(DOUBTED, ERM, GIVEN),
    }
    return method._targets(run_at(method, epoch, memory), DOUBTED)


def test_labels_stay_as_given_first(method):
    np.testing.assert_array_equal(at(method, 3), np.eye(K)[GIVEN])


def test_doubted_labels_are_softened(method):
    wanted = np.zeros((len(GIVEN), K))
    for i in range(len(GIVEN)):
        for label, weight in ((ERM[i], 0.4), (NCM[i], 0.2), (GIVEN[i], 0.2)):
            wanted[i, label if DOUBTED[i] else GIVEN[i]] += weight
        for label in range(K):
            wanted[i, label if DOUBTED[i] else GIVEN[i]] += 0.2 / K
    np.testing.assert_allclose(at(method, 4), wanted, atol=1e-6)
    np.testing.assert_allclose(at(method, 9), wanted, atol=1e-6)


def test_drw_fixes_labels_and_weighs_classes(method):
    fixed = np.where(DOUBTED, ERM, GIVEN)
    raw = [(1 - 0.9999) / (1 - 0.9999 ** float(max(sum(fixed == k), 1))) for k in range(K)]
    wanted = np.zeros((len(GIVEN), K))
    for i in range(len(GIVEN)):
        wanted[i, fixed[i]] += 0.5
        for label in range(K):
            wanted[i, label if DOUBTED[i] else GIVEN[i]] += 0.5 / K
    wanted *= K * np.array(raw) / sum(raw)
    np.testing.assert_allclose(at(method, 8, reweight_from=0.8), wanted, rtol=1e-5)


def test_labels_are_fixed_once(method, monkeypatch):
    clean = 1 - 0.9 * DOUBTED.astype(np.float32)
    distances = np.zeros((len(GIVEN), K), np.float32)
    monkeypatch.setattr("dull_jax.methods.rolt.split", lambda *a: (clean, distances))
    method.config.rolt.reweight_from = 0.8
    memory = method.init_memory()
    for epoch in range(10):
        run = run_at(method, epoch, memory)
        (phase,) = method.epoch(run)
        wanted = GIVEN if epoch < 8 else np.where(DOUBTED, ERM, GIVEN)
        np.testing.assert_array_equal(memory["labels"], wanted)
        assert phase.streams["main"].columns["target"].dtype == np.float32
        assert {name: a.dtype for name, a in memory.items()} == {
            "clean": np.float32, "erm": np.float32, "ncm": np.float32, "labels": np.int32
        }  # fmt: skip
        clean = np.ones_like(clean) if epoch >= 8 else clean  # later doubts change nothing
    score, suggested = method.score_labels(run)
    assert run.logged["rolt/doubted"] == 0 and (score <= 0.5).all()
    np.testing.assert_array_equal(suggested, ERM)


def test_scores_are_averaged_over_epochs(method):
    memory, wanted = method.init_memory(), np.zeros((len(GIVEN), K))
    for epoch in range(4):
        run = run_at(method, epoch, memory)
        seen = run.observe()
        run.observe = lambda *a, seen=seen, epoch=epoch, **k: (
            seen | {"logits": seen["logits"] * np.float32(epoch + 1)}
        )
        list(method.epoch(run))
        wanted += 0.6 ** (3 - epoch) * 0.4 * (epoch + 1) * np.eye(K)[ERM]
    np.testing.assert_allclose(memory["erm"], wanted, rtol=1e-5)


def test_wrong_labels_are_far_from_their_prototype():
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(K), [200, 60, 20])
    given = true.copy()
    wrong = np.sort(rng.choice(len(true), 50, replace=False))
    given[wrong] = (true[wrong] + 1) % K
    features = (np.eye(8)[true] * 3 + 1 + rng.normal(0, 0.3, (len(true), 8))).astype(np.float32)
    clean, distances = split(features, given, K + 1)
    flagged = clean < 0.5
    assert flagged[wrong].mean() > 0.95 and np.delete(flagged, wrong).mean() < 0.3
    # The prototypes: means of centred features of length 1 over the labels believed.
    x = features.astype(np.float64)
    x = x - x.mean(0)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    believed = given == true
    for k in range(K):
        mean = x[(given == k) & believed].mean(0)
        np.testing.assert_allclose(distances[:, k], ((x - mean) ** 2).sum(1), atol=0.15)
    assert (distances[:, K] > distances[:, :K].max(1)).all(), "nobody has the last class"
    nearest = distances.argmin(1)
    assert (nearest == true).mean() > 0.99


def test_a_class_that_cannot_be_split_is_trusted():
    features = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    features[5:9] = features[5]
    given = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2])
    clean, distances = split(features, given, K)
    assert (clean[4:] >= 0.5).all() and np.isfinite(distances).all()
    assert all((clean[given == k] >= 0.5).any() for k in range(K))


def test_loss_is_one_cross_entropy_weighted_over_the_global_batch():
    class Identity:
        def apply(self, variables, images, train, mutable, method=None):
            return {"logits": images}, {}

    rng = np.random.default_rng(3)
    logits = rng.normal(size=(2, 4, K)).astype(np.float32)
    target = (rng.dirichlet(np.ones(K), (2, 4)) * [0.3, 1.0, 1.7]).astype(np.float32)
    method = Method(recipe.get_config(), Identity(), None)

    def shard(logits, target):
        given = np.zeros(4, int)
        batch = {"main": base.Examples({"weak": logits}, given, None, {"target": target}, None)}
        own = types.SimpleNamespace(batch_stats={})
        return method.losses["rolt"](None, own, (), batch, {}, None)[0]

    actual = jax.vmap(shard, axis_name=AXIS)(logits, target).mean()
    total = 0.0
    for z, t in zip(logits.reshape(-1, K).astype(np.float64), target.reshape(-1, K), strict=True):
        total += sum(t[k] * (np.log(np.exp(z).sum()) - z[k]) for k in range(K))
    assert float(actual) == pytest.approx(total / target.sum(), rel=1e-5)
