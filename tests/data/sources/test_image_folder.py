"""Class folders: which files are found, which are left out and why."""

import os
import unicodedata

import pytest

from dull_jax.data.own import decode
from dull_jax.data.own.image_index import UNLABELLED
from dull_jax.data.sources import folder as image_folder
from dull_jax.errors import UserError
from dull_jax.run_dir import layout
from pictures import save


def problems(index):
    return {problem.path: problem.reason for problem in index.problems}


def names(index, split):
    chosen = zip(index.paths, index.labels, index.splits, strict=True)
    return {path: index.class_names[label] for path, label, part in chosen if part == split}


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
    assert problems(found) == {"notes": "folder not used: images are read from train and test"}
    assert [(file.path, file.label, file.split) for file in found.aside] == [
        ("val/cat/5.jpg", "cat", "val"), ("test/cow/6.jpg", "cow", "test"),
    ]  # fmt: skip
    assert len(found.notices) == 2
    every = image_folder.read(tmp_path, labelled=False)
    assert every.class_names == ("cat", "cow", "dog") and not every.aside
    assert names(every, "val") == {"val/cat/5.jpg": "cat"}


@pytest.mark.parametrize(("beside", "labels"), [(0, ("cat", "dog")), (2, ("cat", "dog")), (3, ())])
def test_without_a_need_for_labels_most_images_decide_what_folders_are(beside, labels, tmp_path):
    inside = ["cat/1.jpg", "cat/deep/2.jpg", "dog/3.jpg"]
    loose = [f"{n}.jpg" for n in range(beside)]
    save(tmp_path, dict.fromkeys([*inside, *loose, "notes.txt"], b""))
    found = image_folder.read(tmp_path, labelled=False)
    assert found.class_names == (labels or UNLABELLED)
    assert len(found.paths) == 3 + beside * (not labels)


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


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("training", "Test"),
        ("trainset", "testset"),
        ("train_set", "val_set"),
        ("TRAIN", "Validation"),
        ("train-images", "dev"),
        ("seg_train", "seg_test"),
        ("train_data", "test data"),
        ("trn", "tst"),
    ],
)
def test_what_people_call_the_parts(tmp_path, train, test):
    save(tmp_path, dict.fromkeys([f"{train}/{k}/1.jpg" for k in "ab"] + [f"{test}/a/2.jpg"], b""))
    found = image_folder.read(tmp_path)
    assert found.class_names == ("a", "b") and found.problems == ()
    assert names(found, "test") == {f"{test}/a/2.jpg": "a"}


def test_a_part_unpacked_into_a_folder_of_its_own_name(tmp_path):
    """As Kaggle's archive of Intel's landscapes, with images to predict beside it."""
    files = [
        f"seg_{part}/seg_{part}/{k}/1.jpg" for part in ("train", "test") for k in ("sea", "ice")
    ]
    save(tmp_path, dict.fromkeys([*files, "seg_pred/seg_pred/7.jpg"], b""))
    found = image_folder.read(tmp_path)
    assert found.class_names == ("ice", "sea")
    assert sorted(found.paths) == sorted(files) and list(found.splits).count("test") == 2
    assert problems(found) == {
        "seg_pred": "folder not used: images are read from seg_train and seg_test"
    }


def test_the_plain_word_comes_first_and_a_part_without_class_folders_is_none(tmp_path):
    files = ["train/a/1.jpg", "train/b/1.jpg", "training/a/2.jpg", "validation/a/3.jpg"]
    save(tmp_path, dict.fromkeys([*files, "val/a/4.jpg", "test/5.jpg"], b""))
    found = image_folder.read(tmp_path)
    assert names(found, "test") == {"val/a/4.jpg": "a"} and len(found.paths) == 3
    assert problems(found).keys() == {"test", "training"}
    assert [file.path for file in found.aside] == ["validation/a/3.jpg"]


