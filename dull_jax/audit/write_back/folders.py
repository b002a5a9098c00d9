"""Class folders: TARGET/<split>/<class>/<file>, as configs/folder.py reads them."""

import os
import pathlib
import re
import shutil
from collections.abc import Iterator, Sequence

from dull_jax import files
from dull_jax.audit.corrections import Correction, Corrections
from dull_jax.errors import UserError
from dull_jax.names import shown

SUFFIXES = ()
_ODD = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # of no file's name on one system or another
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def write(target: pathlib.Path, corrections: Corrections, copy: bool) -> None:
    """Links to the images, which stay where they are, or copies of them.

    Raises:
      UserError: there are no files of the images, the folder holds something, or it cannot be
        written.
    """
    folders = folder_names(corrections.class_names)
    rows = with_files(target, corrections)
    into = [
        pathlib.Path(row.split or "train", folders.get(row.label) or safe(row.label))
        for row in rows
    ]
    put(target, rows, list(named(rows, into)), copy)


def with_files(target: pathlib.Path, corrections: Corrections) -> list[Correction]:
    """What has a label and an image. Raises UserError where nothing has."""
    found = [row for row in corrections.usable() if row.file]
    if not found:
        raise UserError(
            f"--apply={shown(str(target))}: no image files are known to put there; add --images, "
            "or name a .csv file"
        )
    return found


def put(
    target: pathlib.Path, files: Sequence[Correction], places: Sequence[pathlib.Path], copy: bool
) -> None:
    """Puts the image of every row to its place below `target`.

    Raises:
      UserError: see `write`.
    """
    try:
        for row, place in zip(files, places, strict=True):
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if copy:
                shutil.copyfile(row.file, path)
            else:
                os.symlink(os.path.abspath(row.file), path)
    except OSError as error:
        raise UserError(
            f"--apply={shown(str(target))}: {shown(str(error.filename2 or error.filename))}: "
            f"{error.strerror}; with --apply_files=copy images are copied, not linked to"
        ) from None


def named(files: Sequence[Correction], into: Sequence[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Paths in the folders `into`, all different: later files of one name carry their id."""
    taken: set[str] = set()
    for number, (row, folder) in enumerate(zip(files, into, strict=True)):
        name = pathlib.PurePath(row.file)
        place = folder / safe(name.name)
        if str(place).casefold() in taken:
            place = folder / safe(f"{name.stem}-{row.id}{name.suffix}")
        if str(place).casefold() in taken:
            place = folder / safe(f"{name.stem}-{row.id}-{number}{name.suffix}")
        taken.add(str(place).casefold())
        yield place


def check(target: files.Path, inputs: Sequence[files.Path] = ()) -> None:
    """Raises UserError unless the folder is new or empty, and in none of `inputs`."""
    files.check_local("--apply", os.fspath(target))
    above = {
        pathlib.Path(os.path.realpath(target)),
        *pathlib.Path(os.path.realpath(target)).parents,
    }
    for path in inputs:
        if not files.is_remote(path) and pathlib.Path(os.path.realpath(path)) in above:
            raise UserError(
                f"--apply={shown(str(target))} lies in the input {shown(str(path))}; name another"
            )
    if os.path.lexists(target) and not target.is_dir():
        raise UserError(f"--apply={shown(str(target))} is no folder; name a new one")
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"--apply={shown(str(target))} holds files; name a new folder")


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """class -> the name of its folder, all different, on file systems without case too.

    >>> folder_names(["cat", "Cat", "a/b", "..", "con"])
    {'cat': 'cat', 'Cat': 'Cat_2', 'a/b': 'a_b', '..': '_', 'con': 'con_'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        folder = stem = safe(name)
        number = 2
        while folder.casefold() in taken:
            folder, number = f"{stem}_{number}", number + 1
        taken.add(folder.casefold())
        found[name] = folder
    return found


def safe(name: str) -> str:
    """A name that every file system takes."""
    name = _ODD.sub("_", name).rstrip(" .") or "_"
    name = name.encode("utf-8", "replace").decode()[:120]
    return f"{name}_" if _RESERVED.fullmatch(name) else name
