"""From an index of files to the images that are used: ids, duplicates, what is said of them."""

import hashlib
import os

import numpy as np
import pytest

from dull_jax.errors import UserError
from pictures import animated, bomb, encoded, images, pixels, rotated


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
