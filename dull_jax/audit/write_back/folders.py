"""Class folders: TARGET/<split>/<class>/<file>, as configs/folder.py reads them."""

import itertools
import os
import pathlib
import re
import shutil
from collections.abc import Iterator, Sequence

from dull_jax import files
from dull_jax.audit.corrections import Correction, Corrections
from dull_jax.data.own.image_index import split_of
from dull_jax.data.own.image_tree import is_ignored
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.run_dir import layout, overwrite

SUFFIXES = ()
_ODD = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # of no file's name on one system or another
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST, _LONGEST_END = 120, 60  # bytes of a name, and of the end that is kept whole


def write(target: pathlib.Path, corrections: Corrections, copy: bool) -> None:
    """Links to the images, which stay where they are, or copies of them.

    Raises:
      UserError: there are no files of the images, the folder holds something, or it cannot be
        written.
    """
    folders = folder_names(corrections.class_names)
    rows = with_files(target, corrections)
    into = [pathlib.Path(part_of(row), folders.get(row.label) or safe(row.label)) for row in rows]
    put(target, rows, list(named(rows, into)), copy)


def part_of(row: Correction) -> str:
    """'train', 'test' or 'val': a table may have any word there, a path too.

    What is none of them is trained on, as the audit has it (`AuditInput.held_out`).
    """
    return split_of(row.split) or "train"


def with_files(target: pathlib.Path, corrections: Corrections) -> list[Correction]:
    """What has a label and an image. Raises UserError where nothing has."""
    found = [row for row in corrections.usable() if row.file]
    if not found:
        raise UserError(
            f"--apply={shown(str(target))}: no image files are known to put there; name a .csv "
            "file, or, of embeddings or predictions, the folder of the images: --images"
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
        advice = "" if copy else "; with --apply_files=copy images are copied, not linked to"
        raise UserError(
            f"--apply={shown(str(target))}: {shown(str(error.filename2 or error.filename))}: "
            f"{error.strerror}{advice}"
        ) from None


def named(files: Sequence[Correction], into: Sequence[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Paths in the folders `into`, all different: later files of one name carry their id."""
    taken: set[str] = set()
    for row, folder in zip(files, into, strict=True):
        name = pathlib.PurePath(row.file)
        numbered = (f"-{number}{name.suffix}" for number in itertools.count(2))
        for end in itertools.chain((name.suffix, f"-{row.id}{name.suffix}"), numbered):
            place = folder / safe(name.stem, end)
            if str(place).casefold() not in taken:
                break
        taken.add(str(place).casefold())
        yield place


def check(
    target: files.Path, inputs: Sequence[files.Path] = (), output: files.Path | None = None
) -> None:
    """Raises UserError unless the folder is new or empty, and in none of `inputs`.

    Nor may it belong to a run, or be or hold `output`, which gets the results of the audit.
    """
    files.check_local("--apply", os.fspath(target))
    if owner := layout.owner(pathlib.Path(os.path.abspath(target))):
        raise UserError(
            f"--apply={shown(str(target))} belongs to what is in {shown(str(owner))}; name another"
        )
    if output is not None and not files.is_remote(output):
        results = pathlib.Path(os.path.realpath(output))
        if pathlib.Path(os.path.realpath(target)) in (results, *results.parents):
            raise UserError(
                f"--apply={shown(str(target))} gets the results of the audit; name another folder"
            )
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
    if not overwrite.can_be_made(target):
        raise UserError(f"--apply={shown(str(target))} cannot be written; name another folder")


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """class -> the name of its folder, all different, on file systems without case too.

    >>> folder_names(["cat", "Cat", "a/b", "..", "con"])
    {'cat': 'cat', 'Cat': 'Cat_2', 'a/b': 'a_b', '..': '_', 'con': '_con'}
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


def safe(name: str, end: str = "") -> str:
    """A name with this end that every file system takes, and none of our readers passes over.

    >>> safe(".hidden"), safe("con", ".jpg"), safe("x" * 300, ".jpg")[-8:]
    ('_.hidden', '_con.jpg', 'xxxx.jpg')
    """
    end = _cut(_ODD.sub("_", end)[::-1], _LONGEST_END)[::-1]
    name = _cut(_ODD.sub("_", name), _LONGEST - len(end.encode()) - 1)
    whole = (name + end).rstrip(" .") or "_"
    return f"_{whole}" if is_ignored(whole) or _RESERVED.fullmatch(whole) else whole


def _cut(text: str, most: int) -> str:
    """As much of the beginning as fits into so many bytes."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
