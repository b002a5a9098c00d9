"""What a recipe leaves open is chosen by the images of the user's own, and stays for a run."""

import json

import pytest
from PIL import Image

import photos
from configs import base, embeddings
from dull_jax.config import difference, to_json
from dull_jax.data import auto, sources
from photos import recipe


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    return root, photos.make(root)


def quiet(text):
    pass


def resolved(config, say=quiet):
    return auto.resolve_auto(config, sources.scan(config.data, say), say)


def test_what_is_left_open_is_chosen_and_said(tree):
    said = []
    config = resolved(recipe(tree[0]), said.append)
    assert (config.data.size, config.model.name, config.train.epochs) == (32, "small_cnn", 120)
    assert "data.size = 32" in said[-1] and "102 images of 3 classes" in said[-1]
    assert resolved(config).to_dict() == config.to_dict()


def test_a_run_that_goes_on_has_what_it_began_with(tree):
    """Without a look at the images; what is set to something else makes another run."""
    config = recipe(tree[0])
    chosen = resolved(config)
    begun = json.loads(to_json(chosen))
    for again in (config, chosen):
        assert auto.resolve_as_begun(again, begun).to_dict() == chosen.to_dict()
    assert auto.resolve_as_begun(config, {}).to_dict() == auto._filled(config, {}).to_dict()
    config.model.name, config.model.width = "resnet_small", 8
    assert difference(begun, auto.resolve_as_begun(config, begun))


def test_other_sources_leave_nothing_open():
    config = base.get_config()
    assert auto.resolve_as_begun(config, {"train": {"epochs": 3}}) is config


def test_the_learning_rate_of_vectors_is_chosen_by_their_width_and_stays():
    config, said = embeddings.get_config(), []
    assert auto.resolve_for_vectors(config, 1280, said.append).optim.lr == 1e-3
    chosen = auto.resolve_for_vectors(config, 20, said.append)
    assert chosen.optim.lr == 8e-3 and "20 numbers: optim.lr = 0.008" in said[-1]
    begun = json.loads(to_json(chosen))
    assert auto.resolve_as_begun(config, begun).optim.lr == 8e-3
    assert auto.resolve_for_vectors(chosen, 4, said.append) is chosen and len(said) == 2


def test_what_is_set_stays(tree):
    fields = {"data.size": 48, "model.name": "resnet_small", "train.epochs": 7}
    config = resolved(recipe(tree[0], **fields))
    assert (config.data.size, config.model.name, config.train.epochs) == (48, "resnet_small", 7)


@pytest.mark.parametrize("count,pixels,name", [
    (800, 32, "small_cnn"), (5_000, 128, "small_cnn"), (5_001, 64, "resnet_small"),
    (50_001, 128, "resnet18"),
])  # fmt: skip
def test_the_network_grows_with_the_number_of_images(count, pixels, name):
    assert auto.network(count, pixels)["model.name"] == name


def test_sizes_follow_the_images(tmp_path):
    for n in range(6):
        for kind in ("a", "b"):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.effect_noise((300, 200 + n), 40).save(tmp_path / kind / f"{n}.jpg")
    assert resolved(recipe(tmp_path)).data.size == 128
