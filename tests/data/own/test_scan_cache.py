"""A second start opens only what has changed, and a damaged memory is none."""

import json
import os
import re

import pytest

from dull_jax.data.own import decode_workers, scan_cache
from dull_jax.data.own import scan as scans
from pictures import encoded, pixels, save

PATHS = ["a.png", "b.png", "bad.png", "gone.png", "odd\udcff\n.png"]


@pytest.fixture
def scan(tmp_path, monkeypatch):
    """Scans and returns (what is in the files, which files were opened)."""
    root, cache, opened = tmp_path / "root", tmp_path / "cache", []
    save(root, {"a.png": encoded(pixels(0)), "b.png": encoded(pixels(1)), "bad.png": b"?"})
    save(os.fsencode(root), {b"odd\xff\n.png": encoded(pixels(2))})

    def spy(paths, processes):
        opened.extend(os.path.relpath(path, root) for path in paths)
        return decode_workers.inspect_files(paths, processes)

    monkeypatch.setattr(scans, "inspect_files", spy)

    def act():
        opened.clear()
        return scans.inspect_all(root, PATHS, print, cache=cache), list(opened)

    act.root, act.cache = root, cache
    return act


def test_the_second_start_opens_what_is_new_or_was_unreadable(scan):
    first, opened = scan()
    assert opened == PATHS
    assert [info.reason[:7] for info in first] == ["", "", "not an ", "no such", ""]
    assert scan() == (first, ["gone.png"])
    (scan.root / "b.png").write_bytes(encoded(pixels(7)))
    os.utime(scan.root / "a.png", ns=(1, 1))
    (scan.root / "gone.png").write_bytes(encoded(pixels(3)))
    second, opened = scan()
    assert opened == ["a.png", "b.png", "gone.png"] and second[0] == first[0]
    assert second[1] != first[1] and not second[3].reason


def test_files_that_change_places_are_noticed(scan):
    """Of one size and one date, as bitmaps from an archive are."""
    a, b = scan.root / "a.png", scan.root / "b.png"
    b.write_bytes(b.read_bytes().ljust(a.stat().st_size, b"\0"))
    a.write_bytes(a.read_bytes().ljust(b.stat().st_size, b"\0"))
    for path in (a, b):
        os.utime(path, ns=(1, 1))
    first, _ = scan()
    a.rename(scan.root / "c.png")
    b.rename(a)
    (scan.root / "c.png").rename(b)
    second, _ = scan()
    assert second[:2] == [first[1], first[0]] != first[:2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: '{"version": 7, "files": {}}',
        lambda text: text.replace("Pillow", "Pillow 0."),
        lambda text: json.dumps(json.loads(text) | {"files": [1, 2]}),
        lambda text: json.dumps(json.loads(text) | {"files": {"a.png": [1, "x"], "b.png": 7}}),
        lambda text: text.replace('"files"', '"\udc00"'),
        lambda text: re.sub(r'", \d+, \d+, "', '", 4294967296, -1, "', text),
    ],
)
def test_a_damaged_cache_is_no_cache(scan, damage):
    first, _ = scan()
    (file,) = scan.cache.iterdir()
    file.write_bytes(damage(file.read_text()).encode("utf-8", "surrogatepass"))
    assert scan() == (first, PATHS)
    assert scan() == (first, ["gone.png"])


def test_a_cache_that_cannot_be_written_is_said_and_no_more(scan, tmp_path):
    said = []
    (tmp_path / "file").write_text("")
    infos = scans.inspect_all(scan.root, PATHS[:2], said.append, cache=tmp_path / "file" / "x")
    assert len(infos) == 2 and "the scan is not remembered: " in said[0]


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert str(scan_cache.default_folder()) == "/c/dull_jax/manifests"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert str(scan_cache.default_folder()) == "/h/.cache/dull_jax/manifests"
    monkeypatch.setattr(scan_cache.files.os.path, "expanduser", lambda path: path)
    assert scan_cache.default_folder() is None


def test_without_a_home_nothing_is_kept(scan, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scans, "default_folder", lambda: None)
    before = sorted(tmp_path.rglob("*"))
    for _ in range(2):
        infos = scans.inspect_all(scan.root, PATHS, pytest.fail)
        assert [info.reason[:7] for info in infos] == ["", "", "not an ", "no such", ""]
    assert sorted(tmp_path.rglob("*")) == before
