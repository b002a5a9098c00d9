"""From an archive in the official layout to a TFDS data set: exact, verified, all or nothing."""

import hashlib
import io
import os
import pickle
import resource
import tarfile
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath
from PIL import Image

import mini_cifar
from dull_jax.data.sources import tfds as source_of_tfds
from dull_jax.data.tfds import cifar, cifar_archive, png
from dull_jax.errors import UserError


@pytest.fixture
def content():
    return mini_cifar.files("cifar100")


@pytest.fixture
def facts(content):
    return mini_cifar.facts("cifar100", content)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_pixels_labels_and_order_survive(tmp_path, name):
    content = mini_cifar.files(name)
    mini_cifar.write_folder(tmp_path / "in", name, content)
    out = epath.Path(tmp_path / "out")
    path = cifar.prepare(name, tmp_path / "in", out, mini_cifar.facts(name, content))

    assert path == out / name / "3.0.2"
    data = source_of_tfds.read(name, str(out))
    for split, count, seed in ((data.train, mini_cifar.TRAIN, 0), (data.test, mini_cifar.TEST, 1)):
        images, labels = mini_cifar.arrays(count, seed)
        np.testing.assert_array_equal(split.images, images)
        np.testing.assert_array_equal(split.labels, labels)
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
    assert data.train.ids[0] == "train_00000" and data.test.ids[-1] == "test_00005"
    assert data.class_names[:2] == {"cifar10": ("airplane", "automobile")}.get(
        name, ("apple", "bear")
    )


def test_structure_is_that_of_tfds(tmp_path, content, facts):
    mini_cifar.write_folder(tmp_path, "cifar100", content)
    path = cifar.prepare("cifar100", tmp_path, epath.Path(tmp_path / "out"), facts)
    builder = tfds.builder_from_directory(path)
    features = builder.info.features
    assert set(features) == {"id", "image", "label", "coarse_label"}
    assert features["image"].shape == (32, 32, 3) and features["label"].num_classes == 4
    assert features["coarse_label"].names == ["living", "not living"]
    assert set(builder.info.splits) == {"train", "test"}
    first = builder.as_data_source("test")[0]  # decoded by TFDS itself
    images, labels = mini_cifar.arrays(mini_cifar.TEST, 1)
    index = int(first["id"].decode().split("_")[1])
    np.testing.assert_array_equal(first["image"], images[index])
    assert first["label"] == labels[index] and first["coarse_label"] == labels[index] // 2


@pytest.mark.parametrize("kind", ["folder", "parent", "tar.gz", "tar", "dotted"])
def test_every_form_of_source_is_read(tmp_path, content, facts, kind):
    folder = mini_cifar.write_folder(tmp_path / "in", "cifar100", content)
    source = {"folder": folder, "parent": tmp_path / "in"}.get(kind)
    if source is None:
        path = tmp_path / ("a.tar.gz" if kind == "tar.gz" else "a.tar")
        prefix = "./" if kind == "dotted" else ""
        source = mini_cifar.write_tar(path, "cifar100", content, prefix)
    assert cifar_archive.read_members(facts, source) == content


def test_other_members_of_a_tar_are_ignored(tmp_path, content, facts):
    link = tarfile.TarInfo("cifar-100-python/train")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    names = ("../../evil", "/evil", "cifar-100-python/../train", "train")
    extra = [(tarfile.TarInfo(name), b"evil") for name in names]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.tar.gz"
    source = mini_cifar.write_tar(path, "cifar100", content, extra=[*extra, (link, b"")])
    assert cifar_archive.read_members(facts, source) == content
    assert os.listdir(tmp_path) == ["in"] and os.listdir(tmp_path / "in") == ["a.tar.gz"]


def test_missing_and_altered_files_are_named(tmp_path, content, facts):
    def complaint(source):
        with pytest.raises(UserError) as caught:
            cifar_archive.read_members(facts, source)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "does not exist" in complaint(tmp_path / "nothing")
    folder = mini_cifar.write_folder(tmp_path, "cifar100", content)
    (folder / "test").write_bytes(content["test"][:-1] + b"!")
    assert "cifar-100-python/test" in complaint(folder) and "md5" in complaint(folder)
    (folder / "test").unlink()
    assert "has no cifar-100-python/test" in complaint(folder)
    (tmp_path / "text.tar.gz").write_text("<html>404</html>")
    assert "not a whole archive" in complaint(tmp_path / "text.tar.gz")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, content, facts, suffix, share):
    path = mini_cifar.write_tar(tmp_path / f"a.{suffix}", "cifar100", content)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError):
        cifar_archive.read_members(facts, path)


class _Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_hostile_pickle_is_not_run_even_with_the_right_digest(tmp_path, content):
    victim = tmp_path / "victim"
    content["test"] = pickle.dumps(_Hostile(os.system, f"touch {victim}"), protocol=2)
    mini_cifar.write_folder(tmp_path, "cifar100", content)
    facts = mini_cifar.facts("cifar100", content)
    with pytest.raises(UserError, match="system"):
        cifar.prepare("cifar100", tmp_path, epath.Path(tmp_path / "out"), facts)
    assert not victim.exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", [(eval, "1"), (np.load, "x"), (getattr, "x", "upper")])
def test_only_arrays_come_out_of_a_pickle(call):
    with pytest.raises(UserError, match="refused"):
        cifar_archive.parse(pickle.dumps({"data": _Hostile(*call)}, protocol=2))


