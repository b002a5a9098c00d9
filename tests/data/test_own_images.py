"""Your own images: what is chosen for them, how they are held, that their labels are doubted."""

import json

import numpy as np
import pytest
from PIL import Image

import photos
from configs import base
from configs import csv as csv_recipe
from configs import folder as folder_recipe
from dull_jax import memory
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


def test_more_images_than_memory_are_not_loaded(tree, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 1000)
    with pytest.raises(UserError, match=r"config\.data\.resident_gb=0\.0 leaves them in files"):
        dataset.build(recipe(tree[0]))
    dataset.build(recipe(tree[0], **{"data.resident_gb": 0.0}))


def test_a_table_whose_paths_start_elsewhere(tree, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("path,label\nnowhere/a.png,x\nnowhere/b.png,y\n")
    with pytest.raises(UserError, match=r"no such file.*--config\.data\.dir names the folder"):
        own.scanned(recipe("", **{"data.name": "csv", "data.file": str(table)}).data, quiet)


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
    tested = np.bincount(built.test.labels, minlength=3)
    assert (built.train.counts + tested).tolist() == [10, 1, 5]
    assert tested[1] == 0 and 0 < tested[0] < 10 and 0 < tested[2] < 5
    again = dataset.build(recipe(tmp_path))
    assert again.train.ids.tolist() == built.train.ids.tolist()


def test_labels_corrected_since_the_run_began_make_another_run(tmp_path):
    photos.make(tmp_path)
    config = recipe(tmp_path)
    dataset.build(config).save(tmp_path / "labels.npz")
    dataset.build(config, tmp_path / "labels.npz")
    wrong = next((tmp_path / "train" / "apple").glob("leaf*"))
    wrong.rename(tmp_path / "train" / "leaf" / "mine.png")
    with pytest.raises(UserError, match=r"1 images .*train/leaf/mine\.png\); .* another workdir"):
        dataset.build(config, tmp_path / "labels.npz")


def test_a_table_of_paths_and_labels(tree, tmp_path):
    root, truth = tree
    rows = [f"{path};{path.split('/')[1]}" for path in truth]
    (tmp_path / "labels.csv").write_text("path;label\n" + "\n".join(rows) + "\n")
    config = csv_recipe.get_config()
    config.data.file, config.data.dir = str(tmp_path / "labels.csv"), str(root)
    built = dataset.build(config)
    assert len(built.train.ids) + len(built.test.ids) == 102 and 5 < len(built.test.ids) < 40
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


# A run that was begun ----------------------------------------------------------------------------


class Begun:
    """A folder of photographs, and what a run remembers of it. `build` goes on with the run."""

    def __init__(self, folder, **fields):
        self.root, self.run, self.said = folder / "photos", folder / "run", []
        rng = np.random.default_rng(0)
        for kind, count in (("apple", 12), ("leaf", 9), ("sky", 2)):
            (self.root / kind).mkdir(parents=True)
            for n in range(count):
                photos.image(kind, rng, (9, 9)).save(self.root / kind / f"{n:02}.png")
        self.run.mkdir()
        self.config = recipe(self.root, **fields)
        self.first = dataset.build(self.config)
        self.first.save(self.run / "labels.npz")
        self.first.manifest.write(self.run / "manifest.csv")

    def build(self, **options):
        self.said.clear()
        return dataset.build(self.config, self.run / "labels.npz", say=self.said.append, **options)

    def path(self, part, index=0):
        """Of an image of the train or the test part."""
        rows = np.flatnonzero(self.first.manifest.splits == part)
        return self.root / self.first.manifest.paths[rows[index]]

    def add(self, *paths):
        rng = np.random.default_rng(1)
        for path in paths:
            (self.root / path).parent.mkdir(exist_ok=True)
            photos.image("leaf", rng, (9, 9)).save(self.root / path)

    def check_same(self, built):
        """Bit for bit: images, labels, ids, their order, and what is written about them."""
        for part in ("train", "holdout", "test"):
            one, other = getattr(self.first, part), getattr(built, part)
            assert one.ids.tolist() == other.ids.tolist()
            assert (np.asarray(one.images) == np.asarray(other.images)).all()
        assert (built.train.given == self.first.train.given).all()
        assert (built.test.labels == self.first.test.labels).all()
        assert built.description == self.first.description


@pytest.fixture(params=["all", "long tail and holdout"])
def begun(request, tmp_path):
    tail = {"data.profile": "step", "data.imbalance_factor": 4.0, "data.max_count": 4}
    return Begun(tmp_path, **({} if request.param == "all" else tail | {"data.holdout": 0.3}))


def test_renamed_and_moved_images_are_the_same(begun):
    begun.path("train").rename(begun.path("train").with_name("zzz.png"))
    (begun.root / "apple" / "deep").mkdir()
    test = begun.path("test")
    test.rename(begun.root / test.parent.name / "000.png")
    begun.check_same(begun.build())
    assert begun.said == []
    begun.root.rename(begun.root.with_name("elsewhere"))
    begun.config.data.dir = str(begun.root.with_name("elsewhere"))
    begun.check_same(begun.build())


def test_new_images_and_new_classes_are_no_part_of_a_run(begun):
    begun.add("apple/000.png", "sky/zzz.png", "cloud/1.png", "an/1.png")  # numbers of classes shift
    built = begun.build()
    begun.check_same(built)
    assert begun.said == [
        "4 images are new since this run began and not part of it; a new workdir takes them in"
    ]
    reasons = {problem.path: problem.reason for problem in built.manifest.problems}
    assert reasons == dict.fromkeys(
        ["apple/000.png", "sky/zzz.png", "cloud/1.png", "an/1.png"],
        "new since this run began, no part of it",
    )
    there = own.scanned(begun.config.data, quiet)
    assert len(there.ids) == len(begun.first.manifest.ids) + 4


@pytest.mark.parametrize("part", ["train", "test"])
def test_training_needs_all_images_and_names_the_missing_by_path(tmp_path, part):
    begun = Begun(tmp_path)
    victims = [begun.path(part, n) for n in (0, 1)]
    for path in victims:
        path.unlink()
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in victims)
    wanted = (
        rf"^2 images of this run are gone from .*photos or changed \({names}\); put them back, or "
        "train in another workdir$"
    )
    with pytest.raises(UserError, match=wanted):
        begun.build()
    (begun.run / "manifest.csv").unlink()
    with pytest.raises(UserError, match=r"\([0-9a-f]{16}, [0-9a-f]{16}\)"):
        begun.build()


