"""The image files that are to be embedded: below a folder or in a table, with labels or without.

Every file is opened once. Of several processes each opens its share, and all know what is in all.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import jax
import numpy as np

from dull_jax import files
from dull_jax.data.own import scan
from dull_jax.data.own.decode_workers import FileInfo
from dull_jax.data.own.image_index import UNLABELLED, ImageIndex, counted
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.sources import csv, folder
from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.train import hosts

_LISTS = (*csv_io.SUFFIXES, ".txt")


def index(source: str | os.PathLike, root: str | os.PathLike = "") -> ImageIndex:
    """The images that are meant: as `sources.folder` or `sources.csv` reads them, labels or not.

    Args:
      source: a folder, or a table with a column `path`, or a list of paths, one a line.
      root: where the paths of a table start; "" means its folder.

    Raises:
      UserError: there is no such thing, or no image in it; see also those two.
    """
    path = pathlib.Path(files.on_disk(str(pathlib.Path(source).expanduser())))
    if not path.exists():
        raise UserError(f"--input: there is no {shown(str(path))!r}")
    if path.is_dir() and os.fspath(root):
        raise UserError("--data_dir is for a table's paths, and --input is a folder")
    if path.is_dir():
        found = folder.read(path, labelled=False)
    elif path.suffix.lower() in _LISTS:
        found = csv.read(path, root, "--data_dir", labelled=False)
    else:
        known = ", ".join(_LISTS)
        raise UserError(f"--input={shown(str(path))}: neither a folder nor a table ({known})")
    if not found.paths:
        raise UserError(f"{shown(str(path))}: holds no images{counted(found.problems)}")
    return found


def is_labelled(manifest: Manifest) -> bool:
    """Whether its images have labels."""
    return manifest.class_names != UNLABELLED


def scanned(index: ImageIndex, say: Callable[[str], None]) -> Manifest:
    """What is in every file; the same in all processes.

    Raises:
      UserError: none of them is an image; or the processes see different files.
    """
    _check_same(index)
    for notice in index.notices:
        say(notice)
    share = np.array_split(np.arange(len(index.paths)), jax.process_count())[jax.process_index()]
    infos = scan.inspect_all(index.root, [index.paths[row] for row in share.tolist()], say)
    if hosts.several():
        shares = hosts.gathered_bytes(json.dumps(infos).encode())
        infos = [FileInfo(*fields) for each in shares for fields in json.loads(each)]
    manifest = scan.manifest_of(index, infos)
    if not len(manifest.ids):
        first = next(problem for problem in manifest.problems if problem.is_file)
        raise UserError(
            f"none of the {len(index.paths):,} images can be read; the first, "
            f"{shown(first.path)}: {first.reason}"
        )
    return manifest


def _check_same(index: ImageIndex) -> None:
    columns = (*index.paths, *index.class_names, *map(str, index.labels), *index.splits)
    digest = hashlib.sha256("\0".join(columns).encode(errors="surrogateescape")).digest()
    digests = hosts.gathered(np.frombuffer(digest, np.uint8))
    if other := np.flatnonzero((digests != digests[0]).any(1)).tolist():
        raise UserError(
            f"--input: {hosts.named(other)} and process 0 see different files or labels in it; it "
            "must lie where all hosts see it"
        )
