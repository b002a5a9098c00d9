"""A classifier from a run's folder alone: it gives what the run measured; bad folders are named."""

import json
import os
import shutil

import numpy as np
import pytest

from dull_jax import inference
from dull_jax.data import sources
from dull_jax.errors import UserError
from dull_jax.train import trainer
from toy import make_source

COUNTS = [40, 20, 10]
TEST = make_source(COUNTS).test.images
NEEDED = ("config.json", "data.json", "checkpoints", "digests")


def trained(folder, method, **fields):
    """A run on the toy data; one epoch between checkpoints."""
    from configs import digits_t2h

    config = digits_t2h.get_config(f"method={method}")
    config.compare, config.data.profile, config.noise.rate = (), "none", 0.1
    config.model.width, config.optim.ema = 8, 0.9
    config.train.epochs, config.train.batch_size = 2, 32
    config.train.view, config.train.checkpoint_every = "weak", 1
    config.semisup.warmup = 1
    config.update_from_flattened_dict(fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "load", lambda *args, **options: make_source(COUNTS))
        trainer.train(config, folder, lambda text: None)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("ce") / "run", "ce")


@pytest.fixture
def copy(run, tmp_path):
    """Only what is needed, to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in NEEDED:
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, folder / name)
    return folder


def measured(folder):
    with np.load(folder / "outputs.npz") as outputs:
        return outputs["test_probs"]


def test_what_the_run_measured(run):
    classifier = inference.load(run)
    probs = classifier.probs(TEST)
    np.testing.assert_allclose(probs, measured(run), atol=1e-5)
    assert classifier.class_names == ("class 0", "class 1", "class 2")
    assert classifier.image_shape == (8, 8, 1) and classifier.fit == "crop"
    assert "ce, 3 classes, images of 8x8x1, checkpoint" in str(classifier)
    assert classifier.finished and "not finished" not in str(classifier)


def test_two_networks_with_two_heads(tmp_path):
    """DaSC's prediction is the mean over networks and over heads."""
    folder = trained(tmp_path / "run", "dasc", **{"optim.ema": 0.0, "train.checkpoint_every": 2})
    classifier = inference.load(folder)
    assert len(classifier.nets) == 2
    np.testing.assert_allclose(classifier.probs(TEST), measured(folder), atol=1e-5)


def test_batches_are_padded_to_one_shape(run):
    classifier = inference.load(run)
    whole = classifier.logits(TEST, batch_size=5)
    for size in (1, 4, 5, 12):
        np.testing.assert_allclose(classifier.logits(TEST[:size], 5), whole[:size], atol=1e-5)
    assert classifier._program._cache_size() == 1
    assert classifier.logits(TEST[:0]).shape == (0, 3)
    assert classifier.logits(TEST).dtype == np.float32


def test_the_folder_is_enough_and_stays_as_it_is(copy):
    def state():
        return {path: path.stat().st_mtime_ns for path in copy.rglob("*")}

    before = state()
    classifier = inference.load(copy)
    classifier.probs(TEST)
    assert state() == before
    assert not classifier.finished and "not finished" in str(classifier)


def test_images_of_another_kind(run):
    classifier = inference.load(run)
    for images in (TEST.astype(np.float32), TEST[:, :4], TEST[0]):
        with pytest.raises(UserError, match=r"must be uint8 \[N, 8, 8, 1\]"):
            classifier.probs(images)


def newest_first(folder):
    return sorted((folder / "checkpoints").iterdir(), key=lambda path: -int(path.name))


def damage(checkpoint):
    """One bit flipped in its largest file."""
    path = max((p for p in checkpoint.rglob("*") if p.is_file()), key=os.path.getsize)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_checkpoints(copy):
    newest, before = newest_first(copy)[:2]
    damage(newest)
    assert inference.load(copy).checkpoint == int(before.name)
    for checkpoint in newest_first(copy)[1:]:
        damage(checkpoint)
    with pytest.raises(UserError, match="every checkpoint is damaged"):
        inference.load(copy)
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(UserError, match="no checkpoint yet"):
        inference.load(copy)


def change(path, **fields):
    """Sets fields of a JSON file; None removes one."""
    about = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in about.items() if v is not None}))


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("data.json", {"channel_mean": None}, "has no 'channel_mean': the run is of another"),
        ("data.json", {"class_names": ["a", "b"]}, "does not fit config.json and data.json"),
        ("config.json", {"model": {"name": "small_cnn"}}, "damaged or of another version"),
        ("config.json", {"method": "../evil"}, "damaged or of another version"),
        ("config.json", {"method": None}, "has no 'method'"),
        ("config.json", {"data": {"fit": "wide"}}, "damaged or of another version"),
        ("config.json", {"a.b": 1}, "damaged or of another version"),
        ("data.json", {"image_shape": 8}, "image_shape is damaged"),
        ("data.json", {"image_shape": [8, -8, 1]}, "image_shape is damaged"),
        ("data.json", {"image_shape": [8, 10**9, 1]}, "image_shape is damaged"),
        ("data.json", {"channel_std": "12"}, "channel_std is damaged"),
        ("data.json", {"channel_std": [0.1, 0.1, 0.1]}, "channel_std is damaged"),
        ("data.json", {"class_names": [1, 2]}, "class_names is damaged"),
    ],
)
def test_files_that_do_not_fit(copy, name, fields, said):
    change(copy / name, **fields)
    with pytest.raises(UserError, match=said):
        inference.load(copy)


def test_no_run(copy, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="there is no run in this folder"):
            inference.load(folder)
    (copy / "data.json").write_text('{"class_')
    with pytest.raises(UserError, match=r"data\.json: not readable as JSON"):
        inference.load(copy)


def test_an_image_file_in_the_networks_shape(run, tmp_path):
    from PIL import Image

    Image.new("RGB", (30, 20), "white").save(tmp_path / "white.png")
    image = inference.load(run).read(tmp_path / "white.png")
    assert image.shape == (8, 8, 1) and image.dtype == np.uint8 and image.min() == 255
