"""A run's data: drawn once, described, loaded again."""

import json

import numpy as np
import pytest

from configs import base
from dull_jax.data import dataset
from dull_jax.data.sources import digits
from dull_jax.errors import UserError


def recipe(**fields):
    config = base.get_config()
    config.data.imbalance_factor = 20.0
    config.update_from_flattened_dict(fields)
    return config


def test_description_agrees_with_the_arrays():
    built = dataset.build(recipe())
    about = json.loads(json.dumps(built.description))
    assert about["counts_true"] == np.bincount(built.clean, minlength=10).tolist()
    assert about["counts_given"] == np.bincount(built.train.given, minlength=10).tolist()
    wrong = built.train.given != built.clean
    assert about["noise"]["realised"] == pytest.approx(wrong.mean()) == pytest.approx(0.3, abs=2e-3)
    np.testing.assert_allclose(np.sum(about["transition"], 1), 1)
    assert [len(c) for c in about["groups"].values()] == [3, 4, 3]
    assert about["num_train"] == len(built.train.images) == len(set(built.train.ids))


def test_images_and_true_labels_belong_to_their_ids():
    built, source = dataset.build(recipe()), digits.load()
    where = {name: n for n, name in enumerate(source.train.ids)}
    positions = [where[name] for name in built.train.ids]
    np.testing.assert_array_equal(built.train.images, source.train.images[positions])
    np.testing.assert_array_equal(built.clean, source.train.labels[positions])
    assert not hasattr(built.train, "clean"), "training never sees the truth"


def test_saved_labels_are_not_drawn_again(tmp_path):
    path = tmp_path / "labels.npz"
    first = dataset.build(recipe(**{"data.holdout": 0.2}))
    first.save(path)
    again = dataset.build(recipe(**{"noise.seed": 9, "data.seed": 9}), path)
    np.testing.assert_array_equal(first.train.given, again.train.given)
    np.testing.assert_array_equal(first.train.images, again.train.images)
    np.testing.assert_array_equal(first.holdout.given, again.holdout.given)


def test_holdout_is_a_part_of_the_noisy_set():
    whole = dataset.build(recipe())
    built = dataset.build(recipe(**{"data.holdout": 0.25}))
    assert len(built.holdout.given) == round(0.25 * len(whole.train.given))
    assert not set(built.holdout.ids) & set(built.train.ids)
    given = dict(zip(whole.train.ids, whole.train.given, strict=True))
    for part in (built.train, built.holdout):
        assert [given[name] for name in part.ids] == part.given.tolist()


@pytest.mark.parametrize("damage", ["cut", "key"])
def test_damaged_labels(tmp_path, damage):
    path = tmp_path / "labels.npz"
    dataset.build(recipe()).save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    else:
        np.savez(path, ids=np.array(["a"]))
    with pytest.raises(UserError, match=r"labels\.npz: unreadable"):
        dataset.build(recipe(), path)


@pytest.mark.parametrize("changed", [
    {"given": np.array([0, 10], np.int32)},
    {"given": np.array([0, -1], np.int32)},
    {"given": np.array([0.0, 1.0])},
    {"clean": np.array([0, 1, 2], np.int32)},
    {"ids": np.array([b"a", b"b"])},
], ids=str)  # fmt: skip
def test_labels_that_cannot_be_a_runs(tmp_path, changed):
    column = np.array([0, 1], np.int32)
    labels = {"ids": np.array(["a", "b"]), "given": column, "clean": column}
    held_out = {f"holdout_{name}": array[:0] for name, array in labels.items()}
    np.savez(tmp_path / "labels.npz", **(labels | changed), **held_out)
    with pytest.raises(UserError, match=r"labels\.npz: damaged, or of other classes"):
        dataset.build(recipe(), tmp_path / "labels.npz")


def test_seeds_move_what_they_name():
    one = dataset.build(recipe())
    noise = dataset.build(recipe(**{"noise.seed": 1}))
    subset = dataset.build(recipe(**{"data.seed": 1}))
    np.testing.assert_array_equal(one.train.ids, noise.train.ids)
    assert (one.train.given != noise.train.given).any()
    assert set(one.train.ids) != set(subset.train.ids)


@pytest.mark.parametrize("option", [{"noise.destination": "similar"}, {"noise.which": "confusing"}])
def test_t2h_by_likeness_of_pixels(option):
    plain, built = dataset.build(recipe()), dataset.build(recipe(**option))
    assert built.description["noise"]["realised"] == plain.description["noise"]["realised"]
    assert (built.train.given != plain.train.given).any()


def test_labels_from_a_file(tmp_path):
    source = digits.load()
    given = (source.train.labels + 1) % 10
    path = tmp_path / "given.csv"
    rows = [f"{name},{label}" for name, label in zip(source.train.ids, given, strict=True)]
    path.write_text("\n".join(["id,label", *rows[::-1]]))
    built = dataset.build(recipe(**{"noise.name": "file", "noise.file": str(path)}))
    np.testing.assert_array_equal(built.train.given, (built.clean + 1) % 10)
    assert built.description["noise"]["rate"] is None
    assert built.description["noise"]["realised"] == 1


def test_the_legacy_draw_needs_its_long_tail():
    with pytest.raises(UserError, match="exponential long tail only"):
        dataset.build(recipe(**{"noise.name": "tabasco_symmetric", "data.profile": "step"}))
    built = dataset.build(recipe(**{"noise.name": "tabasco_symmetric", "noise.seed": 25}))
    assert built.description["noise"]["realised"] == pytest.approx(0.27, abs=0.07)


@pytest.mark.parametrize("name", ["none", "symmetric", "t2h"])
def test_a_single_class_is_refused(name, toy_source):
    toy_source([10])
    with pytest.raises(UserError, match="data set 'digits' has one class"):
        dataset.build(recipe(**{"noise.name": name, "noise.rate": 0.0, "data.profile": "none"}))
