"""From a listing to the images that are used: ids, duplicates, the hold-out, the file of it all."""

import csv
import hashlib
import os

import numpy as np
import pytest

from dull_jax.data.own import image_csv, image_folder, manifest
from dull_jax.errors import UserError
from pictures import animated, bomb, encoded, pixels, rotated, save


@pytest.fixture
def scan(tmp_path):
    """Writes files, reads them as a folder or by a CSV file, scans; `act.said` was told."""

    def act(files, table=""):
        save(tmp_path / "data", files)
        act.said = []
        if table:
            save(tmp_path, {"data/labels.csv": table.encode()})
            listing = image_csv.read(tmp_path / "data" / "labels.csv")
        else:
            listing = image_folder.read(tmp_path / "data")
        return manifest.scan(listing, act.said.append, cache=tmp_path / "cache")

    return act


def images(*names, first=0):
    return {name: encoded(pixels(first + seed, 8, 8)) for seed, name in enumerate(names)}


def hostile():
    """Every kind of file people have, good and bad, in one class; the other class is fine."""
    grey = pixels()[..., 0]
    return images("fine/1.png", "fine/2.png", first=90) | {
        "odd/16bit.png": encoded(grey.astype(np.uint16) * 257),
        "odd/grey.jpg": encoded(grey, "JPEG"),
        "odd/rgba.png": encoded(np.dstack([pixels(), grey])),
        "odd/turned.jpg": rotated(6, pixels(4), "JPEG"),
        "odd/1x1.png": encoded(np.zeros((1, 1, 3), np.uint8)),
        "odd/animated.gif": animated("GIF"),
        "odd/called.png": encoded(pixels(5), "JPEG"),
        "odd/ünï\ncode.png": encoded(pixels(6)),
        "odd/truncated.jpg": encoded(pixels(7), "JPEG")[:-200],
        "odd/empty.png": b"",
        "odd/text.jpg": b"<script>alert(1)</script>",
        "odd/bomb.png": bomb(),
        "odd/notes.txt": b"",
    }


def test_every_kind_of_file_is_used_or_listed_with_its_reason(scan, tmp_path):
    found = scan(hostile())
    os.symlink(".", tmp_path / "data" / "odd" / "loop")
    found = scan({})
    reasons = {problem.path: problem.reason for problem in found.problems}
    assert reasons.keys() == {
        f"odd/{n}" for n in ("truncated.jpg", "empty.png", "text.jpg", "bomb.png")
    } | {"odd/notes.txt", "odd/loop"}
    assert reasons["odd/truncated.jpg"].startswith("truncated")
    notes = dict(zip(found.paths, found.notes, strict=True))
    assert notes["odd/animated.gif"] == "animated: first frame used"
    assert notes["odd/called.png"] == "wrong extension: a JPEG file"
    sizes = dict(zip(found.paths, zip(found.widths, found.heights, strict=True), strict=True))
    assert sizes["odd/turned.jpg"] == (24, 32) and sizes["odd/1x1.png"] == (1, 1)
    assert len(found.ids) == 10 == len(set(found.ids))
    told = [line for line in scan.said if line.startswith("left out")]
    assert len(told) == 6 and told[-1] == "left out: 1 more" and "\n" not in "".join(told)


def test_policies(scan):
    found = scan(hostile())
    found.check("skip")
    with pytest.raises(UserError, match=r"notes.txt: not an image .*; and 4 more problems; mend"):
        found.check("fail")
    with pytest.raises(UserError, match="must be 'skip' or 'fail', not 'stop'"):
        found.check("stop")
    scan(images("fine/3.png")).check("skip")


def test_ids_are_of_the_content_and_survive_moving(scan, tmp_path):
    files = images("train/a/1.png", "train/b/2.png", "train/b/3.png", "test/a/4.png")
    found = scan(files)
    expected = [hashlib.sha256(files[path]).hexdigest()[:16] for path in found.paths]
    assert found.ids.tolist() == expected and found.labels.dtype == np.int32
    os.rename(
        tmp_path / "data" / "train" / "b" / "3.png", tmp_path / "data" / "train" / "a" / "0.png"
    )
    moved = scan({})
    assert set(moved.ids) == set(expected) and moved.labels.tolist() == [0, 0, 1, 0]
    assert moved.splits.tolist() == ["train"] * 3 + ["test"]


def test_duplicates(scan):
    same = images("a/1.png", "b/2.png", "b/3.png") | images(
        "a/9.png", "a/8.png", "b/7.png", first=1
    )
    found = scan(same | {"a/0.png": same["a/1.png"], "b/0.png": same["a/1.png"]})
    assert len(found.paths) == len(set(found.ids)) == 7
    content = hashlib.sha256(same["a/1.png"]).hexdigest()[:16]
    ids = dict(zip(found.paths, found.ids, strict=True))
    assert ids["a/0.png"] == content and ids["b/0.png"] == f"{content}-2" and "a/1.png" not in ids
    assert len(found.duplicates) == 3
    assert any(
        "different labels" in line and "a/0.png, a/1.png, b/0.png" in line for line in scan.said
    )


def test_csv_rows_ids_and_missing_files(scan):
    table = "id,path,label\nu1,x.png,1\nu2,y.png,0\nu3,none.png,1\nu4,x.png,0\n"
    found = scan(images("x.png", "y.png"), table)
    assert found.ids.tolist() == ["u1", "u2", "u4"] and found.labels.tolist() == [1, 0, 0]
    assert found.problems == (("none.png", "no such file (row 4)", "1", "", True),)
    assert found.duplicates[0].paths == ("x.png", "x.png")


def test_two_classes_must_be_usable(scan):
    with pytest.raises(UserError, match=r"1 of 2 classes have usable .* \(b/2.png: empty file\)"):
        scan(images("a/1.png") | {"b/2.png": b""})


