"""Your own images as a data set: listed, scanned once, cut to one size; their labels are doubted.

Where the recipe says "auto" (network), 0 (epochs, image side), what fits their number and size is
chosen here: a function of the data alone, so that a continued run chooses the same.
"""

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import memory
from dull_jax.config import OWN_IMAGES, flatten
from dull_jax.data.own import clothing1m, image_csv, image_folder, webvision
from dull_jax.data.own import manifest as manifests
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.listing import Listing
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.sources import Source, Split
from dull_jax.errors import UserError
from dull_jax.files import check_local

# Image sides by how large the images are: the median of their shorter sides -> a side.
_SIDES = ((40, 32), (90, 64), (160, 96))
_LARGEST = 128
_PRESENTATIONS = 240_000  # images trained on in all, where that gives a sensible number of epochs
_WITH_NETWORK = {  # what `network` sets too
    "small_cnn": ("model.stages", "model.width"),
    "resnet18": ("model.stem",),
}

Say = Callable[[str], None]


def scanned(options: ConfigDict, say: Say = print) -> Manifest | None:
    """What there is: every file opened once (or known from an earlier start), every label read.

    None where the images are not your own.

    Args:
      options: config.data; reads name, dir, file, on_error, test_share and seed.

    Raises:
      UserError: no such folder or file, a label that cannot be meant, fewer than two classes; an
        unreadable image, where on_error is "fail".
    """
    if options.name not in OWN_IMAGES:
        return None
    found = manifests.scan(_listing(options.name, options.dir, options.file), say=say)
    found.check(options.on_error)
    return found.with_test(options.test_share, options.seed)


def _listing(name: str, folder: str, file: str) -> Listing:
    check_local("config.data.dir", folder)
    if name == "csv":
        check_local("config.data.file", file)
        if not file:
            raise UserError("config.data.file is needed: the table of paths and labels")
        return image_csv.read(file, folder)
    if not folder:
        raise UserError(f"config.data.dir is needed: the folder of the {name} images")
    readers = {
        "folder": image_folder.read,
        "clothing1m": clothing1m.read,
        "webvision": webvision.read,
    }
    return readers[name](pathlib.Path(folder).expanduser())


def load(options: ConfigDict, manifest: Manifest) -> Source:
    """The images cut to one size, in memory where they fit, else in their files.

    Args:
      options: config.data.
      manifest: what `scanned` found, or what a run has of it.

    Raises:
      UserError: see `scanned`.
    """
    size = options.size or side(manifest)
    needed = len(manifest.ids) * size * size * 3
    resident = needed <= options.resident_gb * 1e9
    if resident and needed > (free := memory.free()):
        images = f"{len(manifest.ids):,} images of {size} x {size} pixels"
        raise UserError(
            f"{images} need {memory.shown(needed)}, and there are {memory.shown(free)}; "
            f"config.data.resident_gb={free / 2e9:.1f} leaves them in files"
        )

    def split(part: str) -> Split:
        rows = np.flatnonzero(manifest.splits == part)
        images = ImageFiles(manifest.root, manifest.paths[rows], size, options.fit)
        return Split(
            images.in_memory() if resident else images, manifest.labels[rows], manifest.ids[rows]
        )

    return Source(options.name, manifest.class_names, split("train"), split("test"), manifest)


def side(manifest: Manifest) -> int:
    """Pixels: by the median of the images' shorter sides."""
    median = float(np.median(np.minimum(manifest.heights, manifest.widths)))
    return next((size for limit, size in _SIDES if median <= limit), _LARGEST)


def settled(config: ConfigDict, say: Say = print, manifest: Manifest | None = None) -> ConfigDict:
    """The recipe with everything chosen that was left to the data, and says what.

    Args:
      manifest: what `scanned` found; None: it is looked for here.

    Raises:
      UserError: see `scanned`.
    """
    if config.data.name not in OWN_IMAGES:
        return config
    manifest = manifest or scanned(config.data, say)
    train, pixels = int((manifest.splits == "train").sum()), config.data.size or side(manifest)
    chosen: dict[str, str | int] = {}
    if config.train.epochs == 0:
        chosen["train.epochs"] = int(np.clip(_PRESENTATIONS // max(train, 1), 30, 120))
    if config.data.size == 0:
        chosen["data.size"] = pixels
    if config.model.name == "auto":
        chosen |= network(train, pixels)
    if chosen:
        said = ", ".join(f"{field} = {value}" for field, value in chosen.items())
        say(f"chosen for {train:,} images of {len(manifest.class_names)} classes: {said}")
    return _filled(config, chosen)


def settled_before(config: ConfigDict, before: Mapping[str, Any]) -> ConfigDict:
    """`settled` as an earlier start of the run settled it, without a look at the images.

    Args:
      before: what the run's config.json holds.
    """
    if config.data.name not in OWN_IMAGES:
        return config
    known = flatten(dict(before))
    wanted = ["train.epochs"] * (config.train.epochs == 0) + ["data.size"] * (config.data.size == 0)
    if config.model.name == "auto":
        wanted += ["model.name", *_WITH_NETWORK.get(known.get("model.name"), ())]
    return _filled(config, {field: known[field] for field in wanted if field in known})


def _filled(config: ConfigDict, chosen: Mapping[str, str | int]) -> ConfigDict:
    """A copy with these fields, and with paths that hold wherever an audit is started."""
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(chosen)
    for field in ("dir", "file"):
        if config.data[field]:
            config.data[field] = os.path.abspath(os.path.expanduser(config.data[field]))
    return config


def network(num_train: int, pixels: int) -> dict[str, str | int]:
    """Fields of the network: more images can teach, and pay for, a larger one."""
    if num_train <= 5_000:
        stages = 3 if pixels <= 32 else 4 if pixels <= 64 else 5
        width = 32 if stages == 3 else 16
        return {"model.name": "small_cnn", "model.stages": stages, "model.width": width}
    if num_train <= 50_000:
        return {"model.name": "resnet_small"}
    return {"model.name": "resnet18", "model.stem": "imagenet" if pixels > 64 else "cifar"}
