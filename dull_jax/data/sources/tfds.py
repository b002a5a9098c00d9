"""Data sets prepared by TFDS, in ArrayRecord form, which needs no TensorFlow.

CIFAR-10 and CIFAR-100 are downloaded and prepared on first use; any other set must have been
prepared where TensorFlow is.
"""

import difflib
import http.client
import os
import re

from etils import epath
from ml_collections import ConfigDict

from dull_jax import invocation
from dull_jax.data.sources import Source, Split
from dull_jax.errors import UserError
from dull_jax.files import expanded, parsed

TITLE = "TFDS"

PREPARABLE = ("cifar10", "cifar100")


def load(options: ConfigDict) -> Source:
    """The set that config.data names; see `read`."""
    return read(options.name, options.dir)


def read(name: str, data_dir: str = "") -> Source:
    """Reads a set into memory, each split in a fixed order (CIFAR: the official one).

    Args:
      name: "cifar10", "cifar100", or a TFDS image classification set, "name" or "name/config", of
        which the newest prepared version is taken.
      data_dir: where TFDS sets lie; "" means $TFDS_DATA_DIR, else ~/tensorflow_datasets.

    Raises:
      UserError: unknown, not prepared, damaged, or not images of one size with one label each.
    """
    from dull_jax.data.tfds import prepared  # here: it takes a second to import

    folder = data_folder(data_dir)
    path = find_prepared(name, folder) or prepare(name, folder)
    class_names, train, test = prepared.read(path)
    return Source(name, class_names, Split(*train), Split(*test), truth_known=True)


def data_folder(data_dir: str) -> epath.Path:
    """`data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets; gs:// is passed through."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return epath.Path(parsed(expanded(chosen)))


def find_prepared(name: str, folder: epath.Path) -> epath.Path | None:
    """The folder of the newest prepared version, or None.

    Raises:
      UserError: `name` cannot be a data set's, or `folder` cannot be read.
    """
    from dull_jax.data.tfds import prepared

    if not re.fullmatch(r"\w+(/\w[\w.-]*)?", name):
        raise UserError(f"{name!r} is no name of a data set; give one such as cifar100 or mnist")
    return prepared.find(name, folder)


def prepare(name: str, folder: epath.Path, source: str = "") -> epath.Path:
    """Prepares CIFAR and returns its folder.

    Args:
      source: see `cifar_archive.read_members`; "" means the official archive from the internet.

    Raises:
      UserError: offline, a set that cannot be prepared here, or a `source` that is not official.
    """
    if name not in PREPARABLE:
        raise UserError(_how_to_prepare(name, folder))
    if "://" in str(folder):
        raise UserError(f"{name} is prepared in a local folder first; copy that to {folder} then")
    from dull_jax.data.tfds import cifar, cifar_archive

    archive = cifar_archive.ARCHIVES[name]
    try:
        source = source or cifar_archive.download(archive, folder / "downloads")
    except (OSError, http.client.HTTPException) as error:
        raise UserError(
            f"{name} is not prepared in {folder} and could not be downloaded ({error}); "
            "with internet it downloads by itself, without it run "
            f"`{invocation.named('prepare')} {name} --source=PATH --data_dir={folder}`, "
            f"PATH being {archive.url} or its unpacked folder"
        ) from error
    return cifar.prepare(name, source, folder)


def _how_to_prepare(name: str, folder: epath.Path) -> str:
    close = difflib.get_close_matches(name, ("digits", *PREPARABLE), n=1)
    hint = f"did you mean {close[0]}? If not, " if close else ""
    return (
        f"{name} is not prepared in {folder}; {hint}prepare it where TensorFlow is installed: "
        f"`tfds build {name} --file_format=array_record --data_dir={folder}`"
    )
