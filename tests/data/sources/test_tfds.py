"""TFDS sets: the search for prepared ones, and every way in which a prepared set can be unfit."""

import json
import os
import shutil
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath

import mini_cifar
from dull_jax.data.sources import tfds as source_of_tfds
from dull_jax.data.tfds import cifar, png
from dull_jax.errors import UserError

SHAPE = (6, 5, 1)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


class _Mini(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """`records`: a list of feature dictionaries for each split."""

    VERSION = tfds.core.Version("1.2.0")

    def __init__(self, data_dir, features, records, supervised_keys=("image", "label")):
        self.name, self.parts = "mini", (features, records, supervised_keys)
        super().__init__(data_dir=os.fspath(data_dir), file_format="array_record")

    def _info(self):
        features, _, keys = self.parts
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=keys)

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.parts[1]}

    def _generate_examples(self, split):
        yield from enumerate(self.parts[1][split])


def image(value, shape=SHAPE):
    return png.encode(np.full(shape, value, np.uint8))


def make(tmp_path, splits=("train", "test"), **changes):
    """Image n of a split has grey n and label n % 3; `changes` replace features."""
    features = {
        "image": tfds.features.Image(shape=(None, None, 1)),
        "label": tfds.features.ClassLabel(names=["x", "y", "z"]),
    } | changes
    rows = [{"image": image(n), "label": n % 3} for n in range(7)]
    if "id" in changes:
        rows = [row | {"id": f"{(5 * n) % 7:02d}"} for n, row in enumerate(rows)]
    builder = _Mini(tmp_path, features, dict.fromkeys(splits, rows))
    builder.download_and_prepare()
    return tmp_path / "mini" / "1.2.0"


def complaint(name, data_dir):
    with pytest.raises(UserError) as caught:
        source_of_tfds.read(name, str(data_dir))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_data_folder_prefers_the_argument_then_the_environment(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/env")
    assert os.fspath(source_of_tfds.data_folder("/arg")) == "/arg"
    assert os.fspath(source_of_tfds.data_folder("")) == "/env"
    assert str(source_of_tfds.data_folder("gs://bucket/data")) == "gs://bucket/data"
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert os.fspath(source_of_tfds.data_folder("")) == os.path.expanduser("~/tensorflow_datasets")


def test_a_set_without_ids_keeps_its_file_order(tmp_path):
    path = make(tmp_path)
    source = source_of_tfds.read("mini", str(tmp_path))
    order = [
        int(r["image"][0, 0, 0]) for r in tfds.builder_from_directory(path).as_data_source("train")
    ]
    assert source.class_names == ("x", "y", "z") and source.train.images.shape == (7, *SHAPE)
    np.testing.assert_array_equal(source.train.images[:, 0, 0, 0], order)
    np.testing.assert_array_equal(source.train.labels, np.array(order) % 3)
    assert list(source.train.ids) == [f"train_{n:05d}" for n in range(7)]
    assert "tensorflow" not in sys.modules


def test_a_set_with_ids_is_sorted_by_them(tmp_path):
    make(tmp_path, id=tfds.features.Text())
    train = source_of_tfds.read("mini", str(tmp_path)).train
    assert list(train.ids) == [f"{n:02d}" for n in range(7)]
    np.testing.assert_array_equal(5 * train.images[:, 0, 0, 0] % 7, np.arange(7))


def test_validation_stands_in_for_test_but_train_is_needed(tmp_path):
    make(tmp_path / "a", splits=("train", "validation"))
    assert len(source_of_tfds.read("mini", str(tmp_path / "a")).test.labels) == 7
    make(tmp_path / "b", splits=("test",))
    assert "no train and test split" in complaint("mini", tmp_path / "b")


def test_the_newest_version_is_taken_and_debris_is_not(tmp_path):
    path = make(tmp_path)
    for name in ("1.10.0", "incomplete.XYZ_9.0.0"):
        shutil.copytree(path, path.parent / name)
    assert source_of_tfds.find_prepared("mini", epath.Path(tmp_path)).name == "1.10.0"
    assert source_of_tfds.find_prepared("other", epath.Path(tmp_path)) is None
    shutil.copytree(path, path.parent / "config" / "1.0.0")
    assert source_of_tfds.find_prepared("mini/config", epath.Path(tmp_path)).name == "1.0.0"


def test_sets_that_do_not_fit_are_refused_by_name(tmp_path):
    make(tmp_path / "a", label=tfds.features.Scalar(np.int64))
    assert "no image classification set" in complaint("mini", tmp_path / "a")
    label = {"image": image(0), "label": -1}
    features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=2)}
    _Mini(tmp_path / "c", features, {"train": [label], "test": [label]}).download_and_prepare()
    assert "no label" in complaint("mini", tmp_path / "c")
    rows = [{"image": image(0, (4, n, 1)), "label": 0} for n in (3, 8)]
    _Mini(tmp_path / "d", features, {"train": rows, "test": rows}).download_and_prepare()
    assert "(4, 3) to (4, 8)" in complaint("mini", tmp_path / "d")


