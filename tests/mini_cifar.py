"""Archives in the layout of the official ones, with a handful of random images."""

import hashlib
import io
import pathlib
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np

from dull_jax.data.tfds.cifar_archive import ARCHIVES, Archive

FINE = [b"apple", b"bear", b"cloud", b"dolphin"]
COARSE = [b"living", b"not living"]
TRAIN, TEST = 15, 6


class _Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(b"T" + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = save_bytes


def dumps(content: object) -> bytes:
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue()


def arrays(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Images [count, 32, 32, 3] and labels below 4."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 4, count).tolist()


def _batch(name: str, images: np.ndarray, labels: list[int]) -> bytes:
    rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), 3072))
    if name == "cifar10":
        return dumps({b"data": rows, b"labels": labels})
    coarse = [label // 2 for label in labels]
    return dumps({b"data": rows, b"fine_labels": labels, b"coarse_labels": coarse})


def files(name: str) -> dict[str, bytes]:
    """Member name -> content; the train images are `arrays(TRAIN, 0)`, the others `(TEST, 1)`."""
    (images, labels), test = arrays(TRAIN, 0), arrays(TEST, 1)
    members = list(ARCHIVES[name].train)
    step = TRAIN // len(members)
    found = {
        member: _batch(name, images[i * step :][:step], labels[i * step :][:step])
        for i, member in enumerate(members)
    }
    found[next(iter(ARCHIVES[name].test))] = _batch(name, *test)
    if name == "cifar100":
        found["meta"] = dumps({b"fine_label_names": FINE, b"coarse_label_names": COARSE})
    return found


def facts(name: str, content: dict[str, bytes]) -> Archive:
    """The official facts with the digests of `content`."""
    official = ARCHIVES[name]

    def digests(part):
        return {member: hashlib.md5(content[member]).hexdigest() for member in part}

    parts = (digests(part) for part in (official.train, official.test, official.meta))
    return Archive(official.url, official.md5, official.folder, *parts)


def write_folder(parent: pathlib.Path, name: str, content: dict[str, bytes]) -> pathlib.Path:
    folder = parent / ARCHIVES[name].folder
    folder.mkdir(parents=True)
    for member, data in content.items():
        (folder / member).write_bytes(data)
    return folder


def write_tar(
    path: pathlib.Path, name: str, content: dict[str, bytes], prefix: str = "", extra=()
) -> pathlib.Path:
    """A tar file, compressed as its suffix says; `extra` members (TarInfo, bytes) come first."""
    entries = list(extra)
    for member, data in content.items():
        entries.append((tarfile.TarInfo(f"{prefix}{ARCHIVES[name].folder}/{member}"), data))
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
