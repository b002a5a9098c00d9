"""The images that are used: problems that are refused, the hold-out, the file of it all."""

import csv
import dataclasses

import numpy as np
import pytest

from dull_jax.data.own import manifest
from dull_jax.data.own.image_index import UNTRAINED, Aside
from dull_jax.errors import UserError
from pictures import images

BAD = ("b/1.png", "b/3.png", "b/4.png")


def test_policies(scan):
    found = scan(images("fine/1.png", "b/2.png") | {name: b"" for name in BAD})
    found.check("skip")
    with pytest.raises(UserError, match=r"b/1.png: empty file; and 2 more problems; fix"):
        found.check("fail")
    with pytest.raises(UserError, match="must be 'skip' or 'fail', not 'stop'"):
        found.check("stop")


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


def test_what_an_audit_has_corrected_is_not_held_out(scan):
    found = scan(images(*(f"{name}/{n:02}.png" for name in "ab" for n in range(20))))
    plain = found.with_test(0.4, 3)
    changed = frozenset(plain.paths[plain.splits == "test"][::2])
    spared = found.with_test(0.4, 3, changed)
    out = set(spared.paths[spared.splits == "test"])
    assert changed and not out & changed
    assert out == set(plain.paths[plain.splits == "test"]) - changed


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


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_class_of_two_has_one_on_each_side(scan, share):
    split = scan(images("a/1.png", "a/2.png", "b/1.png", "b/2.png", "c/1.png"))
    split = split.with_test(share, 1)
    parts = {(str(k), str(part)) for k, part in zip(split.labels, split.splits, strict=True)}
    assert parts == {("0", "train"), ("0", "test"), ("1", "train"), ("1", "test"), ("2", "train")}


def test_what_is_put_aside_has_an_id_of_its_own_and_its_part(scan):
    """One file twice in a second held-out part, and a class of the test part alone, which fails."""
    found = scan(images(*(f"{k}/{n}.png" for k in "ab" for n in range(3))))
    aside = (Aside("v.png", "a", "val", "why"), Aside("v.png", "b", "val", "why"),
             Aside("x.png", "", "", "left out before", "u1", "removed", "a"))  # fmt: skip
    told = list(dataclasses.replace(found, aside=aside).with_test(0.5, 0).unused())
    assert len({file.id for file in told}) == 3 and told[2].id == "u1"
    assert [(f.split, f.status, f.given) for f in told] == [
        ("val", "not used", ""), ("val", "not used", ""), ("train", "removed", "a"),
    ]  # fmt: skip
    typo = dataclasses.replace(found, aside=(Aside("t.png", "Fox", "test", UNTRAINED),))
    with pytest.raises(UserError, match=r"t\.png: its class is in no part to train on"):
        typo.check("fail")
    dataclasses.replace(found, aside=aside).check("fail")
