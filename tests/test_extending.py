"""The examples of docs/extending.md are complete files, short, and do what the page says."""

import importlib
import json
import pathlib
import re

import numpy as np
import pytest

from configs import digits_t2h
from dull_jax import config as recipe
from dull_jax import fields
from dull_jax.data import noise
from dull_jax.errors import UserError
from dull_jax.report import html
from dull_jax.train import trainer

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "extending.md"
EXAMPLES = dict(
    re.findall(r"<!-- example: (\S+) -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
)


def test_examples_are_short():
    assert EXAMPLES and all(len(text.splitlines()) <= 25 for text in EXAMPLES.values())


@pytest.fixture
def example(tmp_path, monkeypatch):
    """`example(path)`: its file lies in the folder of its kind; everything is gathered anew."""

    def put(name):
        path = pathlib.PurePosixPath(name)
        package = ".".join(path.parent.parts)
        (tmp_path / path.name).write_text(EXAMPLES[name])
        folder = importlib.import_module(package).__path__
        monkeypatch.setattr(importlib.import_module(package), "__path__", [*folder, str(tmp_path)])
        gather_anew()
        return importlib.import_module(f"{package}.{path.stem}")

    yield put
    monkeypatch.undo()
    gather_anew()


def gather_anew():
    """Kinds and fields are listed once, since no file comes while a command runs."""
    fields.kinds.cache_clear()
    fields._files.cache_clear()
    recipe.schema.cache_clear()


def small(**changes):
    config = digits_t2h.get_config()
    config.compare, config.train.epochs, config.model.width = (), 3, 16
    config.data.imbalance_factor, config.noise.name = 1.0, "none"
    config.update_from_flattened_dict(changes)
    return config


def test_a_method(example, tmp_path):
    example("dull_jax/methods/bootstrap.py")
    assert recipe.schema()["bootstrap.beta"].default == 0.95
    result = trainer.train(small(method="bootstrap"), tmp_path / "run", print)
    assert result["accuracy"]["last"] > 30
    with pytest.raises(UserError, match=r"bootstrap\.beta = 2\.0: must lie in \[0, 1\]"):
        recipe.validate(small(**{"bootstrap.beta": 2.0}))


def test_a_noise(example, tmp_path):
    example("dull_jax/data/noises/pair.py")
    clean = np.arange(100) % 4
    noisy = noise.corrupt(noise.NoiseSpec("pair", 0.3, step=2), clean, 4)
    assert set((noisy.given - clean)[noisy.given != clean] % 4) == {2} and noisy.rate == 0.3
    assert "--config.noise.step=1" in recipe.described(small())
    result = trainer.train(small(**{"method": "ce", "noise.name": "pair"}), tmp_path / "run")
    assert result["accuracy"]["last"] > 30


def test_a_backbone(example, tmp_path):
    example("dull_jax/models/backbones/patches.py")
    config = small(**{"method": "ce", "model.name": "patches", "model.halvings": 2})
    assert trainer.train(config, tmp_path / "run")["accuracy"]["last"] > 30
    with pytest.raises(UserError, match="halvings is of patches"):
        trainer.train(small(**{"model.halvings": 2}), tmp_path / "other")


def test_a_source(example, tmp_path):
    example("dull_jax/data/sources/stripes.py")
    config = small(**{"data.name": "stripes", "data.stripes_each": 60, "method": "la"})
    result = trainer.train(config, tmp_path / "run")
    assert result["accuracy"]["last"] > 80
    assert json.loads((tmp_path / "run" / "data.json").read_text())["num_train"] == 240


def test_a_section(example, tmp_path):
    trainer.train(small(method="ce", **{"train.epochs": 1}), tmp_path / "run")
    before = html.write(tmp_path / "run").read_text()
    example("dull_jax/report/sections/largest_classes.py")
    page = html.write(tmp_path / "run").read_text()
    assert "Largest classes" not in before and "Largest classes" in page
    assert page.index("The data") < page.index("Largest classes") < page.index("Learning")
