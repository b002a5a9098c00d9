"""What every source owes; images of the user's own: how they are held, their labels in doubt."""

import numpy as np
import pytest

import photos
from configs import base
from configs import csv as csv_recipe
from dull_jax import memory
from dull_jax.data import sources
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from photos import recipe


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    return root, photos.make(root)


def quiet(text):
    pass


def built_of(config):
    return prepare(config, quiet)[1]


@pytest.mark.parametrize("name", sources.names())
def test_a_source_loads_a_published_set_or_indexes_images(name):
    module = sources._module(name)
    assert module.__name__.endswith(f".{name}")
    assert hasattr(module, "load") != hasattr(module, "index") == sources.is_own(name)


def test_which_sources_there_are():
    own = [name for name in sources.names() if sources.is_own(name)]
    assert own == ["clothing1m", "csv", "folder", "webvision"]
    for name in ("cifar10", "mnist/3", "tfds", "no such set", ""):
        assert not sources.is_own(name)
    assert sources.scan(base.get_config().data) is None


def test_labels_are_as_given_and_in_doubt(tree):
    root, truth = tree
    built = built_of(recipe(root))
    assert not built.truth_known
    assert built.train.class_names == ("apple", "leaf", "sky")
    assert built.train.counts.tolist() == [70, 24, 8]
    assert built.train.images.shape == (102, 32, 32, 3)
    assert len(built.test.labels) == 18 and built.groups["tail"] == [2]
    kinds = [photos.COLOURS[truth[path]] for path in built.manifest.paths[: len(truth)]]
    means = built.train.images.reshape(102, -1, 3).mean(1)
    assert np.abs(means - kinds).max() < 12  # the right image stands at each path


def test_images_in_files_are_those_in_memory(tree):
    held = built_of(recipe(tree[0]))
    files = built_of(recipe(tree[0], **{"data.resident_gb": 0.0}))
    assert isinstance(files.train.images, ImageFiles) and files.train.images.shape == (
        held.train.images.shape
    )
    rows = np.array([5, 0, 101])
    np.testing.assert_array_equal(files.train.images[rows], held.train.images[rows])
    assert files.train.channel_statistics == held.train.channel_statistics
    np.testing.assert_array_equal(files.train.images.in_memory(), held.train.images)


def test_more_images_than_memory_are_not_loaded(tree, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 1000)
    with pytest.raises(UserError, match=r"config\.data\.resident_gb=0\.0 leaves them in files"):
        built_of(recipe(tree[0]))
    built_of(recipe(tree[0], **{"data.resident_gb": 0.0}))


def test_a_table_whose_paths_start_elsewhere(tree, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("path,label\nnowhere/a.png,x\nnowhere/b.png,y\n")
    with pytest.raises(UserError, match=r"no such file.*--config\.data\.dir names the folder"):
        sources.scan(recipe("", **{"data.name": "csv", "data.file": str(table)}).data, quiet)


def test_a_file_that_changed_since_the_scan_is_named(tree, tmp_path):
    photos.make(tmp_path)
    built = built_of(recipe(tmp_path, **{"data.resident_gb": 0.0}))
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
    built = built_of(recipe(tmp_path))
    tested = np.bincount(built.test.labels, minlength=3)
    assert (built.train.counts + tested).tolist() == [10, 1, 5]
    assert tested[1] == 0 and 0 < tested[0] < 10 and 0 < tested[2] < 5
    again = built_of(recipe(tmp_path))
    assert again.train.ids.tolist() == built.train.ids.tolist()


def test_a_table_of_paths_and_labels(tree, tmp_path):
    root, truth = tree
    rows = [f"{path};{path.split('/')[1]}" for path in truth]
    (tmp_path / "labels.csv").write_text("path;label\n" + "\n".join(rows) + "\n")
    config = csv_recipe.get_config()
    config.data.file, config.data.dir = str(tmp_path / "labels.csv"), str(root)
    built = built_of(config)
    assert len(built.train.ids) + len(built.test.ids) == 102 and 5 < len(built.test.ids) < 40
    config.data.file = ""
    with pytest.raises(UserError, match=r"config\.data\.file is needed"):
        built_of(config)


def test_what_cannot_be_read_is_skipped_or_fatal(tmp_path):
    photos.make(tmp_path)
    (tmp_path / "train" / "sky" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(built_of(recipe(tmp_path)).train.ids) == 102
    with pytest.raises(UserError, match=r"broken\.png"):
        built_of(recipe(tmp_path, **{"data.on_error": "fail"}))


def test_simulated_noise_on_your_own_labels_counts_them_as_true(tree):
    built = built_of(recipe(tree[0], **{"noise.name": "symmetric", "noise.rate": 0.2}))
    assert built.truth_known and (built.train.given != built.clean).mean() == pytest.approx(
        0.2, abs=0.02
    )
