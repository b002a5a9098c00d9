"""Clothing1M in miniature: both places of its text files, counts, and what is missing."""

import os

import pytest

from dull_jax.data.own import scan
from dull_jax.data.sources import clothing1m
from dull_jax.errors import UserError
from pictures import encoded, pixels, save

COUNTS = {"noisy_train": 4, "clean_val": 1, "clean_test": 2}
TEXTS = {
    "noisy_train_key_list.txt": "images/0/1.jpg\nimages/0/2.jpg\nimages/1/3.jpg\nimages/1/6.jpg\n",
    "noisy_label_kv.txt": "images/0/1.jpg 3\nimages/1/3.jpg 13\nimages/0/2.jpg 0\n"
    "images/1/6.jpg 1\n",
    "clean_val_key_list.txt": "images/9/4.jpg\n",
    "clean_test_key_list.txt": "images/9/5.jpg\r\nimages/1/6.jpg\r\n",
    "clean_label_kv.txt": "images/9/4.jpg 1\nimages/9/5.jpg 2\nimages/1/6.jpg 2\n",
}
IMAGES = ("0/1", "0/2", "1/3", "9/4", "9/5", "1/6")


@pytest.fixture
def tree(tmp_path):
    def make(inner="", **changed):
        save(tmp_path, {f"images/{n}.jpg": encoded(pixels(int(n[-1])), "JPEG") for n in IMAGES})
        texts = TEXTS | {name.replace("__", "."): text for name, text in changed.items()}
        save(tmp_path, {inner + name: text.encode() for name, text in texts.items()})
        return tmp_path

    return make


@pytest.mark.parametrize("inner", ["", "annotations/"])
def test_both_places_of_the_lists(tree, inner):
    found = clothing1m.read(tree(inner), counts=COUNTS)
    assert list(found.paths)[:4] == TEXTS["noisy_train_key_list.txt"].split()
    assert found.labels.tolist() == [3, 0, 13, 1, 2, 2] and found.problems == ()
    assert found.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert found.class_names == clothing1m.CLASS_NAMES and len(found.class_names) == 14
    assert found.where(5) == " (row 2)"


def test_the_clean_validation_part_and_what_train_shares_with_test(tree, tmp_path):
    root = tree()
    found = clothing1m.read(root, held_out="val", counts=COUNTS)
    assert list(found.paths)[4:] == ["images/9/4.jpg"]
    scanned = scan.scan(clothing1m.read(root, counts=COUNTS), print, cache=tmp_path / "c")
    assert scanned.splits.tolist() == ["train"] * 3 + ["test"] * 2
    assert scanned.duplicates[0].action.endswith("taken out of train")


def test_other_counts_are_said_and_used(tree):
    (*_, problem) = clothing1m.read(tree()).problems
    assert problem[:2] == (
        "clean_test_key_list.txt",
        "2 images instead of the 10,526 that were published",
    )


def test_class_names_of_the_file(tree):
    names = [f"class {n}" for n in range(14)]
    found = clothing1m.read(tree(category_names_eng__txt="\n".join(names) + "\n"))
    assert list(found.class_names) == names
    with pytest.raises(UserError, match=r"category_names_eng.txt: 2 class names instead of 14"):
        clothing1m.read(tree(category_names_eng__txt="a\nb\n"))


def test_all_that_is_missing_is_named_at_once(tree):
    root = tree()
    os.remove(root / "noisy_label_kv.txt")
    os.remove(root / "clean_test_key_list.txt")
    os.rename(root / "images", root / "pictures")
    wanted = "missing: images, clean_test_key_list.txt, noisy_label_kv.txt"
    with pytest.raises(UserError, match=f"Clothing1M in {root} is not complete; {wanted}"):
        clothing1m.read(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/0/1.jpg 14", "row 1: 'images/0/1.jpg 14' does not end in a class, 0..13"),
        ("images/0/1.jpg -1", "does not end in a class"),
        ("images/0/1.jpg", "does not end in a class"),
        ("5", "row 1: '' is no path"),
        ("../../etc/passwd 1", "is no path below"),
        ("/etc/passwd 1", "is no path below"),
        ("images/0/2.jpg 1\nimages/0/2.jpg 1", "row 2: 'images/0/2.jpg' is there twice"),
        ("images/0/2.jpg 1", "noisy_train_key_list.txt, row 1: no label for it in noisy_label_kv"),
    ],
)
def test_bad_lines(tree, line, message):
    with pytest.raises(UserError, match=message):
        clothing1m.read(tree(noisy_label_kv__txt=line))


def test_keys_in_another_unicode_form(tree):
    """The key list composed, the labels and the disk decomposed."""
    root = tree(
        noisy_train_key_list__txt="images/0/\u00e9.jpg\nimages/0/1.jpg\n",
        noisy_label_kv__txt="images/0/e\u0301.jpg 5\nimages/0/1.jpg 3\n",
    )
    save(root, {"images/0/e\u0301.jpg": b""})
    found = clothing1m.read(root, counts=COUNTS)
    assert found.paths[0] == "images/0/e\u0301.jpg" and found.labels.tolist()[:2] == [5, 3]
