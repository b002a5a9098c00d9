"""Class folders: which files are found, which are left out and why."""

import os

import pytest

from dull_jax.data.own import image_folder
from dull_jax.errors import UserError
from pictures import save


def problems(listing):
    return {problem.path: problem.reason for problem in listing.problems}


def names(listing, split):
    chosen = zip(listing.paths, listing.labels, listing.splits, strict=True)
    return {path: listing.class_names[label] for path, label, part in chosen if part == split}


def test_train_and_test(tmp_path):
    files = ["train/dog/1.jpg", "train/dog/deep/er/2.PNG", "train/cat/3.webp", "test/cat/4.gif"]
    save(tmp_path, dict.fromkeys([*files, "val/cat/5.jpg", "test/cow/6.jpg", "notes/x.txt"], b""))
    found = image_folder.read(tmp_path)
    assert found.class_names == ("cat", "dog") and found.root == tmp_path
    assert names(found, "train") == {
        "train/cat/3.webp": "cat",
        "train/dog/1.jpg": "dog",
        "train/dog/deep/er/2.PNG": "dog",
    }
    assert names(found, "test") == {"test/cat/4.gif": "cat"}
    assert problems(found) == {
        "cow": "class only in the test part: 1 images skipped",
        "notes": "folder not used: images are read from train and test",
        "val": "folder not used: images are read from train and test",
    }


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Test"])
def test_other_names_of_the_test_part(tmp_path, name):
    save(tmp_path, dict.fromkeys(["train/a/1.jpg", "train/b/2.jpg", f"{name}/a/3.jpg"], b""))
    assert names(image_folder.read(tmp_path), "test") == {f"{name}/a/3.jpg": "a"}


def test_one_level_has_no_split_and_a_class_may_be_called_train(tmp_path):
    save(tmp_path, dict.fromkeys(["train/1.jpg", "bus/2.jpg", "bus/x/3.jpg", "car/4.jpg"], b""))
    found = image_folder.read(str(tmp_path))
    assert found.class_names == ("bus", "car", "train") and set(found.splits) == {""}
    assert list(found.paths) == ["bus/2.jpg", "bus/x/3.jpg", "car/4.jpg", "train/1.jpg"]


def test_what_is_left_out(tmp_path):
    ignored = ["a/.hidden.jpg", "a/.git/x.jpg", "a/Thumbs.db", "__MACOSX/a/1.jpg", ".DS_Store"]
    save(tmp_path, dict.fromkeys(["a/1.jpg", "b/2.jpg", *ignored], b""))
    save(tmp_path, dict.fromkeys(["a/readme.TXT", "a/LICENSE", "loose.jpg", "notes.txt"], b""))
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    os.symlink("nowhere", tmp_path / "a" / "dead.jpg")
    os.symlink("self.jpg", tmp_path / "a" / "self.jpg")
    found = image_folder.read(tmp_path)
    assert list(found.paths) == ["a/1.jpg", "b/2.jpg"] and found.class_names == ("a", "b")
    reasons = problems(found)
    assert "Too many levels" in reasons.pop("a/self.jpg")
    assert reasons == {
        "a/readme.TXT": "not an image file (.TXT)",
        "a/LICENSE": "not an image file (no extension)",
        "loose.jpg": "not in a class folder",
        "notes.txt": "not an image file (.txt)",
        "empty": "class without images",
        "a/pipe.jpg": "not a regular file",
        "a/dead.jpg": "a link to nothing",
    }


def test_links_are_followed_but_not_in_circles(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    save(data, dict.fromkeys(["a/1.jpg", "b/2.jpg"], b""))
    save(elsewhere, {"3.jpg": b""})
    os.symlink(elsewhere, data / "a" / "more")
    os.symlink("..", data / "a" / "up")
    os.symlink(data / "b", data / "b" / "again")
    for one, other in (("x", "y"), ("y", "x")):
        (elsewhere / one).mkdir()
        os.symlink(elsewhere / other, elsewhere / one / "round")
    found = image_folder.read(data)
    assert list(found.paths) == ["a/1.jpg", "a/more/3.jpg", "b/2.jpg"]
    assert len(found.problems) == 4
    assert set(problems(found).values()) == {"a link to a folder already read"}


def test_names_of_all_kinds(tmp_path):
    odd = ["schön/naïve ✓.jpg", "two\nlines/a\nb.jpg", "spaced out/ x .jpg", "<b>&'\"/=cmd().jpg"]
    save(tmp_path, dict.fromkeys(odd, b""))
    save(os.fsencode(tmp_path), {b"caf\xe9/\xff.jpg": b""})
    found = image_folder.read(tmp_path)
    assert sorted(found.paths) == sorted([*odd, "caf\udce9/\udcff.jpg"])
    assert "caf\\udce9" in found.class_names and "two\\nlines" in found.class_names
    assert all((tmp_path / path).exists() for path in found.paths)


def test_errors_name_the_folder(tmp_path):
    with pytest.raises(UserError, match="none: No such file or directory; name a folder"):
        image_folder.read(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: Not a directory"):
        image_folder.read(tmp_path / "file")
    save(tmp_path, {"only/1.jpg": b""})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="only class 'only' has images to train on; two"):
        image_folder.read(tmp_path)
    save(tmp_path, {"flat/train/1.jpg": b"", "flat/test/2.jpg": b""})
    with pytest.raises(UserError, match=r"class folders belong into .*/flat/train"):
        image_folder.read(tmp_path / "flat")
    with pytest.raises(UserError, match="empty: no class has images"):
        image_folder.read(tmp_path / "empty")
