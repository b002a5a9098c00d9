"""Files opened in other processes: the same facts, JAX not imported, crashes survived."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

from dull_jax.data.own import decode, decode_workers
from dull_jax.data.own.decode_workers import FileInfo, inspect_file, inspect_files
from pictures import encoded, pixels, rotated, save


def test_one_file(tmp_path):
    data = rotated(6, pixels())
    save(tmp_path, {"a.png": data, "b.jpg": data[:300], "c.jpg": b""})
    digest = hashlib.sha256(data).hexdigest()
    found = inspect_file(str(tmp_path / "a.png"))
    assert found == FileInfo(digest, 24, 32, "wrong extension: a JPEG file", "")
    assert inspect_file(str(tmp_path / "c.jpg")).reason == "empty file"
    assert inspect_file(str(tmp_path / "b.jpg")).reason.startswith(
        ("truncated", "broken", "not an")
    )
    assert inspect_file(str(tmp_path / "none.jpg")) == FileInfo("", 0, 0, "", "no such file")
    assert inspect_file(str(tmp_path)).reason == "not a regular file"
    assert inspect_file("a\0b").reason.startswith("unreadable")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert inspect_file(str(tmp_path / "pipe.jpg")).reason == "not a regular file"


@pytest.fixture
def many(tmp_path):
    odd = os.fsencode(tmp_path) + b"/line\n\xff.png"
    save(tmp_path, {f"{n:03}.png": encoded(pixels(n, 8, 8)) for n in range(70)} | {"bad.png": b"?"})
    save("/", {odd.decode("utf-8", "surrogateescape"): encoded(pixels(0, 9, 7))})
    return sorted(os.path.join(tmp_path, name) for name in os.listdir(tmp_path))


def test_processes_find_the_same(many, monkeypatch):
    here = dict(inspect_files(many))
    monkeypatch.setattr(decode_workers, "_FEW", 0)
    assert dict(inspect_files(many, processes=2)) == here
    assert len(here) == 72 and sum(bool(info.reason) for info in here.values()) == 1


def test_a_decoder_that_crashes_costs_one_file(many, monkeypatch):
    """A stand-in for the module dies of a signal at one of the files."""
    program = (
        "import os, dull_jax.data.own.decode_workers as i\n"
        "whole = i.inspect_file\n"
        "i.inspect_file = lambda p: os.abort() if p.endswith('/033.png') else whole(p)\n"
        "i._work()"
    )
    start = subprocess.Popen
    monkeypatch.setattr(decode_workers, "_FEW", 0)
    monkeypatch.setattr(
        decode_workers.subprocess, "Popen", lambda args, **o: start([args[0], "-c", program], **o)
    )
    found = dict(inspect_files(many, processes=2))
    reasons = {pathlib.Path(many[index]).name: info.reason for index, info in found.items()}
    assert len(found) == 72 and reasons["033.png"] == "broken: the decoder crashed on it"
    assert sum(bool(reason) for reason in reasons.values()) == 2


def test_stopping_early_ends_the_processes(many, monkeypatch):
    started = []
    start = subprocess.Popen
    monkeypatch.setattr(decode_workers, "_FEW", 0)
    monkeypatch.setattr(
        decode_workers.subprocess,
        "Popen",
        lambda *a, **o: started.append(start(*a, **o)) or started[-1],
    )
    stream = inspect_files(many, processes=2)
    next(stream)
    stream.close()
    assert started and all(process.returncode is not None for process in started)


def test_the_processes_find_the_package_where_it_is(many, monkeypatch):
    """It need not be installed; and no module of it shadows another package's."""
    paths, start = [], subprocess.Popen
    monkeypatch.setattr(decode_workers, "_FEW", 0)
    monkeypatch.setattr(
        decode_workers.subprocess,
        "Popen",
        lambda *a, env, **o: paths.append(env["PYTHONPATH"]) or start(*a, env=env, **o),
    )
    dict(inspect_files(many, processes=1))
    first = pathlib.Path(paths[0].split(os.pathsep)[0])
    assert (first / "dull_jax" / "__init__.py").exists() and not (first / "errors.py").exists()


def test_the_processes_import_no_jax():
    program = "import sys, dull_jax.data.own.decode_workers; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(("kind", "suffix"), [("AVIF", ".avif"), ("HEIF", ".heic")])
def test_the_processes_have_the_same_decoders(tmp_path, monkeypatch, kind, suffix):
    if lacking := decode.lacking(suffix):
        pytest.skip(lacking)
    save(tmp_path, {f"{n}{suffix}": encoded(pixels(n, 64, 64), kind) for n in range(3)})
    paths = sorted(map(str, tmp_path.iterdir()))
    monkeypatch.setattr(decode_workers, "_FEW", 0)
    found = dict(inspect_files(paths, processes=1))
    assert all(info[1:] == (64, 64, "", "") for info in found.values()) and len(found) == 3
