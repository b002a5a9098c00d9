"""Stage 2: each loss is its formula, and a probe leaves the backbone as it is."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from test_every_method import quiet, recipe, source_of

import runs
from dull_jax.data import sources
from dull_jax.methods import two_stage
from dull_jax.models.axis import AXIS
from dull_jax.train import trainer

COUNTS = np.array([30, 10, 0, 2])
LOGITS = np.random.default_rng(0).normal(size=(8, 4)) * 3
GIVEN = np.array([0, 1, 3, 3, 0, 1, 0, 1])


@pytest.fixture
def toy(monkeypatch):
    source = source_of("images")
    monkeypatch.setattr(sources, "load", lambda *args, **options: source)


def value(kind, threshold="log_classes", weigh_by="plain", mean_loss=0.7):
    """(per-example losses, new extra state) of the method's loss on LOGITS."""
    config = recipe("two_stage", **{"two_stage.loss": kind, "two_stage.threshold": threshold})
    config.two_stage.tau, config.two_stage.regulariser = 0.8, 0.5
    config.two_stage.weigh_by = weigh_by
    train = types.SimpleNamespace(given=GIVEN, counts=COUNTS, num_classes=4)
    method = two_stage.Method(config, None, train)
    run = types.SimpleNamespace(epoch=0)
    constants = next(method.epoch(run)).constants
    own = types.SimpleNamespace(extra={"mean_loss": jnp.float32(mean_loss)})

    def robust(logits, given):
        main = types.SimpleNamespace(given=given)
        mean, aux = method._robust(logits, {}, own, main, constants)
        return mean, aux.per_example, aux.extra

    mapped = jax.pmap(robust, axis_name=AXIS)
    actual = mapped(LOGITS[None].astype(np.float32), GIVEN[None])
    mean, losses, extra = jax.device_get(actual)
    assert mean[0] == pytest.approx(losses.mean(), rel=1e-5)
    return losses[0], extra


def adjusted(tau):
    shares = np.array([30, 10, 0.5, 2]) / 42.5
    raised = LOGITS + tau * np.log(shares)
    return special.logsumexp(raised, axis=1) - raised[np.arange(8), GIVEN]


def super64(loss, judged, threshold, regulariser=0.5):
    argument = np.maximum(-2 / np.e, (judged - threshold) / regulariser) / 2
    s = np.exp(-special.lambertw(argument + 1e-15).real)
    return (loss - threshold) * s + regulariser * np.log(s) ** 2


def test_each_loss_is_its_formula():
    plain, la = adjusted(0), adjusted(0.8)
    for kind, weigh_by, wanted in (
        ("ce", "plain", plain),
        ("la", "plain", la),
        ("superloss", "plain", super64(plain, plain, np.log(4))),
        ("superloss", "adjusted", super64(plain, plain, np.log(4))),
        ("la_superloss", "plain", super64(la, plain, np.log(4))),
        ("la_superloss", "adjusted", super64(la, la, np.log(4))),
    ):
        actual, extra = value(kind, weigh_by=weigh_by)
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5, err_msg=kind)
        assert extra is None


def test_the_running_mean_as_threshold():
    judged = adjusted(0)
    threshold = 0.9 * 0.7 + 0.1 * judged.mean()
    actual, extra = value("la_superloss", "mean")
    assert extra["mean_loss"][0] == pytest.approx(threshold, rel=1e-5)
    np.testing.assert_allclose(
        actual, super64(adjusted(0.8), judged, threshold), rtol=1e-4, atol=1e-5
    )


def backbone(folder):
    state = runs.last_state(folder)
    parts = ("nets/0/params/backbone", "nets/0/batch_stats")
    return {n: leaf for n, leaf in state.items() if n.startswith(parts)}


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_probe_leaves_the_backbone_as_it_is(optimiser, toy, tmp_path):
    """Under weight decay of everything too; the classifier learns, and then all does."""
    fields = {
        "two_stage.probe_only": True,
        "optim.weight_decay": 0.1,
        "optim.decay": "all",
        "optim.name": optimiser,
        "optim.lr": 0.05 if optimiser == "sgd" else 1e-2,
    }
    trainer.train(recipe("two_stage", epochs=1, **fields), tmp_path / "one", quiet)
    trainer.train(recipe("two_stage", epochs=3, **fields), tmp_path / "three", quiet)
    fields |= {"two_stage.probe_only": False, "two_stage.probe_epochs": 2}
    trainer.train(recipe("two_stage", epochs=3, **fields), tmp_path / "tuned", quiet)
    one, three, tuned = (backbone(tmp_path / name) for name in ("one", "three", "tuned"))
    assert one and all(one[name].tobytes() == three[name].tobytes() for name in one)
    assert not any(np.array_equal(one[name], tuned[name]) for name in one if "kernel" in name)
    rows = runs.metrics(tmp_path / "three")
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]


def test_after_a_probe_the_backbone_begins_gently(toy, tmp_path):
    """AdamW moves a weight by the learning rate at first, however long the probe has been."""
    fields = {"optim.name": "adamw", "optim.lr": 1e-4, "optim.warmup_epochs": 0, "optim.ema": 0.0}
    fields |= {"optim.schedule": "constant", "optim.weight_decay": 0.0}
    fields |= {"train.batch_size": 512, "two_stage.probe_epochs": 3}
    trainer.train(recipe("two_stage", epochs=3, **fields), tmp_path / "probed", quiet)
    trainer.train(recipe("two_stage", epochs=4, **fields), tmp_path / "tuned", quiet)
    probed, tuned = (backbone(tmp_path / name) for name in ("probed", "tuned"))
    moved = [np.abs(tuned[n] - probed[n]).max() for n in probed if n.endswith("kernel")]
    assert 0 < np.max(moved) < 1.05e-4


@pytest.mark.parametrize("fields", [{"threshold": "mean"}, {"loss": "superloss"}, {"loss": "ce"}])
def test_variants_learn(fields, toy, tmp_path):
    config = recipe("two_stage", **{f"two_stage.{k}": v for k, v in fields.items()})
    trainer.train(config, tmp_path, quiet)
    rows = runs.metrics(tmp_path)
    loss = "train/loss" if fields.get("loss") == "ce" else "train/task_loss"
    assert rows[-1][loss] < 0.9 * rows[0][loss]
    if fields.get("threshold") == "mean":
        mean = runs.last_state(tmp_path)["nets/0/extra/mean_loss"]
        assert 0 < mean < rows[0]["train/task_loss"]


def test_its_first_stage_helps_a_probe(toy, tmp_path):
    """The whole way: stage 1, then a probe of its backbone, which is the one that it left."""
    first = recipe("self_supervised", **{"optim.ema": 0.0})
    trainer.train(first, tmp_path / "first", quiet)
    probe = {"two_stage.probe_only": True, "init": str(tmp_path / "first")}
    trainer.train(recipe("two_stage", **probe, **{"optim.ema": 0.0}), tmp_path / "second", quiet)
    one, two = backbone(tmp_path / "first"), backbone(tmp_path / "second")
    same = [name for name in two if "/backbone/" in name]
    assert same and all(one[name].tobytes() == two[name].tobytes() for name in same)
