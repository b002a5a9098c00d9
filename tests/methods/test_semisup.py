"""What the co-training methods share: the order of an epoch, its streams, the losses of a step."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from co_training import B, Recorder, batch, built, on_one_device, softmax64, train_set
from ml_collections import ConfigDict
from test_every_method import recipe

from dull_jax.methods import base, dasc, dividemix, semisup, sfa, tabasco
from dull_jax.methods.base import Examples

K = 4


class Scripted(semisup.CoTraining):
    """Splits are given, and phases say whose split they train on."""

    def __init__(self, splits, size=2, **fields):
        super().__init__(recipe("dividemix", **fields), None, train_set(size))
        self.splits, self.order = splits, []

    def split(self, run, n):
        self.order.append(f"split {n}")
        return self.splits[n]

    def training_phase(self, run, n, split):
        self.order.append(f"train {n}")
        return n, split.clean.tolist()


def split_of(clean):
    return semisup.Split(np.array(clean, bool), np.array(clean, np.float32))


def test_a_network_trains_on_the_split_of_the_other():
    method = Scripted(
        [split_of([1, 0]), split_of([0, 1])], **{"semisup.warmup": 0.05, "train.epochs": 100}
    )
    run = Recorder(5, method.init_memory())
    assert list(method.epoch(run)) == [(0, [False, True]), (1, [True, False])]
    assert method.order == ["split 0", "split 1", "train 0", "train 1"]
    assert run.memory["clean"].tolist() == [[1, 0], [0, 1]]
    assert run.logged == {"split/labelled_0": 0.5, "split/labelled_1": 0.5}


def test_the_warm_up_is_one_pass_of_each_network_over_everything():
    method = Scripted(None, **{"semisup.warmup": 0.05, "train.epochs": 100})
    for n, phase in enumerate(method.epoch(Recorder(4, method.init_memory()))):
        assert (phase.loss, phase.network) == ("warmup", n)
        assert phase.streams["main"].indices.tolist() == [0, 1]
        assert phase.streams["main"].batch_size == method.config.train.batch_size
    assert n == 1 and not method.order


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
    method = Scripted(None, size=3)
    phase = method.phase_on_split("mixmatch", Recorder(3), 1, split, constants={"more": 1})
    assert phase.network == 1 and set(phase.constants) == {"lambda_u", "more"}
    assert phase.streams["labelled"].indices.tolist() == labelled
    assert phase.streams["unlabelled"].indices.tolist() == unlabelled
    assert phase.streams["labelled"].columns["trust"] is split.probability
    assert phase.streams["labelled"].views == phase.streams["unlabelled"].views
    named = method.train.given[labelled]  # also where they are all of them
    counted = np.maximum([sum(named == k) for k in range(2)], 0.5)
    log_prior = method.labelled_log_prior(split)
    np.testing.assert_allclose(log_prior, np.log(counted / counted.sum()), rtol=1e-6)


def test_ramp_rises_to_lambda_u():
    fields = {"lambda_u": 25.0, "warmup": 0.1, "ramp": 16}
    config = ConfigDict({"semisup": fields, "train": {"epochs": 100}})
    values = [float(semisup.ramp(config, epoch)) for epoch in range(10, 40)]
    assert values[0] == pytest.approx(25 * 0.5 / 16)
    assert all(a <= b for a, b in itertools.pairwise(values))
    assert values[16:] == [25.0] * 14 and values[8] == pytest.approx(25 * 8.5 / 16)


def test_labels_are_scored_by_the_mean_of_the_splits():
    method = Scripted(None, **{"semisup.warmup": 0.02, "train.epochs": 100})
    logits = np.log(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32))
    run = Recorder(1, method.init_memory(), {"logits": logits})
    score, suggested = method.score_labels(run)  # no split yet: by the prediction
    np.testing.assert_allclose(score, [0.1, 0.6], rtol=1e-5)
    run.memory["clean"] = np.array([[1, 0.5], [0.5, 0]], np.float32)
    score, suggested = method.score_labels(run)
    assert score.tolist() == [0.25, 0.75] and suggested.tolist() == [0, 0]


def two_sided64(logits, targets, lambda_u):
    """(total, L_x of both views)."""
    probs, half = softmax64(logits), len(logits) // 2
    loss_x = -(targets * np.log(probs)).sum(1)[:half]
    loss_u = ((probs - targets)[half:] ** 2).mean(1)
    return loss_x.mean() + lambda_u * loss_u.mean(), loss_x, loss_u


def mixed_case():
    rng = np.random.default_rng(0)
    logits, balanced = rng.normal(size=(2, 4 * B, K))
    targets = rng.dirichlet(np.ones(K), 4 * B)
    trust = {"trust": jnp.asarray(rng.uniform(size=B))}
    labelled = Examples({}, None, None, trust, None)
    return logits, balanced, targets, {"labelled": labelled}


def test_two_sided_loss():
    logits, _, targets, examples = mixed_case()
    expected, loss_x, loss_u = two_sided64(logits, targets, 7.0)
    total, by_example, metrics = semisup.two_sided(
        jnp.asarray(logits), jnp.asarray(targets), examples, 7.0
    )
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    np.testing.assert_allclose(by_example, (loss_x[:B] + loss_x[B:]) / 2, rtol=1e-5)
    assert float(metrics["unlabelled_loss"][0]) == pytest.approx(loss_u.sum(), rel=1e-5)


def test_two_classifiers_share_the_targets():
    """The balanced one with the prior in its logits; only the other must name all classes."""
    logits, balanced, targets, examples = mixed_case()
    log_prior = np.log(np.array([0.4, 0.3, 0.2, 0.1]))
    constants = {"lambda_u": jnp.float32(7), "log_prior": jnp.asarray(log_prior)}

    def loss(logits, balanced):
        outputs = {"logits": logits, "balanced_logits": balanced}
        return semisup.two_classifier_loss(outputs, jnp.asarray(targets), examples, constants)[:2]

    total, by_example = on_one_device(loss, logits, balanced)
    plain, loss_x, _ = two_sided64(logits, targets, 7.0)
    raised, _, _ = two_sided64(balanced + log_prior, targets, 7.0)
    mean = softmax64(logits).mean(0)
    evenness = np.mean([np.log(1 / K / p) for p in mean])
    assert total == pytest.approx(plain + raised + evenness, rel=1e-5)
    np.testing.assert_allclose(by_example, (loss_x[:B] + loss_x[B:]) / 2, rtol=1e-5)


def test_two_classifiers_predict_by_the_mean_of_all_logits():
    outputs = {"a": np.array([[1.0, 2]]), "b": np.array([[3.0, 6]])}

    def forward(net, images):
        return {"logits": outputs[net], "balanced_logits": 3 * outputs[net]}

    logits = semisup.two_classifier_logits(("a", "b"), forward, None)
    np.testing.assert_allclose(logits, [[(1 + 3 + 3 + 9) / 4, (2 + 6 + 6 + 18) / 4]])


@pytest.mark.parametrize(
    ("module", "loss"),
    [(dividemix, "mixmatch"), (tabasco, "mixmatch"), (sfa, "sfa"), (dasc, "dasc")],
)
def test_running_statistics_are_those_of_plain_images(module, loss):
    """Mixed images vary less: their averages would not fit what is evaluated."""
    method, net = built(module)
    views = (*method.two_views, "weak3")
    constants = {"lambda_u": jnp.float32(1), "log_prior": jnp.zeros(2)}

    def step(net, batch, key):
        _, aux = method.losses[loss](net.params, net, (net,), batch, constants, key)
        plain = jnp.concatenate([x.views[v] for x in batch.values() for v in views[:2]])
        return aux.batch_stats, base.applied(method.network, net.params, net, plain)[1]

    moved, expected = on_one_device(step, net, batch(views), jax.random.key(3))
    backbone = moved["backbone"]
    jax.tree.map(np.testing.assert_array_equal, backbone, expected["backbone"])
    assert not np.allclose(jax.tree.leaves(backbone)[0], 0)


@pytest.mark.parametrize(
    ("share", "epochs", "expected"), [(0.3, 100, 30), (0.0, 100, 1), (0.3, 2, 1), (1.0, 7, 7)]
)
def test_the_warm_up_is_a_share_of_training_and_one_epoch_at_least(share, epochs, expected):
    fields = {"semisup": {"warmup": share}, "train": {"epochs": epochs}}
    assert semisup.warmup_epochs(ConfigDict(fields)) == expected
