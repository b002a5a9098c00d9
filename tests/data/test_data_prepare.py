"""One way from a recipe to its data: for training, for a run that goes on, for an audit."""

import json

import pytest

import photos
from configs import base
from dull_jax.config import to_json
from dull_jax.data import dataset
from dull_jax.data.own import scan
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from photos import recipe


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    photos.make(root)
    (root / "train" / "sky" / "broken.png").write_bytes(b"no image")
    return root


def test_a_published_set_is_as_the_recipe_says():
    config, built = prepare(base.get_config(), pytest.fail)
    assert config.to_dict() == base.get_config().to_dict()
    assert built.truth_known and built.manifest is None


def test_images_are_scanned_once_and_nothing_is_left_open(root, monkeypatch):
    scans, told, whole = [], [], scan.scan
    monkeypatch.setattr(scan, "scan", lambda *a, **o: scans.append(a) or whole(*a, **o))
    open_config = recipe(root)
    config, built = prepare(open_config, told.append)
    assert len(scans) == 1 and open_config.data.size == 0
    assert built.train.images.shape[1:] == (config.data.size, config.data.size, 3)
    assert config.train.epochs and config.model.name != "auto"
    assert told[0].startswith("left out: train/sky/broken.png: ") and "chosen for" in told[-1]


def test_a_run_that_goes_on(root, tmp_path):
    config, built = prepare(recipe(root), lambda text: None)
    built.save(tmp_path / "labels.npz")
    begun = json.loads(to_json(config))
    told, checked = [], []
    run = {"begun": begun, "labels": tmp_path / "labels.npz", "check": checked.append}
    again, same = prepare(recipe(root), told.append, **run)
    assert again.to_dict() == config.to_dict() and same.description == built.description
    assert not any("chosen" in line for line in told)
    assert checked[0].to_dict() == config.to_dict()


def test_the_recipe_is_checked_before_an_image_is_loaded(root, monkeypatch):
    def refuse(config):
        raise UserError(f"{config.data.size} pixels")

    monkeypatch.setattr(dataset, "build", pytest.fail)
    with pytest.raises(UserError, match="32 pixels"):
        prepare(recipe(root), lambda text: None, check=refuse)


def test_an_audit_hears_of_its_images_alone(root, tmp_path):
    config, built = prepare(recipe(root), lambda text: None)
    built.save(tmp_path / "labels.npz")
    _, same = prepare(config, pytest.fail, labels=tmp_path / "labels.npz", audit=True)
    assert same.description == built.description
