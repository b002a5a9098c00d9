"""The images of samples whose table has paths: shown on pages, never needed by the audit itself.

Nobody has scanned them, so a file may be missing or broken; then its place on the page is blank.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from dull_jax import files
from dull_jax.audit.inputs import PAGE_SIDE, AuditInput
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.sources import embeddings
from dull_jax.data.tables import table_paths
from dull_jax.errors import UserError
from dull_jax.files import Path, is_remote
from dull_jax.names import shown

_BLANK = 236  # a light grey


class PageImages(ImageFiles):
    """As `ImageFiles`; what cannot be read is blank, and named in `unreadable`."""

    def __init__(self, root: str | os.PathLike, paths: np.ndarray):
        super().__init__(root, paths, PAGE_SIDE)
        self.unreadable: dict[str, str] = {}  # path -> why

    def instead(self, path: str, error: Exception) -> np.ndarray:
        self.unreadable[path] = getattr(error, "strerror", None) or str(error)
        return np.full((*self.size, 3), _BLANK, np.uint8)


def joined(samples: AuditInput, folder: Path) -> AuditInput:
    """Samples with the images that lie below the folder, by their paths.

    Raises:
      UserError: samples have no paths, or images are not there.
    """
    return _with_images(samples, folder, _all_there(samples.paths, folder))


def check_embeddings(file: str, labels: str, folder: Path) -> None:
    """Before heads are trained: raises UserError where `joined` would after it.

    Args: file, labels: as of `audit.embeddings.of_files`.
    """
    source = embeddings.read(file, labels, share=0)
    paths = [source.paths.get(key, "") for key in source.train.ids.tolist()]
    _all_there(np.array(paths, object), folder)


def _all_there(paths: np.ndarray, folder: Path) -> list[str]:
    """`_on_disk`. Raises UserError: see `joined`."""
    name = f"--images={shown(str(folder))}"
    if not any(paths):
        raise UserError(f"{name}: the samples have no paths; give a column")
    there = _on_disk(paths, folder)
    if missing := there.count(""):
        first = paths[there.index("")]
        raise UserError(
            f"{name}: {missing:,} of {len(there):,} images are not there, "
            f"{shown(str(first)) or 'one without a path'} for one; paths must begin below it"
        )
    return there


def found(samples: AuditInput, tables: Iterable[Path]) -> tuple[AuditInput, str]:
    """Samples with their images, if these lie where a reader of the paths would look for them.

    That is beside one of the tables, or below the folder in which the command was started.

    Returns:
      (samples, what to say where the page has no pictures, or not all of them; else "").
    """
    if not any(samples.paths):
        return samples, "no pictures on the page: no column path says where the images are"
    folders = [table.parent for table in tables if not is_remote(table)]
    counted = {
        folder: _on_disk(samples.paths, folder)
        for folder in dict.fromkeys([*folders, pathlib.Path.cwd()])
    }
    best = min(counted, key=lambda folder: counted[folder].count(""))
    there = counted[best]
    missing = there.count("")
    if missing == len(there):
        first = next(filter(None, samples.paths))
        return samples, (
            f"no pictures on the page: {shown(str(first))} is not where the table says; add "
            "--images=FOLDER, the one that paths begin in"
        )
    samples = _with_images(samples, best, there)
    if not missing:
        return samples, ""
    return samples, (
        f"no pictures of {missing:,} of {len(there):,} samples on the page: they are not below "
        f"{shown(str(best))}"
    )


def unreadable(samples: AuditInput) -> str:
    """What to say of images of the page that could not be read; "" where there are none."""
    broken = getattr(samples.images, "unreadable", {})
    broken = {path: why for path, why in broken.items() if path}
    if not broken:
        return ""
    path, why = next(iter(broken.items()))
    return f"no pictures of {len(broken):,} images that cannot be read: {shown(path)} ({why})"


def is_blank(images: object, n: int) -> bool:
    """Whether sample n was taken from `images`, and is not to be seen."""
    return isinstance(images, PageImages) and images.paths[n] in images.unreadable


def _with_images(samples: AuditInput, folder: Path, there: list[str]) -> AuditInput:
    """there: of `_on_disk`; what is not keeps its path, and has no image."""
    paths = [new or old for new, old in zip(there, samples.paths, strict=True)]
    others = samples.others
    found = _on_disk([other.path for other in others], folder)
    return dataclasses.replace(
        samples,
        paths=np.array(paths, object),
        images=PageImages(_root(folder), np.array(there, object)),
        others=tuple(o._replace(path=new or o.path) for o, new in zip(others, found, strict=True)),
    )


def _on_disk(paths: Iterable[str], folder: Path) -> list[str]:
    """Each path as a file below the folder is spelt, whose table training reads so too; or ""."""
    root = _root(folder)
    spelt = (table_paths.on_disk(path, root) or "" for path in paths)
    return [path if os.path.isfile(os.path.join(root, path)) else "" for path in spelt]


def _root(folder: Path) -> str:
    return files.on_disk(os.path.abspath(folder))
