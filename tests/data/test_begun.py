"""A run that was begun goes on with its own images and labels, whatever became of the folder."""

import numpy as np
import pytest

import photos
from configs import csv as csv_recipe
from dull_jax.data import labels_file, sources
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from photos import recipe


def quiet(text):
    pass


def built_of(config, labels=None):
    return prepare(config, quiet, labels=labels)[1]


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
        self.config, self.first = prepare(self.config, quiet)
        self.first.save(self.run / "labels.npz")
        self.first.manifest.write(self.run / "manifest.csv")

    def build(self, **options):
        self.said.clear()
        labels = self.run / "labels.npz"
        return prepare(self.config, self.said.append, labels=labels, **options)[1]

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
    reasons = {file.path: file.reason for file in built.manifest.aside}
    assert reasons == dict.fromkeys(
        ["apple/000.png", "sky/zzz.png", "cloud/1.png", "an/1.png"],
        "new since this run began, no part of it",
    )
    there = sources.scan(begun.config.data, quiet)
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
    built = begun.build(audit=True)
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
    built = begun.build(audit=True)
    assert built.train.class_names == ("apple", "leaf", "sky")
    assert built.train.counts[2] == 0 and built.train.counts[0] == begun.first.train.counts[0]


def test_another_folder_is_not_audited(tmp_path):
    begun = Begun(tmp_path)
    rng = np.random.default_rng(7)
    for path in begun.root.rglob("*.png"):
        photos.image("leaf", rng, (9, 9)).save(path)
    with pytest.raises(UserError, match=r"23 images of this run are gone .*; name where they are"):
        begun.build(audit=True)


def older(begun):
    """labels.npz as before runs remembered their split."""
    with np.load(begun.run / "labels.npz") as file:
        kept = {name: file[name] for name in file.files if name not in labels_file.OWN}
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


def test_labels_corrected_since_the_run_began_make_another_run(tmp_path):
    photos.make(tmp_path)
    config = recipe(tmp_path)
    built_of(config).save(tmp_path / "labels.npz")
    built_of(config, tmp_path / "labels.npz")
    wrong = next((tmp_path / "train" / "apple").glob("leaf*"))
    wrong.rename(tmp_path / "train" / "leaf" / "mine.png")
    with pytest.raises(UserError, match=r"1 images .*train/leaf/mine\.png\); .* another workdir"):
        built_of(config, tmp_path / "labels.npz")


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
    first = built_of(config)
    first.save(tmp_path / "labels.npz")
    table.write_text("id,path,label\n" + "\n".join(rows[::-1]) + "\n")
    again = built_of(config, tmp_path / "labels.npz")
    assert again.train.ids.tolist() == first.train.ids.tolist()
    assert set(built_of(config).test.ids) == set(first.test.ids)
