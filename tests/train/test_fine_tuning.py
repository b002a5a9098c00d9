"""EfficientNet-Lite learns as any backbone does: stopped and continued, then exported."""

import jax
import numpy as np
import pytest

import photos
import runs
from configs import folder as folder_recipe
from dull_jax import export, inference
from dull_jax.errors import Stopped
from dull_jax.models.backbones import efficientnet
from dull_jax.train import trainer


def quiet(text):
    pass


@pytest.fixture
def few_stages(monkeypatch):
    """Three blocks of the published sizes: sixteen take most of a minute to compile."""
    monkeypatch.setattr(efficientnet, "STAGES", efficientnet.STAGES[:2])


def recipe(root):
    config = folder_recipe.get_config("method=ce")
    config.data.dir, config.data.size = str(root), 32
    config.model.name, config.model.frozen = "efficientnet_lite0", False
    config.model.pretrained = "none"
    config.train.epochs, config.train.batch_size, config.train.view = 2, 32, "weak"
    config.train.eval_every, config.train.checkpoint_every = 2, 2
    config.optim.name, config.optim.lr, config.optim.ema = "sgd", 0.1, 0.9
    return config


def test_it_learns_goes_on_and_is_exported(few_stages, tmp_path, monkeypatch):
    photos.make(tmp_path / "photos")
    config, whole, parts = recipe(tmp_path / "photos"), tmp_path / "whole", tmp_path / "parts"
    trainer.train(config, whole, quiet)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        runs.stopping_at(5, patch)
        trainer.train(config, parts, quiet)
    trainer.train(config, parts, quiet)
    runs.assert_same_run(whole, parts)

    losses = [row["train/loss"] for row in runs.metrics(whole)]
    assert losses[-1] < 0.9 * losses[0], losses
    state = runs.last_state(whole)
    means = [name for name in state if name.endswith("/backbone/bn0/BatchNorm_0/mean")]
    assert means and all(state[name].any() for name in means)  # they began with zeros

    classifier = inference.load(whole)
    program = jax.jit(export.exported(classifier).call)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for n in (1, 3):
        np.testing.assert_allclose(program(images[:n]), classifier.probs(images)[:n], atol=1e-5)
