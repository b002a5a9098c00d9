"""`train_classifier` and `Classifier.load`: a run from Python, as the command leaves it."""

import pathlib

import numpy as np
import pytest

from dull_jax import Classifier, UserError, train_classifier

SMALL = {
    "train__epochs": 1,
    "train__view": "weak",
    "model__width": 8,
    "compare": (),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    said = []
    folder = tmp_path_factory.mktemp("api") / "run"
    run = train_classifier("digits_t2h:method=ce", folder, say=said.append, **SMALL)
    assert any("epoch 1/1" in line for line in said)
    return run


def test_a_run(run):
    assert run.report.stat().st_size > 10_000
    assert set(run.results) == {"ce"} and 0 <= run.results["ce"]["accuracy"]["last"] <= 100
    said = []
    again = train_classifier("digits_t2h:method=ce", run.workdir, say=said.append, **SMALL)
    assert "already trained" in said[0]
    assert again.results == run.results


def test_predictions(run, tmp_path):
    classifier = Classifier.load(run.workdir)
    images = np.random.default_rng(0).integers(0, 256, (5, *classifier.image_shape), np.uint8)
    probs = classifier.predict_proba(images)
    assert probs.shape == (5, 10) and np.allclose(probs.sum(1), 1, atol=1e-5)
    assert np.array_equal(run.classifier.predict_proba(images), probs)
    named = np.array(classifier.class_names)[probs.argmax(1)]
    assert classifier.predict(images).tolist() == named.tolist()
    paths = [tmp_path / f"{n}.png" for n in range(5)]
    for path, image in zip(paths, images, strict=True):
        _save(path, image)
    assert np.array_equal(classifier.predict_proba(paths), probs)
    assert classifier.predict([]).shape == (0,)


def _save(path, image):
    from PIL import Image

    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(path)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ("x.png", "give a list of paths"),
        (["gone.png"], "gone.png: "),
        ([np.zeros((8, 8, 1), np.uint8)], "an array, or a list of paths"),
        (np.zeros((2, 8, 8, 1)), "images must be uint8"),
    ],
)
def test_what_is_no_image(run, images, said):
    with pytest.raises(UserError, match=said):
        run.classifier.predict(images)


@pytest.mark.parametrize(
    ("recipe", "fields", "said"),
    [
        ("nope", {}, "recipes are base"),
        ("folder", {"data__dri": "x"}, r"data__dri: .*data__dir"),
        ("folder", {"data__dir": pathlib.Path("nowhere")}, "nowhere"),
        ("folder", {"train__epochs": "many"}, "train__epochs = 'many': must be a int"),
        ("folder", {"train__epochs": -3}, "config.train.epochs = -3"),
        ("folder", {"data__dir": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_trained(tmp_path, recipe, fields, said):
    with pytest.raises(UserError, match=said):
        train_classifier(recipe, tmp_path / "run", say=lambda text: None, **fields)
    assert not (tmp_path / "run").exists()