def test_parts_within_each_class(tmp_path):
    files = [f"{k}/{part}/{k}.jpg" for k in ("cat", "dog") for part in ("Train", "test", "val")]
    save(tmp_path, dict.fromkeys([*files, "cat/train.jpg", "cat/notes.txt"], b""))
    (tmp_path / "cow" / "train").mkdir(parents=True)
    found = image_folder.read(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert names(found, "train") == {"cat/Train/cat.jpg": "cat", "dog/Train/dog.jpg": "dog"}
    assert names(found, "test") == {"cat/test/cat.jpg": "cat", "dog/test/dog.jpg": "dog"}
    assert [file.path for file in found.aside] == ["cat/val/cat.jpg", "dog/val/dog.jpg"]
    assert problems(found) == {
        "cow": "class without images",
        "cat/train.jpg": "not in a part of its class",
        "cat/notes.txt": "not an image file (.txt)",
    }


def test_a_class_may_be_called_test_where_there_is_no_train_part(tmp_path):
    save(tmp_path, dict.fromkeys(["cat/1.jpg", "dog/2.jpg", "test/3.jpg"], b""))
    found = image_folder.read(tmp_path)
    assert found.class_names == ("cat", "dog", "test") and set(found.splits) == {""}


def test_folders_that_are_all_parts_are_no_classes(tmp_path):
    save(tmp_path, dict.fromkeys(["p/Testing/a/1.jpg", "p/val/a/1.jpg", "q/training/1.jpg"], b""))
    wanted = r"p: Testing, val look like parts .* class folders belong into .*/p/train$"
    with pytest.raises(UserError, match=wanted):
        image_folder.read(tmp_path / "p")
    with pytest.raises(UserError, match=r"class folders belong into .*/q/training$"):
        image_folder.read(tmp_path / "q")
    save(tmp_path, dict.fromkeys(["r/archive/train/a/1.jpg", "r/archive/test/a/1.jpg"], b""))
    with pytest.raises(UserError, match=r"r: the data set is in .*/r/archive; name that folder"):
        image_folder.read(tmp_path / "r")


LEFTOVERS = (
    "@eaDir/1.jpg/THUMB_M.jpg",
    "a/@eaDir/1.jpg",
    "a/deep/@eaDir/x/y/1.jpg",
    "#recycle/1.jpg",
    "#snapshot/a/1.jpg",
    "@Recycle/1.jpg",
    "@Recently-Snapshot/1.jpg",
    "@tmp/1.jpg",
    "$RECYCLE.BIN/S-1-5/1.jpg",
    "RECYCLER/1.jpg",
    "System Volume Information/1.jpg",
    "lost+found/1.jpg",
    "__MACOSX/a/1.jpg",
    "a/Thumbs.db",
    "a/ehthumbs.db",
    "a/Desktop.ini",
    "b/Icon\r",
)
HIDDEN = (".DS_Store", "a/._1.jpg", ".Trash-1000/1.jpg", ".@__thumb/1.jpg", ".AppleDouble/1.jpg")


@pytest.mark.parametrize("part", ["", "train/"])
def test_leftovers_are_ignored_at_any_depth_and_said(tmp_path, part):
    kept = [f"{part}a/1.jpg", f"{part}a/deep/2.jpg", f"{part}b/3.jpg", f"{part}recycler/4.jpg"]
    save(tmp_path, dict.fromkeys([*kept, *(part + p for p in (*LEFTOVERS, *HIDDEN))], b""))
    found = image_folder.read(tmp_path)
    assert sorted(found.paths) == sorted(kept) and found.problems == ()
    assert found.class_names == ("a", "b", "recycler")
    (notice,) = found.notices
    assert notice.startswith("ignored: 17 leftovers of a NAS, Windows or macOS (#recycle, ")
    assert notice.endswith(", …)") and "\r" not in notice


def test_runs_and_audits_among_the_photographs_are_no_classes(tmp_path):
    run = ["run/config.json", "run/labels.npz", "run/report/1.jpg", "run/corrected.csv"]
    audit = ["a/audit/audit.json", "a/audit/audit.npz"]
    save(tmp_path, dict.fromkeys(["a/1.jpg", "b/2.jpg", *run, *audit], b""))
    found = image_folder.read(tmp_path)
    assert sorted(found.paths) == ["a/1.jpg", "b/2.jpg"] and found.problems == ()
    assert found.notices == ("ignored: 2 folders of a run or an audit (audit, run)",)


def test_a_run_beside_class_folders_hides_no_image(tmp_path):
    """A workdir that is a part of the data, or a class with a file of an audit's name."""
    run = ["train/config.json", "train/labels.npz", "train/report/index.html"]
    images = ["train/a/1.jpg", "train/b/2.jpg", "train/b/audit.json", "test/a/3.jpg"]
    save(tmp_path, dict.fromkeys([*run, *images], b""))
    found = image_folder.read(tmp_path)
    assert sorted(found.paths) == sorted(p for p in images if p.endswith(".jpg"))
    assert not layout.has_no_other_folders(str(tmp_path / "gone"))


def test_a_run_in_a_class_folder_hides_no_image(tmp_path):
    save(tmp_path, dict.fromkeys(["a/1.jpg", "a/config.json", "a/labels.npz", "b/2.jpg"], b""))
    assert list(image_folder.read(tmp_path).paths) == ["a/1.jpg", "b/2.jpg"]


def test_a_class_spelt_in_two_ways_is_one(tmp_path):
    """Composed, as typed on most systems, and decomposed, as macOS writes names."""
    one, two, other = "caf\u00e9", "cafe\u0301", "\u1eaf"  # the last is three characters apart
    apart = unicodedata.normalize("NFD", other)
    save(tmp_path, dict.fromkeys([f"{one}/1.jpg", f"{two}/2.jpg", f"{apart}/3.jpg"], b""))
    found = image_folder.read(tmp_path)
    assert found.class_names == (one, other) and found.labels.tolist().count(0) == 2
    assert all((tmp_path / path).exists() for path in found.paths)
    assert found.notices == (
        f"two spellings of one class are one: {one}, its accents composed and decomposed",
    )
    parts = tmp_path / "parts"
    save(parts, dict.fromkeys([f"train/{one}/1.jpg", "train/b/1.jpg", f"test/{two}/2.jpg"], b""))
    found = image_folder.read(parts)
    assert names(found, "test") == {f"test/{two}/2.jpg": one} and not found.problems


def test_classes_that_differ_in_blanks_are_refused(tmp_path):
    save(tmp_path, dict.fromkeys(["cat/1.jpg", "cat /2.jpg", "dog/3.jpg"], b""))
    with pytest.raises(UserError, match="the classes 'cat' and 'cat ' differ in blanks alone"):
        image_folder.read(tmp_path)


def test_an_error_counts_what_was_left_out(tmp_path, monkeypatch):
    files = [f"{k}/{n}.{end}" for k in "ab" for n in range(4) for end in ("HEIC", "CR2")]
    save(tmp_path, dict.fromkeys([*files, "a/x.txt"], b""))
    lacking = "install pillow-heif to read it"
    monkeypatch.setattr(decode, "lacking", lambda end: lacking * (end == ".HEIC"))
    with pytest.raises(UserError) as caught:
        image_folder.read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no class has images to train on; two are needed; left out: 8 x not an image "
        "file (.CR2), 8 x a .HEIC file: install pillow-heif to read it, 2 x class without images, "
        "1 x not an image file (.txt)"
    )


@pytest.mark.parametrize("suffix", ["jfif", "JPE", "avif", "pnm", "Tiff"])
def test_more_kinds_of_files(tmp_path, suffix):
    if decode.lacking(f".{suffix}"):
        pytest.skip("not with this Pillow")
    save(tmp_path, dict.fromkeys([f"a/1.{suffix}", f"b/2.{suffix}"], b""))
    assert len(image_folder.read(tmp_path).paths) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("train2017", "val2017"),
        ("01_train", "02_test"),
        ("my_train", "my_test"),
        ("trainval", "test"),
        ("images_train", "images_val"),
        ("train (1)", "test (1)"),
        ("x-train", "y-dev"),
    ],
)
def test_folders_with_the_word_of_a_part_are_no_classes(tmp_path, names):
    for name in names:
        for kind in ("cat", "dog"):
            (tmp_path / name / kind).mkdir(parents=True)
            (tmp_path / name / kind / "0.png").touch()
    with pytest.raises(UserError, match="look like parts of a data set"):
        image_folder.read(tmp_path)


def test_trains_are_a_class_of_things(tmp_path):
    for name in ("steam train", "bullet train"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").touch()
    assert image_folder.read(tmp_path).class_names == ("bullet train", "steam train")
