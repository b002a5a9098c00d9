"""A folder that an audit writes: whole or as it was, and over nobody's work."""

import os
import pathlib

import pytest

from dull_jax.audit import written_folder
from dull_jax.errors import UserError

A, B, NOTE = map(pathlib.PurePath, ("cat/a.png", "dog/b.png", "cat/labels.csv"))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.png").write_text(name)
    return folder


@pytest.fixture(params=[False, True], ids=["links", "copies"])
def copy(request):
    return request.param


def put(target, photos, copy=False, **more):
    images = {A: str(photos / "a.png"), B: str(photos / "b.png")} | more.pop("images", {})
    written_folder.write(target, images, {NOTE: "x\n"}, copy)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != written_folder.RECORD
    }


def test_links_lead_to_originals_and_copies_do_not(photos, tmp_path, copy):
    put(tmp_path / "new" / "out", photos, copy)
    assert content(tmp_path / "new/out") == {str(A): "a", str(B): "b", str(NOTE): "x\n"}
    assert (tmp_path / "new/out" / A).is_symlink() != copy
    assert content(photos) == {"a.png": "a", "b.png": "b"}
    assert os.listdir(tmp_path / "new") == ["out"]  # no draft


def test_a_folder_as_it_was_written_is_written_again(photos, tmp_path, copy):
    out = tmp_path / "out"
    out.mkdir()
    put(out, photos, copy)
    written_folder.check(out)
    written_folder.write(out, {B: str(photos / "a.png")}, {}, not copy)
    assert content(out) == {str(B): "a"} and content(photos) == {"a.png": "a", "b.png": "b"}
    assert sorted(os.listdir(tmp_path)) == ["out", "photos"]


@pytest.mark.parametrize("edit", [
    lambda out, photos: (out / "cat/mine.txt").write_text(""),
    lambda out, photos: (out / A).unlink(),
    lambda out, photos: (out / A).rename(out / "dog/a.png"),
    lambda out, photos: (out / NOTE).write_text("y\nz\n"),
    lambda out, photos: (out / "cat/linked").symlink_to(photos, target_is_directory=True),
    lambda out, photos: (out / A).unlink() or (out / A).symlink_to(photos / "b.png"),
    lambda out, photos: (out / written_folder.RECORD).write_bytes(b"\xff"),
])  # fmt: skip
def test_a_folder_that_a_person_changed_is_kept(photos, tmp_path, copy, edit):
    out = tmp_path / "out"
    put(out, photos, copy)
    edit(out, photos)
    before = content(out)
    for change in (lambda: written_folder.check(out), lambda: put(out, photos, copy)):
        with pytest.raises(UserError, match="was changed since an audit wrote it"):
            change()
    assert content(out) == before


def test_a_folder_of_somebody_else_is_kept(photos, tmp_path):
    with pytest.raises(UserError, match="holds files; name a new folder"):
        put(photos, photos)
    with pytest.raises(UserError, match="is no folder"):
        written_folder.check(photos / "a.png")
    for inside in (photos, photos / "new", tmp_path / "link"):
        (tmp_path / "link").is_symlink() or (tmp_path / "link").symlink_to(photos)
        with pytest.raises(UserError, match="lies in the input"):
            written_folder.check(inside, [photos])
    with pytest.raises(UserError, match="locally"):
        written_folder.check("gs://bucket/out")


def test_what_fails_halfway_leaves_the_folder_as_it_was(photos, tmp_path, copy):
    out = tmp_path / "out"
    put(out, photos, copy)
    before = content(out)
    gone = {pathlib.PurePath("z.png"): str(photos / "gone.png")}
    with pytest.raises(UserError, match=r"gone\.png: No such file"):
        put(out, photos, copy, images=gone)
    assert content(out) == before and sorted(os.listdir(tmp_path)) == ["out", "photos"]
    with pytest.raises(UserError, match="No such file"):
        put(tmp_path / "other", photos, copy, images=gone)
    assert not (tmp_path / "other").exists()


def test_a_full_disk(photos, disk):
    (photos / "a.png").write_bytes(bytes(100_000))
    room = disk("size=32k")
    with pytest.raises(UserError, match="No space left"):
        put(room / "out", photos, copy=True)
    assert os.listdir(room) == []
