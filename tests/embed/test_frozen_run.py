"""A run on frozen features: each photograph is embedded once, whatever happens in between."""

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
from jax import export as jax_export

import photos
import runs
from configs import base
from configs import folder as folder_recipe
from dull_jax import config as recipes
from dull_jax import export, inference
from dull_jax.data.prepare import prepare
from dull_jax.embed import embedding
from dull_jax.embed.dataset import embedded
from dull_jax.errors import UserError
from dull_jax.train import trainer
from dull_jax.train.parallel import Devices

SIDE = 64
SMALL = {"data.size": 32}


def quiet(text):
    pass


def recipe(root, **fields):
    """The own-images default, on small photographs."""
    config = folder_recipe.get_config("method=la")
    config.data.dir, config.data.size, config.train.epochs = str(root), SIDE, 20
    config.update_from_flattened_dict(fields)
    return config


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    photos.make(root)
    return root


@pytest.fixture(scope="module")
def run(tree, tmp_path_factory):
    """(folder, what was said) of a run on the tree."""
    folder, said = tmp_path_factory.mktemp("run") / "run", []
    trainer.train(recipe(tree), folder, said.append)
    return folder, said


def vectors(root, cache, say=quiet, devices=0, **fields):
    config, dataset = prepare(recipe(root, **fields), quiet)
    config.model.name = "efficientnet_lite0"
    return embedded(config, dataset, Devices(devices), pathlib.Path(cache), say)


def test_the_default_of_own_images(run, tree):
    folder, said = run
    config = json.loads((folder / "config.json").read_text())
    assert config["model"]["name"] == "efficientnet_lite0" and config["model"]["frozen"]
    assert (config["optim"]["name"], config["optim"]["lr"]) == ("adamw", 1e-3)
    assert any("embedding 120 images with efficientnet_lite0" in line for line in said)
    result = json.loads((folder / "result.json").read_text())
    assert result["accuracy"]["last"] > 80
    features = result["features"]
    assert (features["backbone"], features["views"], features["channels"]) == (
        "efficientnet_lite0", 2, 1280,
    )  # fmt: skip
    assert features["digest"].startswith("579344248a93") and result["head"] == "identity"


def test_a_second_run_embeds_nothing(run, tree, tmp_path):
    said = []
    fields = {"model.cache": str(run[0] / "embeddings")}
    trainer.train(recipe(tree, **fields), tmp_path / "again", said.append)
    assert not [line for line in said if "embedding" in line]
    one, two = runs.last_state(run[0]), runs.last_state(tmp_path / "again")
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_a_photograph_that_is_added_embeds_only_itself(run, tree, tmp_path):
    root, said = tmp_path / "more", []
    shutil.copytree(tree, root)
    rng = np.random.default_rng(9)
    photos.image("sky", rng).save(root / "train/sky/new.png")
    vectors(root, tmp_path, said.append, **{"model.cache": str(run[0] / "embeddings")})
    assert said[0] == "embedding 1 images with efficientnet_lite0, 120 are known"


def test_another_type_of_the_computation_is_embedded_anew(run, tree, tmp_path):
    said, fields = [], {"model.cache": str(run[0] / "embeddings"), "model.dtype": "bfloat16"}
    vectors(tree, tmp_path, said.append, **fields)
    assert said[0] == "embedding 120 images with efficientnet_lite0"


def test_what_was_embedded_before_a_failure_is_kept(tree, tmp_path, monkeypatch):
    whole = vectors(tree, tmp_path / "whole", **SMALL).train.images
    monkeypatch.setattr(embedding, "_DECODED", 16)
    made = embedding.Embedding.vectors

    class Broken(Exception):
        pass

    def failing(self, parts):
        encode, calls = self.encoder.on(self.devices), []

        def once_too_often(*args):
            calls.append(1)
            if len(calls) > 5:  # two blocks of two views, and one view of the third
                raise Broken
            return encode(*args)

        monkeypatch.setattr(type(self.encoder), "on", lambda *_: once_too_often)
        return made(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(embedding.Embedding, "vectors", failing)
        with pytest.raises(Broken):
            vectors(tree, tmp_path / "part", **SMALL)
        monkeypatch.undo()
    said = []
    again = vectors(tree, tmp_path / "part", said.append, **SMALL).train.images
    assert said[0] == "embedding 88 images with efficientnet_lite0, 32 are known"
    np.testing.assert_array_equal(again, whole)


def test_a_vector_does_not_depend_on_its_neighbours(tree, tmp_path, monkeypatch):
    """Nor on how many are decoded together: bit for bit."""
    whole = vectors(tree, tmp_path / "one", **SMALL).train
    monkeypatch.setattr(embedding, "_DECODED", 7)
    again = vectors(tree, tmp_path / "two", **SMALL).train
    np.testing.assert_array_equal(whole.images, again.images)
    views = whole.images.astype(np.float32)
    assert not (views[:, 0] == views[:, 1]).all(1).any(), "the weak view is another one"


def test_prediction_and_export_go_through_backbone_and_head(run, tree):
    folder, _ = run
    classifier = inference.load(folder)
    assert "efficientnet_lite0" in str(classifier)
    outputs = np.load(folder / "outputs.npz", allow_pickle=False)
    _, dataset = prepare(recipe(tree), quiet)
    probs = classifier.probs(dataset.test.images[:], batch_size=4)
    np.testing.assert_allclose(probs, outputs["test_probs"], atol=2e-3)
    exported = jax_export.deserialize(export.exported(classifier).serialize())
    with jax.default_device(jax.devices("cpu")[0]):
        found = exported.call(dataset.test.images[:3])
    np.testing.assert_allclose(found, probs[:3], atol=2e-3)


def test_other_weights_than_the_runs_are_refused(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    about = json.loads((folder / "data.json").read_text())
    about["embeddings"]["digest"] = "0" * 64
    (folder / "data.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"other weights than there are now .sha256 000000000000"):
        inference.load(folder)


def test_from_scratch_as_before(tree):
    config, _ = prepare(recipe(tree, **{"model.pretrained": "none"}), quiet)
    assert (config.model.name, config.model.frozen) == ("small_cnn", False)
    assert (config.optim.name, config.optim.lr) == ("sgd", 0.05)


def test_a_network_without_weights_is_trained_whole(tree):
    config = recipes.resolved(recipe(tree, **{"model.name": "small_cnn"}))
    assert not config.model.frozen


def test_frozen_without_weights_is_refused():
    config = base.get_config()
    config.model.frozen = True
    with pytest.raises(UserError, match="frozen needs pretrained weights, and small_cnn has none"):
        recipes.validate(config)
