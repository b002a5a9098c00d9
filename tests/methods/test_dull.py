"""DULL's parts: each can be switched off alone, and each does something."""

from types import SimpleNamespace

import numpy as np
import pytest

import runs
from dull_jax.methods import dull
from dull_jax.train import trainer

SWITCHES = {
    "all": {},
    "no ifd": {"dull.ifd": False},
    "no ifpu": {"dull.ifpu": False},
    "no aml": {"dull.aml": False},
    "no h2t": {"dull.h2t": False},
    "no neighbours": {"dull.neighbours": False},
    "structured transition": {"dull.transition": "structured"},
    "few repeats": {"dull.h2t_repeats": 0.5},
    "no transition": {"dull.transition": "none"},
    "sinkhorn": {"dull.gate": "sinkhorn"},
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
    gate = np.load(tmp_path / "outputs.npz")["gate"]
    assert gate.min() >= 0 and gate.max() <= 1
    if switch == "all":
        np.testing.assert_allclose(gate.max(1), 1, rtol=1e-6)
        last = runs.metrics(tmp_path)[-1]
        for name in ("doubted", "doubted_given", "doubted_by_small_loss"):
            assert 0 <= last[f"dull/{name}"] <= 1
        assert 0 <= last["train/specificity"] <= 1


def test_what_the_plain_path_gives_to_doubted_labels():
    """Against a sum in float64: sum_i w_i p_i(given) / sum_i w_i, w_i = 1 - q_i(given)."""
    rng = np.random.default_rng(0)
    given = rng.integers(0, 3, 40)
    logits = 3 * rng.normal(size=(40, 3)).astype(np.float32)
    posterior = rng.dirichlet(np.ones(3), 40).astype(np.float32)
    memory = {
        "probs": 2 * rng.dirichlet(np.ones(3), 40).astype(np.float32),
        "weight": np.float32(2),
        "posterior": posterior,
        "prior": np.full(3, 1 / 3, np.float32),
        "transition": np.eye(3, dtype=np.float32),
    }
    train = SimpleNamespace(given=given, num_classes=3)
    found = dull.Method._noticed(SimpleNamespace(train=train), memory, {"logits": logits})
    shares = np.exp(logits.astype(np.float64))
    of_given = [row[y] / row.sum() for row, y in zip(shares, given, strict=True)]
    doubt = [1 - float(row[y]) for row, y in zip(posterior, given, strict=True)]
    expected = np.dot(of_given, doubt) / np.sum(doubt)
    np.testing.assert_allclose(found["dull/doubted_given"], expected, rtol=1e-4)
    assert found["dull/doubted"] == np.mean(np.array(doubt) > 0.5)