def test_an_audit_goes_on_without_what_is_gone(begun):
    gone = [begun.path("train"), begun.path("test"), begun.path("train", -1)]
    was, labels = begun.first.manifest, begun.first.labels
    ids = was.ids[np.isin(was.paths, [f"{path.parent.name}/{path.name}" for path in gone])]
    used = np.concatenate([labels[name] for name in ("ids", "holdout_ids", "test_ids")])
    for path in gone:
        path.unlink()
    built = begun.build(partial=True)
    (line,) = begun.said
    assert line.startswith(f"{np.isin(ids, used).sum()} images of the run are gone (")
    assert line.endswith("): audited without them")
    assert built.train.ids.tolist() == [key for key in labels["ids"] if key not in ids]
    assert len(built.test.ids) == len(begun.first.test.ids) - 1
    assert built.train.counts.sum() == len(built.clean) == len(built.train.images)


def test_a_class_whose_images_are_all_gone_keeps_its_number(tmp_path):
    begun = Begun(tmp_path)
    for path in (begun.root / "apple").iterdir():
        path.unlink()
    for n in range(8, 20):
        begun.add(f"leaf/new{n}.png")
    with pytest.raises(UserError, match=r"12 images of this run are gone .*apple/"):
        begun.build()
    begun = Begun(tmp_path / "another")
    for path in (begun.root / "sky").iterdir():
        path.unlink()
    built = begun.build(partial=True)
    assert built.train.class_names == ("apple", "leaf", "sky")
    assert built.train.counts[2] == 0 and built.train.counts[0] == begun.first.train.counts[0]


def test_another_folder_is_not_audited(tmp_path):
    begun = Begun(tmp_path)
    rng = np.random.default_rng(7)
    for path in begun.root.rglob("*.png"):
        photos.image("leaf", rng, (9, 9)).save(path)
    with pytest.raises(UserError, match=r"23 images of this run are gone .*; name where they are"):
        begun.build(partial=True)


def older(begun):
    """labels.npz as before runs remembered their split."""
    with np.load(begun.run / "labels.npz") as file:
        kept = {name: file[name] for name in file.files if name not in dataset.begun.COLUMNS}
    np.savez(begun.run / "labels.npz", **kept)


@pytest.mark.parametrize("with_table", [True, False])
def test_a_run_of_an_older_version_goes_on(tmp_path, with_table):
    """With another split than would be drawn now, and an image renamed since."""
    begun = Begun(tmp_path)
    begun.config.data.seed = 99
    older(begun)
    path = begun.path("train")
    if with_table:
        begun.add("apple/new.png")
    else:
        (begun.run / "manifest.csv").unlink()
    path.rename(path.with_name("0.png"))
    built = begun.build()
    assert sorted(built.test.ids) == sorted(begun.first.test.ids)
    assert built.train.ids.tolist() == begun.first.train.ids.tolist()
    assert bool(begun.said) == with_table


def test_a_damaged_memory_of_the_split_is_refused(tmp_path):
    begun = Begun(tmp_path)
    with np.load(begun.run / "labels.npz") as file:
        labels = dict(file)
    for name, bad in (
        ("test_ids", np.arange(3)),
        ("class_names", np.array([["a"]])),
        ("train_ids", None),
    ):
        changed = labels | {name: bad}
        np.savez(begun.run / "labels.npz", **{k: v for k, v in changed.items() if v is not None})
        with pytest.raises(UserError, match=r"labels\.npz: (damaged|unreadable)"):
            begun.build()


def test_ids_of_a_table_tell_images_apart(tmp_path):
    """The user's ids stay when the files are changed; the split hangs on them."""
    photos.make(tmp_path / "a", test_each=0)
    truth = [
        p.relative_to(tmp_path / "a").as_posix() for p in sorted((tmp_path / "a").rglob("*.png"))
    ]
    rows = [f"u{n},{path},{path.split('/')[1]}" for n, path in enumerate(truth)]
    table = tmp_path / "labels.csv"
    table.write_text("id,path,label\n" + "\n".join(rows) + "\n")
    config = csv_recipe.get_config()
    config.data.file, config.data.dir = str(table), str(tmp_path / "a")
    first = dataset.build(config)
    first.save(tmp_path / "labels.npz")
    table.write_text("id,path,label\n" + "\n".join(rows[::-1]) + "\n")
    again = dataset.build(config, tmp_path / "labels.npz")
    assert again.train.ids.tolist() == first.train.ids.tolist()
    assert set(dataset.build(config).test.ids) == set(first.test.ids)
