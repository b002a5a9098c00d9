"""What every index of files shares: class order, names on one line, paths that stay inside."""

import pathlib

import pytest

from dull_jax.data.own import image_index
from dull_jax.data.own.image_index import Entry, from_entries
from dull_jax.errors import UserError

ROOT = pathlib.Path("/data")


def test_classes_are_those_of_the_train_part():
    entries = [Entry("a", "dog", "train"), Entry("b", "cat", "train"), Entry("c", "cow", "test")]
    found = from_entries(ROOT, entries)
    assert found.class_names == ("cat", "dog") and found.labels.tolist() == [1, 0]
    assert found.labels.dtype == "int32" and list(found.paths) == ["a", "b"]
    assert found.notices == ("classes only in the test part: cow (1); their images are skipped",)
    assert [file[:3] for file in found.aside] == [("c", "cow", "test")] and not found.problems
    assert found.ids is None and found.where(0) == ""


def test_a_second_held_out_part_is_put_aside_where_there_is_training():
    entries = [Entry("a", "dog", "train"), Entry("b", "cat", "train"), Entry("c", "cat", "test"),
               Entry("d", "dog", "val", id="u4"), Entry("e", "cow", "val")]  # fmt: skip
    found = from_entries(ROOT, entries)
    assert list(found.paths) == ["a", "b", "c"]
    assert found.notices == ("2 images in a second held-out part are not used",)
    assert [(f.path, f.label, f.split, f.id, f.status) for f in found.aside] == [
        ("d", "dog", "val", "u4", "not used"), ("e", "cow", "val", "", "not used"),
    ]  # fmt: skip
    every = from_entries(ROOT, entries, trained=False)
    assert list(every.paths) == list("abcde") and not every.aside and not every.notices
    assert every.class_names == ("cat", "cow", "dog") and every.splits[-1] == "val"


@pytest.mark.parametrize(("splits", "used"), [
    (["train", "test", "val"], ["train", "test", "val"]),
    (["val", "train", ""], ["test", "train", ""]),
    ([], []),
])  # fmt: skip
def test_val_is_the_test_part_where_there_is_no_other(splits, used):
    assert image_index.held_out_as_test(splits) == used


def test_what_is_put_aside_has_the_names_of_the_classes():
    entries = [Entry(part, "gr\udcffn", part) for part in ("train", "val", "test")]
    entries += [Entry("a", "cat", "train"), Entry("b", "two\nlines", "test")]
    found = from_entries(ROOT, entries)
    assert [file.label for file in found.aside] == ["gr\\udcffn", "two\\nlines"]
    assert "gr\\udcffn" in found.class_names


def test_class_names_are_printable():
    entries = [Entry("a", "two\nlines", ""), Entry("b", "grün \udcff", "")]
    assert from_entries(ROOT, entries).class_names == ("grün \\udcff", "two\\nlines")


@pytest.mark.parametrize("labels", [(), ("only",)])
def test_two_classes_are_needed(labels):
    with pytest.raises(UserError, match="only class 'only' has" if labels else "no class has"):
        from_entries(ROOT, [Entry("a", label, "") for label in labels])


def test_a_long_name_makes_no_long_message():
    with pytest.raises(UserError, match="only class '777") as refused:
        from_entries(ROOT, [Entry("a", "7" * 5000, "")])
    assert len(str(refused.value)) < 200


def test_names_that_look_the_same_are_refused():
    entries = [Entry("a", "two\nlines", ""), Entry("b", "two\\nlines", "")]
    with pytest.raises(
        UserError, match=r"^/data: two classes are shown as 'two.*lines'; rename one"
    ):
        from_entries(ROOT, entries)


def test_labels_are_compared_composed():
    labels = ["e\u0301", "\u00e9", "z", "\u00c5", "\u212b"]  # the last: the sign of the angstrom
    found = from_entries(ROOT, [Entry(str(n), label, "") for n, label in enumerate(labels)])
    assert found.class_names == ("z", "\u00c5", "\u00e9")
    assert found.labels.tolist() == [2, 2, 0, 1, 1] and len(found.notices) == 2


@pytest.mark.parametrize("one, other", [
    ("cat", "cat "), (" cat", "cat"), ("\u00e9", "e\u0301 "), ("cat", "cat\u00a0"),
])  # fmt: skip
def test_names_that_differ_in_blanks_are_refused(one, other):
    entries = [Entry("a", one, "train"), Entry("b", "dog", "train"), Entry("c", other, "test")]
    with pytest.raises(UserError, match=r"^/data: the classes '.*' and '.*' differ in blanks"):
        from_entries(ROOT, entries)


def test_words_for_parts():
    words = {
        "train": "train Train TRAINING trainset train_set train-data seg_train trn train_images",
        "test": "test Testing testset test_set seg_test tst test_imgs",
        "val": "val valid validation dev devset seg_val val-set Validation_Set",
    }
    for part, several in words.items():
        assert {image_index.split_of(word) for word in several.split()} == {part}
    for word in ("trains", "contest", "tester", "valley", "devil", "restrain", "seg", "", "set"):
        assert image_index.split_of(word) is None
    assert {image_index.split_of(word) for word in image_index.HELD_OUT} == {"test", "val"}


def test_paths_of_lists_are_spelt_as_the_disk_has_them(tmp_path):
    (tmp_path / "cafe\u0301").mkdir()
    (tmp_path / "cafe\u0301" / "\u00fc.jpg").touch()
    for path in ("caf\u00e9/u\u0308.jpg", "cafe\u0301/\u00fc.jpg"):
        assert image_index.on_disk(path, tmp_path) == "cafe\u0301/\u00fc.jpg"
    assert image_index.on_disk("none/x.jpg", tmp_path) == "none/x.jpg"
    assert image_index.on_disk("n\u00f3ne.jpg", tmp_path) == "n\u00f3ne.jpg"
