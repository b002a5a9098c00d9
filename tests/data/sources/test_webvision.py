"""WebVision in miniature: its first classes, names, counts, and what is missing."""

import os

import pytest

from dull_jax.data.own import scan
from dull_jax.data.sources import webvision
from dull_jax.errors import UserError
from pictures import encoded, pixels, save

TRAIN = "google/q0001/a.jpg 0\ngoogle/q0002/b.jpg 1\ngoogle/q0002/c.jpg 1\ngoogle/q0099/d.jpg 2\n"
VAL = "val000001.jpg 1\nval000002.jpg 2\n"
SYNSETS = "n01 crane, bird\nn02 crane, bird\nn03 tench, Tinca tinca\n"
FILES = {"info/train_filelist_google.txt": TRAIN, "info/val_filelist.txt": VAL}


@pytest.fixture
def tree(tmp_path):
    def make(val="val_images_256", **changed):
        texts = FILES | {f"info/{name}.txt": text for name, text in changed.items()}
        save(tmp_path, {name: text.encode() for name, text in texts.items()})
        paths = [line.split()[0] for line in TRAIN.splitlines()]
        paths += [f"{val}/{line.split()[0]}" for line in VAL.splitlines()]
        save(tmp_path, {path: encoded(pixels(n)) for n, path in enumerate(paths)})
        return tmp_path

    return make


@pytest.mark.parametrize("val", ["val_images_256", "val_images"])
def test_the_first_classes(tree, tmp_path, val):
    found = webvision.read(tree(val), classes=2, counts={2: (3, 1)})
    assert list(found.paths) == [line.split()[0] for line in TRAIN.splitlines()[:3]] + [
        f"{val}/val000001.jpg"
    ]
    assert found.labels.tolist() == [0, 1, 1, 1] and found.class_names == ("0", "1")
    assert found.splits.tolist() == ["train"] * 3 + ["test"] and found.problems == ()
    assert len(scan.scan(found, print, cache=tmp_path / "cache").ids) == 4


def test_class_names_are_told_apart(tree):
    found = webvision.read(tree(synsets=SYNSETS), classes=3)
    assert found.class_names == ("crane, bird (n01)", "crane, bird (n02)", "tench, Tinca tinca")
    with pytest.raises(UserError, match=r"synsets.txt: 3 classes instead of 4"):
        webvision.read(tree(synsets=SYNSETS), classes=4)


def test_other_counts_are_said_and_used(tree):
    reasons = [problem.reason for problem in webvision.read(tree()).problems]
    assert reasons == [
        "4 images instead of the 65,944 that were published",
        "2 images instead of the 2,500 that were published",
    ]


def test_a_plain_tree_is_a_folder(tmp_path):
    save(tmp_path, dict.fromkeys(["train/n02/1.jpg", "train/n01/2.jpg", "val/n01/3.jpg"], b""))
    found = webvision.read(tmp_path)
    assert found.class_names == ("n01", "n02") and list(found.splits).count("test") == 1


def test_what_is_wrong_is_named(tree, tmp_path):
    with pytest.raises(
        UserError, match=r"missing: info/train_filelist_google\.txt, .*google, val_"
    ):
        webvision.read(tmp_path)
    root = tree()
    os.rename(root / "google", root / "images")
    with pytest.raises(UserError, match="missing: google "):
        webvision.read(root)
    with pytest.raises(UserError, match="2 to 1000 classes to choose, not 1"):
        webvision.read(root, classes=1)
    with pytest.raises(UserError, match=r"val_filelist.txt, row 1: .* 0\.\.999"):
        webvision.read(tree(val_filelist="val000001.jpg 1000\n"))


def test_a_path_in_another_unicode_form(tree):
    root = tree(train_filelist_google="google/\u00e9.jpg 0\ngoogle/q0002/b.jpg 1\n")
    save(root, {"google/e\u0301.jpg": b""})
    assert webvision.read(root).paths[0] == "google/e\u0301.jpg"
