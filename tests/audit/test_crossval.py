"""Cross-validated predictions: every sample once, by a network that has not seen it."""

import io
import os

import numpy as np
import pytest

import photos
from configs import folder as folder_recipe
from dull_jax.audit import crossval, inputs, saved
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from dull_jax.run_dir import layout


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def test_folds_are_even_in_every_class_and_copies_stay_together():
    rng = np.random.default_rng(0)
    given = rng.choice(5, 400, p=[0.6, 0.2, 0.1, 0.08, 0.02])
    contents = np.array([f"c{n}" for n in range(400)])
    contents[[7, 11, 200]] = "same"
    fold_of = crossval.assigned(given, contents, 5, seed=3)
    assert len(set(fold_of[[7, 11, 200]])) == 1
    for label in range(5):
        sizes = np.bincount(fold_of[given == label], minlength=5)
        assert sizes.max() - sizes.min() <= 4  # 1, and the copies that moved
    np.testing.assert_array_equal(fold_of, crossval.assigned(given, contents, 5, seed=3))
    assert (fold_of != crossval.assigned(given, contents, 5, seed=4)).any()


@pytest.mark.parametrize("content", [
    npy(np.full((4, 2), "a")),
    npy(np.full((4, 2), 0.5)),
    npy(np.full((4, 2), None)),
    npy(np.zeros((4, 2), np.float32))[:-1],
    npy(np.zeros((4, 2), np.float32)).replace(b"'shape'", b"'(((((("),  # a TokenError in NumPy
    b"PK\x05\x06" + bytes(18),
    b"",
], ids=range(7))  # fmt: skip
def test_a_damaged_fold_is_computed_again(tmp_path, content):
    path = tmp_path / "fold.npy"
    path.write_bytes(content)
    assert crossval._kept(path, (4, 2)) is None
    np.save(path, np.full((4, 2), 0.5, np.float32))
    assert crossval._kept(path, (4, 2)).tolist() == [[0.5, 0.5]] * 4


def test_no_fold_is_empty():
    given, contents = np.array([0, 1, 0, 1]), np.array(["a", "b", "c", "c"])
    fold_of = crossval.assigned(given, contents, 10, seed=0)
    assert sorted(fold_of) == sorted(fold_of[[0, 1, 2, 2]]) and set(fold_of) == {0, 1, 2}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    root, keep = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("audit")
    photos.make(root)
    config = folder_recipe.get_config("method=ce")
    config.model.frozen, config.optim.lr = False, 0.05
    config.optim.name = "sgd"
    config.data.dir, config.data.size = str(root), 8
    config.train.epochs, config.train.batch_size, config.train.view = 12, 16, "weak"
    config.model.name, config.model.width = "small_cnn", 8
    built, said = prepare(config, lambda text: None)[1], []

    def find(folds=3, known=None, **changes):
        other = config.copy_and_resolve_references()
        other.update_from_flattened_dict(changes)
        ids = built.train.ids
        plan = crossval.planned(other, built, ids, folds, known)
        return crossval.predictions(plan, keep, said.append)

    find.config = config
    return built, find(), find, keep, said


def test_wrong_labels_contradict_what_the_others_predict(audited):
    built, probs, *_ = audited
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    wrong = np.array([not path.split("/")[-1].startswith(path.split("/")[1])
                      for path in built.manifest.paths[: len(probs)]])  # fmt: skip
    assert wrong.sum() == 10
    own = probs[np.arange(len(probs)), built.train.given]
    assert own[~wrong].mean() > own[wrong].mean() + 0.2


def test_a_fold_that_is_done_is_not_trained_again(audited):
    _, probs, find, keep, said = audited
    assert len(list(keep.glob("fold_*.npy"))) == 3 and "fold 3/3" in said[-1]
    (path,) = keep.glob("fold_1_*.npy")
    marked = np.load(path)
    np.save(path, np.roll(marked, 1, axis=1))
    again = find()
    assert (again != probs).any(1).sum() == len(marked)
    path.write_bytes(path.read_bytes()[:-9])
    np.testing.assert_array_equal(find(), probs)


def test_folds_of_other_settings_are_not_taken(audited):
    _, probs, find, keep, _ = audited
    there = set(keep.glob("fold_*.npy"))
    assert (find(**{"train.epochs": 1}) != probs).any(1).all()
    assert len(set(keep.glob("fold_*.npy")) - there) == 3
    assert find(folds=2, **{"train.epochs": 1}).shape == probs.shape
    assert find() is not probs and (find() == probs).all()


def test_folds_of_other_keys_are_removed(audited, tmp_path):
    built, _, find, keep, _ = audited
    ids, config = built.train.ids, find.config
    key = crossval.planned(config, built, ids, 3).key
    assert len(list(keep.glob(f"fold_*_{key}.npy"))) == 3
    assert key != crossval.planned(config, built, ids, 2).key
    assert key != crossval.planned(config, built, ids, 3, np.zeros(len(ids), np.int32)).key
    kept = {layout.fold(tmp_path, n, key).name for n in (0, 12)} | {"fold_1_mine.npy", "fold_1.npy"}
    for name in (*kept, layout.fold(tmp_path, 3, "0123abcd").name):
        (tmp_path / name).touch()
    crossval.remove_others(tmp_path, key)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_what_is_decided_teaches(audited):
    built, probs, find, *_ = audited
    given = built.train.given
    nothing = np.full(len(given), -1, np.int32)
    np.testing.assert_array_equal(find(known=nothing), probs)
    swapped = (given + 1) % built.train.num_classes
    taught = find(known=swapped.astype(np.int32))
    assert (taught.argmax(1) == swapped).mean() > (taught.argmax(1) == given).mean()
    without = nothing.copy()
    without[given == 0] = -2  # of no class: predicted, never learnt
    left = find(known=without)
    assert left.shape == probs.shape and left[:, 0].max() < probs[:, 0].max()
    with pytest.raises(UserError, match="none to learn"):
        find(known=np.full(len(given), -2, np.int32))


def test_images_in_memory_are_shown_and_written_back_as_files(audited):
    built = audited[0]
    assert isinstance(built.pictures, np.ndarray)
    names = np.array([str(name) for name in built.manifest.paths[: len(built.train.ids)]], object)
    found = inputs._pictures(built, names)
    assert all(map(os.path.isfile, saved.image_files(found, names)))


def test_copies_of_one_image_teach_nothing_about_it(audited):
    built, config = audited[0], folder_recipe.get_config("method=ce")
    contents = np.full(len(built.train.ids), "same")
    with pytest.raises(UserError, match="copies of one"):
        crossval.planned(config, built, contents, 3)
