"""The official CIFAR archives: where they are, what must be in them, and how they are read.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The archives hold
pickles; a pickle can run any program, so every file is verified and read by a restricted unpickler.
"""

import bz2
import dataclasses
import gzip
import hashlib
import http.client
import io
import lzma
import pathlib
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from dull_jax.errors import UserError, reason
from dull_jax.restricted_pickle import Unpickler

CONNECT_SECONDS = 10
_MAX_MEMBER_BYTES = 1 << 28  # the largest official member has 155 MB; more is a decompression bomb
_MAX_BYTES = 1 << 29  # of a whole archive, unpacked; the official ones have 186 MB
_COMPRESSED = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"]\0\0\x80": lzma.open,
}
# The only globals in the official files. NumPy moved the first one in version 2.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


@dataclasses.dataclass(frozen=True)
class Archive:
    """What the official tar file holds; every mapping is member name -> md5."""

    url: str
    md5: str
    folder: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    meta: Mapping[str, str]

    @property
    def members(self) -> dict[str, str]:
        return {**self.train, **self.test, **self.meta}


ARCHIVES = {
    "cifar10": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        folder="cifar-10-batches-py",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        meta={},
    ),
    "cifar100": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        folder="cifar-100-python",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        meta={"meta": "7973b15100ade9c7d40fb424638fde48"},
    ),
}


def download(archive: Archive, folder: pathlib.Path) -> pathlib.Path:
    """Fetches the official archive into `folder`, where it appears only whole and verified.

    Raises:
      OSError: no connection, or the transfer broke off.
      UserError: what arrived is not the official archive.
    """
    target = folder / archive.url.rsplit("/", 1)[-1]
    if target.exists() and _file_md5(target) == archive.md5:
        return target
    with urllib.request.urlopen(archive.url, timeout=CONNECT_SECONDS) as response:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="download.", delete=False) as file:
            part = pathlib.Path(file.name)
            try:
                print(f"downloading {archive.url}", file=sys.stderr)
                _copy(response, file)
                if _file_md5(part) != archive.md5:
                    raise UserError(f"{archive.url} sent something else (md5 differs); try again")
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
    return target


def _copy(response: http.client.HTTPResponse, file: BinaryIO) -> None:
    total = int(response.headers.get("Content-Length") or 0)
    done, tenths = 0, 0
    while block := response.read(1 << 20):
        file.write(block)
        done += len(block)
        if total and done * 10 // total > tenths:
            tenths = done * 10 // total
            print(f"  {10 * tenths} % of {total / 1e6:.0f} MB", file=sys.stderr)
    file.flush()


def _file_md5(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def read_members(archive: Archive, source: pathlib.Path) -> dict[str, bytes]:
    """The official pickles, verified by md5, as bytes.

    Args:
      source: the tar file (any compression), its unpacked folder, or that folder's parent.

    Raises:
      UserError: `source` is missing, unreadable or cut short, or a member is missing or altered.
    """
    if not source.exists():
        raise UserError(f"{source} does not exist; give the archive of {archive.url} or its folder")
    try:
        members = (_from_folder if source.is_dir() else _from_tar)(archive, source)
    except Exception as error:  # tarfile and what unpacks raise a dozen types
        raise UserError(
            f"{source} is not a whole archive or cannot be read ({reason(error)}); "
            f"get {archive.url} again"
        ) from error
    for name, md5 in archive.members.items():
        if name not in members:
            raise UserError(f"{source} has no {archive.folder}/{name}; get {archive.url} again")
        if hashlib.md5(members[name]).hexdigest() != md5:
            raise UserError(
                f"{archive.folder}/{name} in {source} is not the official file (md5 differs); "
                f"get {archive.url} again"
            )
    return members


def _from_folder(archive: Archive, source: pathlib.Path) -> dict[str, bytes]:
    nested = source / archive.folder
    folder = nested if nested.is_dir() else source
    paths = {name: folder / name for name in archive.members}
    present = {name: path for name, path in paths.items() if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in present.items()
        if path.stat().st_size <= _MAX_MEMBER_BYTES
    }


def _from_tar(archive: Archive, source: pathlib.Path) -> dict[str, bytes]:
    """Members by exact name, from the stream: nothing is unpacked, so no path can lead astray."""
    wanted = {f"{archive.folder}/{name}": name for name in archive.members}
    contents: dict[str, bytes] = {}
    with _unpacked(source) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r|") as tar:
        for entry in tar:
            name = wanted.get(entry.name.removeprefix("./"))
            if name and entry.isfile() and entry.size <= _MAX_MEMBER_BYTES:
                contents[name] = tar.extractfile(entry).read()
            if len(contents) == len(wanted):
                break
    return contents


def _unpacked(source: pathlib.Path) -> BinaryIO:
    with source.open("rb") as file:
        start = file.read(6)
    openers = (unpack for mark, unpack in _COMPRESSED.items() if start.startswith(mark))
    return next(openers, open)(source, "rb")


class _Bounded:
    """A stream that ends in an error before it fills the memory, or is read for hours."""

    def __init__(self, stream: BinaryIO):
        self._stream, self._left = stream, _MAX_BYTES

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError(f"more than {_MAX_BYTES >> 20} MiB unpacked")
        return data


def parse(data: bytes) -> dict[bytes, Any]:
    """Reads one of the official pickles, from Python 2; nothing but NumPy arrays can come of it.

    Raises:
      UserError: it asks for anything else, or is damaged.
    """
    try:
        return dict(Unpickler(io.BytesIO(data), _ALLOWED_GLOBALS, encoding="bytes").load())
    except UserError:
        raise
    except Exception as error:  # a damaged pickle raises nearly any type
        raise UserError(f"not a readable CIFAR pickle ({reason(error)})") from error
