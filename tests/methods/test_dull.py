"""DULL's parts: each can be switched off alone, and each does something."""

import numpy as np
import pytest

import runs
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
        for name in ("train/specificity", "dull/doubted", "dull/doubted_by_small_loss"):
            assert 0 <= last[name] <= 1
