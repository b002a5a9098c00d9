"""CIFAR-10 and CIFAR-100 as TFDS data sets in ArrayRecord form, written without TensorFlow.

Features, ids, split names and version are those of TFDS's own definition, which needs TensorFlow.
"""

import contextlib
import io
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from dull_jax.data.tfds import png
from dull_jax.data.tfds.cifar_archive import ARCHIVES, Archive, parse, read_members
from dull_jax.errors import UserError
from dull_jax.files import expanded

_CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def _examples(batch: Mapping[bytes, Any]) -> Iterator[dict[str, Any]]:
    """A row of 3,072 bytes is the red, the green and the blue plane of a 32x32 image."""
    images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    keys = {b"labels": "label", b"fine_labels": "label", b"coarse_labels": "coarse_label"}
    columns = {keys[key]: values for key, values in batch.items() if key in keys}
    for index, image in enumerate(images):
        labels = {key: values[index] for key, values in columns.items()}
        yield {"image": png.encode(image), **labels}


class _Cifar(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("3.0.2")

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
      source: see `cifar_archive.read_members`.
      archive: the facts that `source` is checked against; the official ones unless given.

    Raises:
      UserError: `source` is not the official data, or `data_dir` cannot be written.
    """
    source = pathlib.Path(expanded(source, "--source"))
    builder = _Cifar(name, archive or ARCHIVES[name], source, os.fspath(data_dir))
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS announces a download that is none
            builder.download_and_prepare()
    except (OSError, RuntimeError) as error:  # RuntimeError: ArrayRecord, such as on a full disk
        if not builder.data_path.exists():  # another process may have been faster
            raise UserError(f"cannot write {name} into {data_dir} ({error})") from error
    return builder.data_path
