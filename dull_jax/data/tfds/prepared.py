"""Reads a data set that TFDS has prepared in ArrayRecord form, without TensorFlow.

TFDS's own deserialisation and decoding take three times as long as this for CIFAR; they are left
out, its metadata and its reader are used.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.proto import tf_example_pb2

from dull_jax.data.tfds import png
from dull_jax.errors import UserError, reason
from dull_jax.files import is_remote, reaching

_BLOCK = 4096  # records held in memory beside the decoded images

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # images, labels, ids


def find(name: str, folder: epath.Path) -> epath.Path | None:
    """The newest version under `folder/name`, or None; remains of a killed preparation are ignored.

    Raises:
      UserError: `folder` cannot be read.
    """
    home = folder / name
    try:
        entries = [path.name for path in home.iterdir()] if home.is_dir() else []
    except Exception as error:  # gs:// without its client, no permission, ...
        raise UserError(f"cannot look into {home} ({reason(error)})") from error
    versions = [entry for entry in entries if re.fullmatch(r"\d+\.\d+\.\d+", entry)]
    if not versions:
        return None
    return home / max(versions, key=lambda version: [int(part) for part in version.split(".")])


def read(path: epath.Path) -> tuple[tuple[str, ...], Arrays, Arrays]:
    """The class names, the train split and the test split (or validation, where there is no test).

    ArrayRecord reads local files only: out of a store the set is copied to a temporary folder.
    A split is images uint8 [N, H, W, C], labels int32 [N] and ids str [N]: sorted by the set's
    feature "id", or else in file order with ids such as "train_00042".

    Raises:
      UserError: half-written, damaged, not ArrayRecord, or not images of one size with one label.
    """
    with _at_hand(path) as folder:
        return _read(path, folder)


@contextmanager
def _at_hand(path: epath.Path) -> Iterator[epath.Path]:
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="dull_jax_") as temporary:
        folder = epath.Path(temporary) / path.name
        folder.mkdir()
        with reaching(path):
            for file in path.iterdir():
                if not file.is_dir():
                    file.copy(folder / file.name)
        yield folder


def _read(path: epath.Path, folder: epath.Path) -> tuple[tuple[str, ...], Arrays, Arrays]:
    try:
        builder = _open(folder)
        image, label = _features(builder)
        splits = sorted(builder.info.splits)
        test = "test" if "test" in splits else "validation"
        if not {"train", test} <= set(splits):
            raise UserError(f"{path} has no train and test split, only {', '.join(splits)}")
        classes = builder.info.features[label]
        names = classes.names or map(str, range(classes.num_classes))
        train, held_out = (_read_split(builder, split, image, label) for split in ("train", test))
        return tuple(names), train, held_out
    except UserError:
        raise
    except Exception as error:  # TFDS, ArrayRecord, protobuf and Pillow raise a dozen types
        raise UserError(
            f"{path} is half-written or damaged ({reason(error)}); "
            "delete that folder and prepare the data set again"
        ) from error


def _open(path: epath.Path) -> tfds.core.DatasetBuilder:
    builder = tfds.builder_from_directory(path)
    if builder.info.file_format.value == "array_record":
        return builder
    try:  # it may have been converted in place
        return tfds.builder_from_directory(path, file_format="array_record")
    except ValueError:
        raise UserError(
            f"{path} is in {builder.info.file_format.value} form, which only TensorFlow reads; "
            "prepare it as array_record in another folder and name that as data_dir"
        ) from None


def _features(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """Names of the features that hold the image and the label."""
    name, features = builder.info.full_name, builder.info.features
    keys = builder.info.supervised_keys
    image, label = keys if keys and len(keys) == 2 else ("image", "label")
    kinds = {image: tfds.features.Image, label: tfds.features.ClassLabel}
    if not all(key in features and isinstance(features[key], kinds[key]) for key in kinds):
        raise UserError(f"{name} is no image classification set; it has {', '.join(features)}")
    if features[image].np_dtype != np.uint8 or features[image].shape[-1] not in png.MODES:
        raise UserError(f"the images of {name} are not 8-bit with 1, 3 or 4 channels")
    return image, label


def _read_split(builder: tfds.core.DatasetBuilder, split: str, image: str, label: str) -> Arrays:
    info = builder.info
    raw = builder.as_data_source(split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
    total = info.splits[split].num_examples
    if len(raw) != total:
        raise ValueError(f"{split} has {len(raw)} records instead of {total}")
    channels = info.features[image].shape[-1]
    images, labels, ids = [], [], []
    for start in range(0, total, _BLOCK):
        for record in raw.__getitems__(range(start, min(start + _BLOCK, total))):
            fields = tf_example_pb2.Example.FromString(record).features.feature
            images.append(png.decode(fields[image].bytes_list.value[0], channels))
            labels.append(fields[label].int64_list.value[0])
            ids.extend(fields["id"].bytes_list.value)
    _check(f"{info.full_name}, {split}", images, labels, info.features[label].num_classes)
    return _in_order(split, images, labels, [value.decode() for value in ids])


def _check(where: str, images: list[np.ndarray], labels: list[int], num_classes: int) -> None:
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        range_of_sizes = f"found {sizes[0]} to {sizes[-1]}"
        raise UserError(f"{where}: images of one size (height, width) are needed, {range_of_sizes}")
    if min(labels) < 0 or max(labels) >= num_classes:
        raise UserError(f"{where}: some images have no label")


def _in_order(split: str, images: list, labels: list, ids: list[str]) -> Arrays:
    if len(set(ids)) != len(images):  # no ids, or not one for each image
        ids = [f"{split}_{position:05d}" for position in range(len(images))]
        order = np.arange(len(images))
    else:
        order = np.argsort(ids, kind="stable")
    return (
        np.stack([images[i] for i in order]),
        np.array(labels, np.int32)[order],
        np.array(ids)[order],
    )