def test_the_file_of_it_all(scan, tmp_path):
    files = images("=a/1.png", "b/2.png", "b/@3.png") | {"b/bad.png": b"", "b/5.png": b"GIF89a"}
    found = scan(files | {"b/4.png": files["b/2.png"]})
    found.write(tmp_path / "manifest.csv")
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert rows["'=a/1.png"]["label"] == "'=a" and rows["'=a/1.png"]["status"] == "used"
    assert rows["b/2.png"]["width"] == "8"
    assert rows["b/4.png"]["id"] == rows["b/2.png"]["id"] + "-copy-1"
    assert rows["b/4.png"]["status"] == "duplicate" and "used once" in rows["b/4.png"]["reason"]
    assert rows["b/bad.png"]["status"] == "left out" and rows["b/bad.png"]["reason"] == "empty file"
    assert rows["b/bad.png"]["label"] == "b" and len(rows) == 6


def test_the_hold_out(scan):
    names = [
        f"{name}/{n:02}.png"
        for name, count in (("a", 20), ("b", 2), ("c", 1))
        for n in range(count)
    ]
    files = images(*names)
    found = scan(files | {"b/clash.png": files["a/00.png"]})
    split = found.with_test(0.25, seed=3)
    held_out = split.splits == "test"
    counts = np.bincount(split.labels[held_out], minlength=3).tolist()
    assert 0 < counts[0] < 20 and counts[1:] == [1, 0]
    assert set(split.splits) == {"train", "test"}
    clash = np.isin(split.paths, ["a/00.png", "b/clash.png"])
    assert clash.sum() == 2 and not held_out[clash].any()
    assert (found.with_test(0.25, 3).splits == split.splits).all()
    assert (found.with_test(0.25, 4).splits != split.splits).any()
    assert split.with_test(0.9, 0) is split
    assert (
        np.bincount(
            found.with_test(0.99, 0).labels[found.with_test(0.99, 0).splits == "train"]
        ).min()
        > 0
    )
    for share in (0, 1, -1, float("nan")):
        with pytest.raises(UserError, match="between 0 and 1"):
            found.with_test(share, 0)


def test_nothing_can_be_held_out(scan):
    with pytest.raises(UserError, match="no image can be held out to test on"):
        scan(images("a/0.png", "b/0.png")).with_test(0.5, 0)


def held_out(found, **draw):
    split = found.with_test(**{"share": 0.3, "seed": 0} | draw)
    return {path: part for path, part in zip(split.ids, split.splits, strict=True)}


def test_the_hold_out_is_of_the_images_and_not_of_their_list(scan, tmp_path):
    """Renamed, moved, added, removed: no other image changes sides."""
    names = [f"{k}/{n:02}.png" for k in "abc" for n in range(25)]
    files = images(*names)
    before = held_out(scan(files))
    data = tmp_path / "data"
    (data / "a" / "00.png").rename(data / "a" / "zzz.png")
    (data / "b" / "deep").mkdir()
    (data / "b" / "07.png").rename(data / "b" / "deep" / "first.png")
    assert held_out(scan({})) == before
    more = held_out(scan(images("a/000.png", "b/x.png", "c/y.png", "new/1.png", first=100)))
    assert len(more) == len(before) + 4 and more.items() >= before.items()
    for name in ("a/05.png", "b/06.png", "c/24.png"):
        (data / name).unlink()
    fewer = held_out(scan({}))
    assert len(fewer) == len(more) - 3 and fewer.items() <= more.items()
    assert set(before.values()) == {"train", "test"}


def test_the_share_is_nearly_what_was_asked_for():
    ids = np.array([f"{n:016x}" for n in range(20_000)])
    found = manifest.Manifest(
        None, ("a", "b"), ids, ids, np.arange(20_000, dtype=np.int32) % 2, np.full(20_000, ""),
        None, None, ids, None, (), (),
    )  # fmt: skip
    for share in (0.02, 0.2, 0.9):
        split = found.with_test(share, 5)
        assert (split.splits == "test").mean() == pytest.approx(share, abs=0.01)
    assert manifest._numbers(np.array(["a", "b"]), 7).tolist() == [
        int(hashlib.sha256(text).hexdigest()[:16], 16) / 2**64 for text in (b"7 a", b"7 b")
    ]


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_class_of_two_has_one_on_each_side(scan, share):
    split = scan(images("a/1.png", "a/2.png", "b/1.png", "b/2.png", "c/1.png"))
    split = split.with_test(share, 1)
    parts = {(str(k), str(part)) for k, part in zip(split.labels, split.splits, strict=True)}
    assert parts == {("0", "train"), ("0", "test"), ("1", "train"), ("1", "test"), ("2", "train")}


def test_what_is_odd_is_told_by_kind_and_leftovers_are_told_once(scan):
    grey = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    files = {f"a/{n}.png": encoded(np.maximum(grey, n)) for n in range(5)} | images("b/1.png")
    files |= {"b/@eaDir/1.png": b"", "b/2.jpg": encoded(pixels(3)), "b/3.png": animated("GIF")}
    found = scan(files)
    found.check("fail")
    assert "ignored: 1 leftover of a NAS, Windows or macOS (@eaDir)" in scan.said
    told = [line for line in scan.said if line.startswith("noted")]
    assert told[0].startswith("noted of 5 images: 12-bit values in a deeper file: stretched: a/0")
    assert (
        told[0].endswith(", …") and "noted of 1 image: animated: first frame used: b/3.png" in told
    )
    assert "noted of 1 image: wrong extension: a PNG file: b/2.jpg" in told
    assert not any("eaDir" in problem.path for problem in found.problems)
