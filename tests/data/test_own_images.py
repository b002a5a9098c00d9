"""Your own images: what is chosen for them, how they are held, that their labels are doubted."""

import json

import numpy as np
import pytest
from PIL import Image

import photos
from configs import base
from configs import csv as csv_recipe
from configs import folder as folder_recipe
from dull_jax.config import difference
from dull_jax.config import to_json as config_to_json
from dull_jax.data import dataset
from dull_jax.data import own_images as own
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.errors import UserError


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    return root, photos.make(root)


def recipe(root, **fields):
    config = folder_recipe.get_config()
    config.data.dir = str(root)
    config.update_from_flattened_dict(fields)
    return config


def quiet(text):
    pass


def test_what_is_left_open_is_chosen_and_said(tree):
    said = []
    config = own.settled(recipe(tree[0]), said.append)
    assert (config.data.size, config.model.name, config.train.epochs) == (32, "small_cnn", 120)
    assert "data.size = 32" in said[-1] and "102 images of 3 classes" in said[-1]
    assert own.settled(config, quiet).to_dict() == config.to_dict()


def test_one_scan_serves_a_start(tree, monkeypatch):
    """And a run that has started before chooses the same without one."""
    config, said = recipe(tree[0]), []
    manifest = own.scanned(config.data, said.append)
    assert own.scanned(base.get_config().data) is None
    expected = own.settled(config, quiet)
    monkeypatch.setattr(own.manifests, "scan", lambda *args, **options: pytest.fail("scanned"))
    chosen = own.settled(config, quiet, manifest)
    assert dataset.build(chosen, manifest=manifest).manifest is manifest
    before = json.loads(config_to_json(chosen))
    for found in (chosen, own.settled_before(config, before), own.settled_before(chosen, before)):
        assert found.to_dict() == expected.to_dict()
    assert own.settled_before(config, {}).to_dict() == own._filled(config, {}).to_dict()
    config.model.name, config.model.width = "resnet_small", 8
    assert difference(before, own.settled_before(config, before))


def test_what_is_set_stays(tree):
    fields = {"data.size": 48, "model.name": "resnet_small", "train.epochs": 7}
    config = own.settled(recipe(tree[0], **fields), quiet)
    assert (config.data.size, config.model.name, config.train.epochs) == (48, "resnet_small", 7)


@pytest.mark.parametrize("count,pixels,name", [
    (800, 32, "small_cnn"), (5_000, 128, "small_cnn"), (5_001, 64, "resnet_small"),
    (50_001, 128, "resnet18"),
])  # fmt: skip
def test_the_network_grows_with_the_number_of_images(count, pixels, name):
    assert own.network(count, pixels)["model.name"] == name


def test_labels_are_as_given_and_in_doubt(tree):
    root, truth = tree
    built = dataset.build(recipe(root))
    assert not built.truth_known
    assert built.train.class_names == ("apple", "leaf", "sky")
    assert built.train.counts.tolist() == [70, 24, 8]
    assert built.train.images.shape == (102, 32, 32, 3)
    assert len(built.test.labels) == 18 and built.groups["tail"] == [2]
    kinds = [photos.COLOURS[truth[path]] for path in built.manifest.paths[: len(truth)]]
    means = built.train.images.reshape(102, -1, 3).mean(1)
    assert np.abs(means - kinds).max() < 12  # the right image stands at each path


def test_images_in_files_are_those_in_memory(tree):
    held = dataset.build(recipe(tree[0]))
    files = dataset.build(recipe(tree[0], **{"data.resident_gb": 0.0}))
    assert isinstance(files.train.images, ImageFiles) and files.train.images.shape == (
        held.train.images.shape
    )
    rows = np.array([5, 0, 101])
    np.testing.assert_array_equal(files.train.images[rows], held.train.images[rows])
    assert files.train.channel_statistics == held.train.channel_statistics
    np.testing.assert_array_equal(files.train.images.in_memory(), held.train.images)


def test_a_file_that_changed_since_the_scan_is_named(tree, tmp_path):
    photos.make(tmp_path)
    built = dataset.build(recipe(tmp_path, **{"data.resident_gb": 0.0}))
    victim = tmp_path / built.manifest.paths[3]
    victim.write_bytes(b"no image any more")
    with pytest.raises(UserError, match=victim.name):
        built.train.images[np.array([3])]


def test_without_a_test_part_some_of_each_class_is_held_out(tmp_path):
    rng = np.random.default_rng(0)
    for kind, count in (("apple", 10), ("sky", 5), ("leaf", 1)):
        for n in range(count):
            (tmp_path / kind).mkdir(exist_ok=True)
            photos.image(kind, rng).save(tmp_path / kind / f"{n}.png")
    built = dataset.build(recipe(tmp_path))
    assert built.train.counts.tolist() == [8, 1, 4]
    assert np.bincount(built.test.labels).tolist() == [2, 0, 1]
    again = dataset.build(recipe(tmp_path))
    assert again.train.ids.tolist() == built.train.ids.tolist()


def test_labels_corrected_since_the_run_began_make_another_run(tmp_path):
    photos.make(tmp_path)
    config = recipe(tmp_path)
    dataset.build(config).save(tmp_path / "labels.npz")
    dataset.build(config, tmp_path / "labels.npz")
    wrong = next((tmp_path / "train" / "apple").glob("leaf*"))
    wrong.rename(tmp_path / "train" / "leaf" / "mine.png")
    with pytest.raises(UserError, match=r"1 images .* another workdir"):
        dataset.build(config, tmp_path / "labels.npz")


def test_a_table_of_paths_and_labels(tree, tmp_path):
    root, truth = tree
    rows = [f"{path};{path.split('/')[1]}" for path in truth]
    (tmp_path / "labels.csv").write_text("path;label\n" + "\n".join(rows) + "\n")
    config = csv_recipe.get_config()
    config.data.file, config.data.dir = str(tmp_path / "labels.csv"), str(root)
    built = dataset.build(config)
    assert len(built.train.ids) + len(built.test.ids) == 102 and len(built.test.ids) == 21
    config.data.file = ""
    with pytest.raises(UserError, match=r"config\.data\.file is needed"):
        dataset.build(config)


def test_what_cannot_be_read_is_skipped_or_fatal(tmp_path):
    photos.make(tmp_path)
    (tmp_path / "train" / "sky" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(dataset.build(recipe(tmp_path)).train.ids) == 102
    with pytest.raises(UserError, match=r"broken\.png"):
        dataset.build(recipe(tmp_path, **{"data.on_error": "fail"}))


def test_simulated_noise_on_your_own_labels_counts_them_as_true(tree):
    built = dataset.build(recipe(tree[0], **{"noise.name": "symmetric", "noise.rate": 0.2}))
    assert built.truth_known and (built.train.given != built.clean).mean() == pytest.approx(
        0.2, abs=0.02
    )


def test_sizes_follow_the_images(tmp_path):
    for n in range(6):
        for kind in ("a", "b"):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.effect_noise((300, 200 + n), 40).save(tmp_path / kind / f"{n}.jpg")
    assert own.settled(recipe(tmp_path), quiet).data.size == 128
    assert dataset.build(recipe(tmp_path)).train.images.shape[1:] == (128, 128, 3)
