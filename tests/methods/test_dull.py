"""DULL's parts: each can be switched off alone, and each does something."""

import sys

import numpy as np
import pytest
from co_training import Recorder, train_set
from test_every_method import recipe

import runs
from dull_jax.errors import UserError
from dull_jax.methods import dull
from dull_jax.stats import neighbour_graph
from dull_jax.train import trainer

PAPER = {"dull.ifd": True, "dull.ifpu": True}
SWITCHES = {
    "as it is": {},
    "ifd": {"dull.ifd": True},
    "ifd and ifpu": PAPER,
    "no aml": {"dull.aml": False},
    "no h2t": {"dull.h2t": False},
    "no neighbours": {"dull.neighbours": False},
    "structured transition": {"dull.transition": "structured"},
    "few repeats": {"dull.h2t_repeats": 0.5},
    "no transition": {"dull.transition": "none"},
    "sinkhorn": PAPER | {"dull.gate": "sinkhorn"},
    "mixup": {"dull.h2t_mix": "mixup"},
}


@pytest.fixture(scope="module")
def trained():
    return {}


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_trains_and_changes_the_weights(switch, small_recipe, trained, tmp_path):
    fields = {"train.epochs": 2, "train.view": "plain", "train.eval_every": 2}
    result = trainer.train(small_recipe("dull", **fields, **SWITCHES[switch]), tmp_path, str)
    state = runs.last_state(tmp_path)
    assert result["accuracy"]["last"] > 0 and all(np.isfinite(x).all() for x in state.values())
    weights = next(x for name, x in state.items() if name.endswith("classifier/kernel"))
    for other, known in trained.items():
        assert weights.tobytes() != known.tobytes(), f"{switch} and {other} train the same"
    trained[switch] = weights
    outputs, last = np.load(tmp_path / "outputs.npz"), runs.metrics(tmp_path)[-1]
    for name in ("doubted", "doubted_given", "doubted_by_small_loss"):
        assert 0 <= last[f"dull/{name}"] <= 1
    disentangled = SWITCHES[switch].get("dull.ifd", False)
    assert ("gate" in outputs) == ("train/specificity" in last) == disentangled
    if disentangled:
        assert outputs["gate"].min() >= 0 and outputs["gate"].max() <= 1
        assert 0 <= last["train/specificity"] <= 1
    if switch == "ifd and ifpu":
        np.testing.assert_allclose(outputs["gate"].max(1), 1, rtol=1e-6)


def test_unlearning_needs_channels_of_classes(small_recipe, tmp_path):
    with pytest.raises(UserError, match=r"config.dull.ifd=True"):
        trainer.train(small_recipe("dull", **{"dull.ifpu": True}), tmp_path / "run", str)
    assert not (tmp_path / "run").exists()


def test_a_search_that_is_not_installed_is_told_before_training(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(neighbour_graph, "EXACT", 63)
    config = recipe("dull")
    with pytest.raises(UserError, match="pip install faiss-cpu"):
        dull.Method(config, None, train_set(8)).init_memory()
    config.dull.neighbours = False
    dull.Method(config, None, train_set(8)).init_memory()


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 3.0])
def test_whatever_the_adjustment_the_label_model_gets_class_balanced_predictions(tau):
    """Logits that fit a loss of tau are log p(y | x) - tau log p(y), by the targets it had."""
    rng = np.random.default_rng(0)
    method = dull.Method(
        recipe("dull", epochs=10, **{"dull.warmup": 0.5, "dull.tau": tau}), None, train_set(8)
    )
    likelihood = rng.normal(size=(8, 2))  # log p(x | y)

    def fitted(shares):
        joint = np.exp(likelihood) * shares
        return np.log(joint / joint.sum(1, keepdims=True)) - tau * np.log(shares)

    given = method.train.counts / 8
    posterior = rng.dirichlet([1, 1], 8).astype(np.float32)
    ramped = method._targets(posterior, 2 / 2).sum(0)  # in the second epoch after five of warm-up
    for shares, seen in ((given, 0 * posterior), (ramped / ramped.sum(), posterior)):
        balanced = np.exp(method._class_balanced(fitted(shares), seen, epoch=6))
        expected = np.exp(likelihood)
        np.testing.assert_allclose(
            balanced / balanced.sum(1, keepdims=True),
            expected / expected.sum(1, keepdims=True),
            rtol=1e-5,
        )


def test_the_label_model_is_asked_after_the_warm_up_and_its_state_is_the_memory():
    config = recipe("dull", epochs=10, **{"dull.warmup": 0.5, "dull.transition": "free"})
    config.dull.memory = 0.5
    method = dull.Method(config, None, train_set(8))
    memory, logits = method.init_memory(), np.zeros((8, 2), np.float32)
    seen = {"logits": logits, "features": np.ones((8, 3), np.float32)}
    for epoch in range(10):
        run = Recorder(epoch, memory, seen)
        (phase,) = method.epoch(run)
        assert phase.loss == ("warmup" if epoch < 5 else "dull")
        assert memory["posterior"].any() == bool(run.logged) == (epoch >= 5)
        assert (memory["weight"] > 0) == (epoch >= 3), "averaging begins two epochs before"
        assert set(memory) == set(method.init_memory())
    columns = phase.streams["main"].columns
    own = memory["posterior"][np.arange(8), method.train.given]
    np.testing.assert_array_equal(columns["label_error_prob"], 1 - own)
    np.testing.assert_allclose(columns["target"].sum(1), 1, rtol=1e-6)
    score, suggested = method.score_labels(run)
    np.testing.assert_array_equal(score, 1 - own)
    np.testing.assert_array_equal(suggested, memory["posterior"].argmax(1))
    assert {"rare", "partner"} < set(phase.streams) and "mixed_prior" in phase.constants