def _shard(path):
    return next(path.glob("mini-train.array_record*"))


def _edit_info(path, **changes):
    info = path / "dataset_info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | changes))


DAMAGE = {
    "truncated": lambda path: os.truncate(_shard(path), 40_000),
    "emptied": lambda path: os.truncate(_shard(path), 0),
    "missing": lambda path: _shard(path).unlink(),
    "flipped": lambda path: _flip(_shard(path), 200),
    "no info": lambda path: (path / "dataset_info.json").unlink(),
    "half an info": lambda path: os.truncate(path / "dataset_info.json", 50),
    "no features": lambda path: (path / "features.json").unlink(),
}


def _flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_set_is_named_and_never_half_read(tmp_path, kind):
    path = make(tmp_path)
    DAMAGE[kind](path)
    message = complaint("mini", tmp_path)
    assert str(path) in message and "half-written or damaged" in message


def test_a_tfrecord_set_is_told_apart_from_a_damaged_one(tmp_path):
    _edit_info(make(tmp_path), fileFormat="tfrecord")
    message = complaint("mini", tmp_path)
    assert "tfrecord" in message and "TensorFlow" in message and "data_dir" in message


def test_unknown_names_get_a_suggestion_or_a_way(tmp_path):
    assert "did you mean cifar100" in complaint("cifar1000", tmp_path)
    message = complaint("mnist", tmp_path)
    assert "tfds build mnist --file_format=array_record" in message and "mean" not in message
    for name in ("../evil", "", "/etc", "a/../b", "a b"):
        assert "no name of a data set" in complaint(name, tmp_path)
    assert os.listdir(tmp_path) == []


def test_offline_the_message_tells_both_ways_and_nothing_is_written(tmp_path):
    message = complaint("cifar100", tmp_path / "data")
    assert "no route to host" in message and "with internet" in message
    assert "python -m dull_jax.prepare cifar100 --source=PATH" in message
    assert not (tmp_path / "data").exists()


def test_online_cifar_is_downloaded_and_prepared(tmp_path, monkeypatch):
    content = mini_cifar.files("cifar10")
    facts = mini_cifar.facts("cifar10", content)
    archive = mini_cifar.write_tar(tmp_path / "a.tar.gz", "cifar10", content)
    from dull_jax.data.tfds import cifar_archive

    monkeypatch.setitem(cifar_archive.ARCHIVES, "cifar10", facts)
    monkeypatch.setattr(cifar_archive, "download", lambda *_: archive)
    assert len(source_of_tfds.read("cifar10", str(tmp_path)).train.ids) == mini_cifar.TRAIN
    monkeypatch.setattr(cifar, "prepare", None)  # the second time it is only read
    assert len(source_of_tfds.read("cifar10", str(tmp_path)).train.ids) == mini_cifar.TRAIN


def test_nothing_is_prepared_into_a_bucket(monkeypatch):
    from dull_jax.data.tfds import prepared

    monkeypatch.setattr(prepared, "find", lambda name, folder: None)
    assert "gs://bucket" in complaint("cifar10", "gs://bucket")
