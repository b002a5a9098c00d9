"""A run that begins with the weights of a file, and images normalised for them."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import photos
from configs import folder as folder_recipe
from dull_jax import config as recipe
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from dull_jax.models.weights import timm_resnet
from dull_jax.train.learner import Learner
from dull_jax.train.parallel import Devices
from models.weights.test_timm_resnet import random_weights


def make(root, weights, **fields):
    config = folder_recipe.get_config("method=ce")
    config.data.dir, config.data.size = str(root), 32
    config.model.name, config.model.stem = "resnet18", "imagenet"
    config.model.pretrained, config.model.frozen = str(weights), False
    config.train.epochs = 1
    config.update_from_flattened_dict(fields)
    return config


def test_the_run_starts_with_them(tmp_path):
    photos.make(tmp_path / "photos")
    tensors = random_weights("resnet18")
    save_file(tensors, tmp_path / "w.safetensors")
    config = make(tmp_path / "photos", tmp_path / "w.safetensors")
    learner, said = Learner.build(*prepare(config, lambda text: None), Devices(1)), []
    learner.networks.load_initial_weights(said.append)
    params = learner.networks.states[0].params["backbone"]
    np.testing.assert_allclose(
        np.asarray(params["stem"]["kernel"]), tensors["conv1.weight"].transpose(2, 3, 1, 0)
    )
    averaged = learner.networks.states[0].average["params"]["backbone"]
    np.testing.assert_array_equal(averaged["stem"]["kernel"], params["stem"]["kernel"])
    assert (learner.augment.mean, learner.augment.std) == (timm_resnet.MEAN, timm_resnet.STD)
    assert "w.safetensors" in said[0]


@pytest.mark.parametrize("fields,words", [
    ({"model.name": "small_cnn"}, "config.model.name = 'small_cnn'.* needs .*'resnet18' or"),
    ({"model.stem": "cifar"}, "config.model.stem = 'cifar'.* needs 'imagenet'"),
    ({"model.width": 16}, "config.model.width = 16"),
    ({"model.norm": "group"}, "config.model.norm"),
    ({"init": "elsewhere"}, "a run starts from one of them"),
    ({"model.name": "vit_base_patch16"}, "config.model.stem = 'imagenet'.* needs 'cifar'"),
])  # fmt: skip
def test_what_they_do_not_fit(fields, words, tmp_path):
    with pytest.raises(UserError, match=words):
        recipe.validate(make(tmp_path, "w.safetensors", **fields))


def test_a_network_without_stems_has_the_default(tmp_path):
    fields = {"model.name": "vit_small_patch14_dinov2", "model.stem": "cifar"}
    recipe.validate(make(tmp_path, "w.safetensors", **fields))
    recipe.validate(make(tmp_path, "none", **fields))
