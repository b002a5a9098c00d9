"""Photographs that are renamed, moved, removed or added after a run began: training and audit."""

import shutil

import numpy as np
import pytest

import photos
import runs
from configs import csv as csv_recipe
from configs import folder as folder_recipe
from dull_jax.audit import crossval, inputs
from dull_jax.data import auto, sources
from dull_jax.data.prepare import prepare
from dull_jax.errors import Stopped, UserError
from dull_jax.train import description, identity, trainer

COUNTS = {"apple": 14, "leaf": 9, "sky": 5}


def quiet(text):
    pass


def take(root, counts, seed=0, side=8):
    rng = np.random.default_rng(seed)
    for kind, count in counts.items():
        (root / kind).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            photos.image(kind, rng, (side, side)).save(root / kind / f"{seed}_{n:02}.png")


def recipe(root, make=folder_recipe, **fields):
    config = make.get_config("method=ce")
    config.data.dir, config.data.size = str(root), 8
    config.train.epochs, config.train.batch_size, config.train.view = 3, 4, "weak"
    config.model.name, config.model.width, config.model.stages = "small_cnn", 4, 2
    config.model.frozen = False
    config.update_from_flattened_dict(fields)
    return config


def test_a_run_goes_on_as_if_nothing_was_renamed_or_added(tmp_path, monkeypatch):
    """The size of the images, chosen by them when it began, is not chosen again either."""
    take(tmp_path / "photos", COUNTS)
    config = recipe(tmp_path / "photos", **{"data.size": 0})
    trainer.train(config, tmp_path / "whole", quiet)
    with monkeypatch.context() as patch:
        left = runs.stopping_at(4, patch)
        with pytest.raises(Stopped):
            trainer.train(config, tmp_path / "run", quiet)
        assert left[0] == 0
    (tmp_path / "photos" / "apple" / "0_00.png").rename(tmp_path / "photos" / "apple" / "z.png")
    take(tmp_path / "photos", {"apple": 30, "sky": 9}, seed=1, side=50)
    assert auto.side(sources.scan(config.data, quiet)) == 64
    said = []
    trainer.train(config, tmp_path / "run", said.append)
    assert any(line.startswith("39 images are new since this run began") for line in said)
    runs.assert_same_run(tmp_path / "whole", tmp_path / "run")
    table = (tmp_path / "run" / "manifest.csv").read_text()
    assert "apple/z.png,apple," in table and table.count("new since this run began") == 39


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """`audit(**options)` of a run that has begun, with predictions that cost nothing."""

    def act(**options):
        act.said.clear()
        return inputs.of_run(tmp_path / "run", 2, 1, tmp_path / "audit", act.said.append, **options)

    def predictions(plan, keep, say):
        train = plan.dataset.train
        return np.full((len(train.ids), train.num_classes), 1 / 3)

    def begin(config):
        config, built = prepare(config)
        description.write(act.run, config, built, {})
        return built

    monkeypatch.setattr(crossval, "predictions", predictions)
    monkeypatch.setattr(
        identity, "remember_places", lambda folder, *places: act.moved.append((folder, *places))
    )
    act.run, act.photos, act.said, act.moved = tmp_path / "run", tmp_path / "photos", [], []
    act.run.mkdir()
    take(act.photos, COUNTS)
    act.begin, act.first = begin, begin(recipe(act.photos))
    return act


def audited(dataset):
    """Ids of every label, those of the part that was held out to test on too."""
    return [*dataset.train.ids.tolist(), *dataset.test.ids.tolist()]


def test_a_new_name_is_seen_in_the_audit(begun):
    old = begun.first.manifest.paths[0]
    (begun.photos / old).rename(begun.photos / "apple" / "a new name.png")
    found = begun()
    assert found.ids.tolist() == audited(begun.first) and begun.moved == []
    everything = [*found.paths, *(other.path for other in found.others)]
    assert "apple/a new name.png" in everything and old not in everything
    assert len(everything) == sum(COUNTS.values())


def test_removed_images_are_named_and_not_audited(begun):
    rows = np.flatnonzero(begun.first.manifest.splits == "train")[:5]
    for row in rows:
        (begun.photos / begun.first.manifest.paths[row]).unlink()
    found = begun()
    assert len(found.ids) == len(audited(begun.first)) - 5 == len(found.given)
    named = ", ".join(begun.first.manifest.paths[rows[:3]])
    assert f"5 images of the run are gone ({named}, …): audited without them" in begun.said


def test_photographs_that_were_moved(begun, tmp_path, monkeypatch):
    begun.photos.rename(tmp_path / "archive")
    wanted = r"^.*run: .*photos, where the images .*: --data_dir=NEW$"
    with pytest.raises(UserError, match=wanted):
        begun()
    with pytest.raises(UserError, match=r"nowhere, where the images .*: --data_dir=NEW$"):
        begun(data_dir=str(tmp_path / "nowhere"))
    take(tmp_path / "strangers", COUNTS, seed=5)
    with pytest.raises(UserError, match=r"28 images of this run are gone from .*strangers or chan"):
        begun(data_dir=str(tmp_path / "strangers"))
    with pytest.raises(UserError, match="--data_file: this run was not told of its images by a t"):
        begun(data_file="x.csv")
    assert begun.moved == []
    monkeypatch.setenv("HOME", str(tmp_path))
    found = begun(data_dir="~/archive")
    assert begun.moved == [(begun.run, str(tmp_path / "archive"), "")]
    assert found.ids.tolist() == audited(begun.first)


def test_a_table_that_was_moved(begun, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(begun.photos, old)
    rows = [f"{path},{path.split('/')[0]}" for path in begun.first.manifest.paths]
    (old / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    config = recipe("", csv_recipe)
    config.data.dir, config.data.file = "", str(old / "labels.csv")
    first = begun.begin(config)
    old.rename(new)
    with pytest.raises(UserError, match=r"old/labels.csv, where .*: --data_file=NEW$"):
        begun()
    found = begun(data_file=str(new / "labels.csv"))
    assert found.ids.tolist() == audited(first)
    assert begun.moved == [(begun.run, "", str(new / "labels.csv"))]
