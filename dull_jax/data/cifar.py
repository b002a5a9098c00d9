"""CIFAR-10 and CIFAR-100: from the official archive to a TFDS data set in ArrayRecord form.

TFDS prepares CIFAR by itself only where TensorFlow is installed. Here the same data set (features,
ids, split names, version) is written without it, from the archive that is downloaded or that a
user brings: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import contextlib
import dataclasses
import hashlib
import io
import lzma
import os
import pathlib
import pickle
import sys
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from dull_jax.data import png
from dull_jax.errors import UserError

VERSION = "3.0.2"  # of the TFDS definition that is reproduced
CONNECT_SECONDS = 10
_MAX_MEMBER_BYTES = 1 << 28  # the largest official member has 155 MB; more is a decompression bomb
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)
_CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()
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
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="download.", delete=False) as part:
        try:
            _fetch(archive.url, part)
            part.flush()
            if _file_md5(pathlib.Path(part.name)) != archive.md5:
                raise UserError(f"{archive.url} did not deliver the official archive (md5 differs)")
            os.replace(part.name, target)
        finally:
            pathlib.Path(part.name).unlink(missing_ok=True)
    return target


def _fetch(url: str, out: BinaryIO) -> None:
    with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response:
        total = int(response.headers.get("Content-Length") or 0)
        print(f"downloading {url} ({total / 1e6:.0f} MB)", file=sys.stderr)
        done, told = 0, 0
        while block := response.read(1 << 20):
            out.write(block)
            done += len(block)
            if total and done * 10 // total > told:
                told = done * 10 // total
                print(f"  {10 * told} %", file=sys.stderr)


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
    members = (_from_folder if source.is_dir() else _from_tar)(archive, source)
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
    found = {}
    for name in archive.members:
        path = folder / name
        if path.is_file():
            found[name] = path.read_bytes()
    return found


def _from_tar(archive: Archive, source: pathlib.Path) -> dict[str, bytes]:
    """Members by exact name, from the stream: nothing is unpacked, so no path can lead astray."""
    wanted = {f"{archive.folder}/{name}": name for name in archive.members}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(source, "r|*") as tar:
            for entry in tar:
                name = wanted.get(entry.name.removeprefix("./"))
                if name and entry.isfile() and entry.size <= _MAX_MEMBER_BYTES:
                    found[name] = tar.extractfile(entry).read()
                if len(found) == len(wanted):
                    break
    except _BROKEN as error:
        raise UserError(f"{source} is not a whole tar archive ({error}); get it again") from error
    return found


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        try:
            return _ALLOWED_GLOBALS[module, name]
        except KeyError:
            raise UserError(
                f"refused: it asks for {module}.{name}, as no CIFAR file does"
            ) from None


def parse(data: bytes) -> dict[bytes, Any]:
    """Reads one of the official pickles, from Python 2; nothing but NumPy arrays can come of it.

    Raises:
      UserError: it asks for anything else, or is damaged.
    """
    try:
        return dict(_Unpickler(io.BytesIO(data), encoding="bytes").load())
    except UserError:
        raise
    except Exception as error:  # a damaged pickle raises nearly any type
        raise UserError(f"not a readable CIFAR pickle ({error})") from error


def _examples(batch: Mapping[bytes, Any]) -> Iterator[dict[str, Any]]:
    """A row of 3,072 bytes is the red, the green and the blue plane of a 32x32 image."""
    images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    keys = {b"labels": "label", b"fine_labels": "label", b"coarse_labels": "coarse_label"}
    columns = {keys[key]: values for key, values in batch.items() if key in keys}
    for index, image in enumerate(images):
        labels = {key: values[index] for key, values in columns.items()}
        yield {"image": png.encode(image), **labels}


class _Cifar(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version(VERSION)

    def __init__(self, name: str, archive: Archive, source: pathlib.Path, data_dir: str):
        self.name = name
        self._archive = archive
        self._batches = {k: parse(v) for k, v in read_members(archive, source).items()}
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"id": tfds.features.Text(), "image": tfds.features.Image(shape=(32, 32, 3))}
        for key, names in self._class_names().items():
            features[key] = tfds.features.ClassLabel(names=names)
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.name}, from the official Python archive.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        )

    def _class_names(self) -> dict[str, list[str]]:
        if "meta" not in self._batches:
            return {"label": _CIFAR10_NAMES}
        names = {"label": b"fine_label_names", "coarse_label": b"coarse_label_names"}
        meta = self._batches["meta"]
        return {key: [name.decode() for name in meta[source]] for key, source in names.items()}

    def _split_generators(self, dl_manager):
        del dl_manager  # its extraction needs TensorFlow
        return {
            "train": self._generate_examples("train", self._archive.train),
            "test": self._generate_examples("test", self._archive.test),
        }

    def _generate_examples(self, split: str, members: Mapping[str, str]):
        rows = (row for member in members for row in _examples(self._batches[member]))
        for index, row in enumerate(rows):
            yield index, {"id": f"{split}_{index:05d}", **row}


def prepare(
    name: str, source: str | os.PathLike, data_dir: epath.Path, archive: Archive | None = None
) -> epath.Path:
    """Writes `data_dir/name/3.0.2`, a folder that appears only when it is complete, and returns it.

    Args:
      name: "cifar10" or "cifar100".
      source: see `read_members`.
      archive: the facts that `source` is checked against; the official ones unless given.

    Raises:
      UserError: `source` is not the official data, or `data_dir` cannot be written.
    """
    source = pathlib.Path(source).expanduser()
    builder = _Cifar(name, archive or ARCHIVES[name], source, os.fspath(data_dir))
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS announces a download that is none
            builder.download_and_prepare()
    except OSError as error:
        if not builder.is_prepared():  # by another process, in the meantime
            raise UserError(f"cannot write {name} into {data_dir} ({error})") from error
    return builder.data_path
