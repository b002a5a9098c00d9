"""Where images and labels come from: one file of this folder for each kind of source.

`config.data.name` names the file; any other name is that of a TFDS set, which `tfds` reads. A file
has a TITLE, its own FIELDS where it has any, and one of two functions, which also says what its
labels are worth:

    load(options) -> Source       a published set: its labels are true
    index(options) -> ImageIndex  images of the user's own: the files and their labels, in doubt

(`load` of the user's own vectors says of them that their labels are in doubt.) `options` is
config.data. Of the user's own images every file is opened once (`scan`), and settings may be left
open, to be chosen by their number and size (`auto`).
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np
from ml_collections import ConfigDict

from dull_jax import fields, memory
from dull_jax.data.own import scan as scans
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.manifest import Manifest, Unused
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import UserError
from dull_jax.fields import Field, choice, number, path, text

_OTHERS = "tfds"  # reads the sets that no file is named after
FIELDS = {
    "dir": path(
        "of TFDS data (empty: $TFDS_DATA_DIR, else ~/tensorflow_datasets), or of your own images",
        numbers=False,
    ),
    "file": path(
        "csv: the table of paths and labels; embeddings: a file of vectors, or a folder of shards",
        numbers=False,
    ),
    "size": number(0, "own images: side in pixels; 0: chosen by how large the images are", 0, 1024),
    "fit": choice(
        "crop",
        "own images: crop (centre), pad (black borders) or stretch",
        ("crop", "pad", "stretch"),
    ),
    "on_error": choice(
        "skip", "own images: what cannot be read is skipped and listed, or: fail", ("skip", "fail")
    ),
    "test_share": number(
        0.2, "own data without a test part: about this share is held out", 0.01, 0.9
    ),
    "resident_gb": number(
        4.0, "images of up to so much memory are held on the device", 0, 1e6, numbers=False
    ),
}


@dataclasses.dataclass(frozen=True)
class Split:
    """Images uint8 [N, H, W, C], or vectors floating [N, V, D]; labels and ids of each.

    labels: int32 [N].  ids: str [N], unique and the same for ever.
    """

    images: np.ndarray | ImageFiles | VectorFiles
    labels: np.ndarray
    ids: np.ndarray


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set; `class_names[k]` belongs to label k.

    truth_known: whether its labels are true, so that simulated noise and test accuracy mean what
      they say; those of the user's own images are unverified.
    manifest: of the user's own images.
    test_drawn: whether the test part was held out of the user's own samples, since they named none.
    paths: id -> file of the image, for people, where vectors come with it.
    notices, unused: of the user's own vectors: what was made of their file, a line each, and the
      samples that are not used.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    truth_known: bool
    manifest: Manifest | None = None
    notices: tuple[str, ...] = ()
    unused: tuple[Unused, ...] = ()
    test_drawn: bool = False
    paths: Mapping[str, str] = dataclasses.field(default_factory=dict)


def names() -> tuple[str, ...]:
    """The sources there are: the files of this folder that have a TITLE."""
    return tuple(fields.kinds(__name__))


def gathered() -> dict[str, Field]:
    """The fields of `config.data` that sources read: those of every source, and of each."""
    known = ", ".join(name for name in names() if name != _OTHERS)
    name = text("digits", f"{known}; else cifar10, cifar100 or another TFDS set in ArrayRecord")
    return fields.gathered({"name": name}, FIELDS, fields.gathered_of(__name__))


def is_own(name: str) -> bool:
    """Whether `name`, of config.data, means images of the user's own."""
    return hasattr(_module(name), "index")


def places(name: str) -> tuple[str, ...]:
    """The fields of config.data that say where a source's own data is, which may be moved."""
    return getattr(_module(name), "PLACES", ("dir",) if is_own(name) else ())


def _module(name: str) -> ModuleType:
    known = fields.kinds(__name__)
    return known.get(name, known[_OTHERS])


def scan(options: ConfigDict, say: Callable[[str], None] = print) -> Manifest | None:
    """What there is: every file opened once (or known from an earlier start), every label read.

    None where the images are not the user's own.

    Args:
      options: config.data; reads name, dir, file, on_error, test_share and seed.

    Raises:
      UserError: no such folder or file, a label that cannot be meant, fewer than two classes; an
        unreadable image, where on_error is "fail".
    """
    if not is_own(options.name):
        return None
    index = _module(options.name).index(options)
    manifest = scans.scan(index, say=say)
    manifest.check(options.on_error)
    return manifest.with_test(options.test_share, options.seed, index.corrected)


def load(options: ConfigDict, manifest: Manifest | None = None, in_files: bool = False) -> Source:
    """The images and labels of a data set.

    Args:
      options: config.data, in which nothing is left open any more.
      manifest: of the user's own images, from `scan`, or what a run has of it.
      in_files: the user's own images stay in their files, however few they are.

    Raises:
      UserError: more images than memory; else as the source's own `load`.
    """
    if manifest is None:
        return _module(options.name).load(options)
    return _load_own(options, manifest, in_files)


def is_resident(what: str, needed: int, options: ConfigDict) -> bool:
    """Whether samples that need so many bytes are held in memory, as config.data has it.

    Raises:
      UserError: they are to be, and there is less; `what` says how many they are.
    """
    resident = needed <= options.resident_gb * 1e9
    if resident and needed > (free := memory.free()):
        raise UserError(
            f"{what} need {memory.shown(needed)}, and there are {memory.shown(free)}; "
            f"config.data.resident_gb={free / 2e9:.1f} leaves them in files"
        )
    return resident


def _load_own(options: ConfigDict, manifest: Manifest, in_files: bool) -> Source:
    """The images cut to one size, in memory where they fit, else in their files."""
    size = options.size
    images = f"{len(manifest.ids):,} images of {size} x {size} pixels"
    resident = not in_files and is_resident(images, len(manifest.ids) * size**2 * 3, options)

    def split(part: str) -> Split:
        rows = np.flatnonzero(manifest.splits == part)
        images = ImageFiles(manifest.root, manifest.paths[rows], size, options.fit)
        return Split(
            images.in_memory() if resident else images, manifest.labels[rows], manifest.ids[rows]
        )

    return Source(
        name=options.name,
        class_names=manifest.class_names,
        train=split("train"),
        test=split("test"),
        truth_known=False,
        manifest=manifest,
        test_drawn=manifest.test_drawn,
    )