def test_an_archive_is_not_unpacked_without_end(tmp_path, content, facts, monkeypatch):
    """A few kB of gzip can be a header, a member or padding of any size."""
    monkeypatch.setattr(cifar_archive, "_MAX_BYTES", 1 << 20)
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE):
        info = tarfile.TarInfo("large")
        info.type = kind
        path = mini_cifar.write_tar(
            tmp_path / f"{int.from_bytes(kind)}.tar.gz",
            "cifar100",
            content,
            extra=[(info, bytes(1 << 21))],
        )
        assert path.stat().st_size < 1 << 18
        with pytest.raises(UserError, match=r"not a whole archive .*more than 1 MiB unpacked"):
            cifar_archive.read_members(facts, path)


def test_a_header_of_nonsense_is_no_crash(tmp_path, content, facts):
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    path = mini_cifar.write_tar(
        tmp_path / "a.tar", "cifar100", content, extra=[(info, b"99 GNU.sparse.map=a,b\n" * 30)]
    )
    with pytest.raises(UserError, match="not a whole archive"):
        cifar_archive.read_members(facts, path)


@pytest.mark.parametrize("data", [
    b"\x80\x02}r\xff\xff\xff\x7f.",  # the memo has two thousand million places
    b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00.",  # a bytearray of 64 GB
    pickle.dumps({b"data": b"x"}, protocol=4),
], ids=["memo", "bytearray", "later"])  # fmt: skip
def test_a_pickle_asks_for_no_memory_it_does_not_fill(data):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        assert cifar_archive.parse(data) == {}
    except UserError as error:
        assert "not a readable" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_both_names_of_numpy_are_known_and_damage_is_reported(content):
    new = content["train"]
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != new
    for data in (old, new):
        assert cifar_archive.parse(data)[b"data"].shape == (mini_cifar.TRAIN, 3072)
    with pytest.raises(UserError, match="not a readable"):
        cifar_archive.parse(new[: len(new) // 2])


def test_an_interrupted_preparation_leaves_nothing_that_counts(
    tmp_path, content, facts, monkeypatch
):
    mini_cifar.write_folder(tmp_path, "cifar100", content)
    out = epath.Path(tmp_path / "out")
    calls = iter(range(mini_cifar.TRAIN + 3))

    def encode(image):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return png_encode(image)

    png_encode = png.encode
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(png, "encode", encode)
        cifar.prepare("cifar100", tmp_path, out, facts)
    assert source_of_tfds.find_prepared("cifar100", out) is None
    (out / "cifar100" / "incomplete.ABCDEF_3.0.2").mkdir()  # what kill -9 leaves
    cifar.prepare("cifar100", tmp_path, out, facts)
    assert len(source_of_tfds.read("cifar100", str(out)).train.ids) == mini_cifar.TRAIN


def test_a_folder_that_cannot_be_written_is_named(tmp_path, content, facts):
    mini_cifar.write_folder(tmp_path, "cifar100", content)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        cifar.prepare("cifar100", tmp_path, epath.Path(tmp_path / "file"), facts)


class _Response(io.BytesIO):
    def __init__(self, data, fail=False):
        super().__init__(data)
        self.headers, self.fail = {"Content-Length": str(len(data))}, fail

    def read(self, size=-1):
        if self.fail and self.tell():
            raise urllib.error.URLError("connection lost")
        return super().read(10)


def _facts_of_bytes(data):
    return cifar_archive.Archive(
        "https://example.org/a.tar.gz", hashlib.md5(data).hexdigest(), "f", {}, {}, {}
    )


def test_a_download_appears_whole_and_is_used_again(tmp_path, monkeypatch):
    data = bytes(range(200))
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: _Response(data))
    path = cifar_archive.download(_facts_of_bytes(data), tmp_path / "downloads")
    assert path.read_bytes() == data and os.listdir(path.parent) == ["a.tar.gz"]
    monkeypatch.setattr(urllib.request, "urlopen", None)
    assert cifar_archive.download(_facts_of_bytes(data), tmp_path / "downloads") == path


def test_a_broken_download_leaves_nothing(tmp_path, monkeypatch):
    facts = _facts_of_bytes(b"official")
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: _Response(b"portal"))
    with pytest.raises(UserError, match="md5"):
        cifar_archive.download(facts, tmp_path)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, timeout: _Response(b"x" * 50, True))
    with pytest.raises(OSError, match="connection lost"):
        cifar_archive.download(facts, tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_images_of_other_writers_are_decoded_as_pillow_does(mode, form):
    if form == "JPEG" and mode in ("RGBA", "P"):
        pytest.skip("JPEG has no such images")
    ramp = np.add.outer(np.arange(20), np.arange(16))[..., None] * np.array([7, 3, 5])
    image, file = Image.fromarray(ramp.astype(np.uint8)).convert(mode), io.BytesIO()
    image.save(file, form)
    for channels, want in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        expected = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert(want))
        got = png.decode(file.getvalue(), channels)
        np.testing.assert_array_equal(got, expected.reshape(20, 16, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_own_png_is_plain_png(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 9, channels), dtype=np.uint8)
    data = png.encode(image)
    opened = Image.open(io.BytesIO(data))
    opened.verify()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))).reshape(5, 9, -1), image)
    np.testing.assert_array_equal(png.decode(data, channels), image)
    with pytest.raises(Exception):  # noqa: B017 - of many types
        png.decode(data[:40], channels)
