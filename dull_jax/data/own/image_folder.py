"""A folder with one subfolder for each class, as a `Listing`."""

import os
import pathlib
from collections.abc import Iterator

from dull_jax.data.own import decode
from dull_jax.data.own.listing import HELD_OUT, Entry, Listing, Problem, from_entries
from dull_jax.errors import UserError
from dull_jax.names import shown

SUFFIXES = frozenset(suffix for kinds in decode.SUFFIXES.values() for suffix in kinds)
_RUBBISH = {"__macosx", "thumbs.db", "desktop.ini"}  # left by macOS and Windows


def read(root: str | pathlib.Path) -> Listing:
    """Finds the images of `train/<class>/**` and `test/<class>/**`, or of `<class>/**`.

    There is a train part where `root` has a folder `train` (or `Train`) with folders in it; its
    test part is `test`, or else `val`, `valid` or `validation`. Without a train part every folder
    is a class and the splits are "". Classes are sorted by name. Links are followed, but not in
    circles; hidden files are ignored; whatever else is left out is a problem of the listing.

    Raises:
      UserError: no such folder, unreadable, a train part without class folders, or fewer than two
        classes with images.
    """
    root = pathlib.Path(os.path.abspath(pathlib.Path(root).expanduser()))
    problems: list[Problem] = []
    try:
        entries = _entries(str(root), problems)
    except OSError as error:
        path = shown(error.filename or str(root))
        raise UserError(f"{path}: {error.strerror}; name a folder of images") from None
    return from_entries(root, entries, problems)


def _entries(root: str, problems: list[Problem]) -> list[Entry]:
    folders = {entry.name: entry.path for entry in _visible(root) if _is_folder(entry)}
    parts = _parts(root, folders, problems)
    if not parts:
        return _part(root, root, "", problems)
    return [
        entry
        for name, split in parts.items()
        for entry in _part(root, folders[name], split, problems)
    ]


def _parts(root: str, folders: dict[str, str], problems: list[Problem]) -> dict[str, str]:
    """Folder name -> split; {} without a train part."""
    names = {name.lower(): name for name in folders}
    if "train" not in names or not _has_folders(folders[names["train"]]):
        if names and names.keys() <= {"train", *HELD_OUT}:
            raise UserError(f"{shown(root)}: class folders belong into {shown(root)}/train")
        return {}
    held_out = next((names[name] for name in HELD_OUT if name in names), None)
    parts = {names["train"]: "train"} | ({held_out: "test"} if held_out else {})
    problems += [
        Problem(name, f"folder not used: images are read from {' and '.join(parts)}")
        for name in sorted(folders.keys() - parts.keys())
    ]
    return parts


def _has_folders(path: str) -> bool:
    try:
        return any(_is_folder(entry) for entry in _visible(path))
    except OSError:
        return False


def _part(root: str, folder: str, split: str, problems: list[Problem]) -> list[Entry]:
    """The images of each class folder in `folder`."""
    entries: list[Entry] = []
    above = [_identity(root), _identity(folder)]
    for top in _visible(folder):
        if not _is_folder(top):
            reason = _not_image(top) or "not in a class folder"
            problems.append(Problem(_relative(top.path, root), reason, "", split))
            continue
        paths = sorted(images(top.path, root, [*above], problems))
        if not paths:
            where = _relative(top.path, root)
            problems.append(Problem(where, "class without images", top.name, split))
        entries += [Entry(path, top.name, split) for path in paths]
    return entries


def images(folder: str, root: str, seen: list, problems: list[Problem]) -> Iterator[str]:
    """Relative paths below `folder`; `seen` are the folders that are not entered again."""
    todo, seen = [folder], set(seen)
    while todo:
        here = todo.pop()
        try:
            if (identity := _identity(here)) in seen:
                problems.append(Problem(_relative(here, root), "a link to a folder already read"))
                continue
            seen.add(identity)
            inner = _visible(here)
        except OSError as error:
            problems.append(Problem(_relative(here, root), f"unreadable: {error.strerror}"))
            continue
        for entry in inner:
            if _is_folder(entry):
                todo.append(entry.path)
            elif reason := _not_image(entry):
                problems.append(Problem(_relative(entry.path, root), reason))
            else:
                yield _relative(entry.path, root)


def _visible(folder: str) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        kept = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _RUBBISH]
    return sorted(kept, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _not_image(entry: os.DirEntry) -> str:
    """Why this entry, no folder, cannot be an image; '' when it may be one."""
    suffix = os.path.splitext(entry.name)[1]
    if suffix.lower() not in SUFFIXES:
        return f"not an image file ({shown(suffix) or 'no extension'})"
    try:
        if entry.is_file():
            return ""
        return "a link to nothing" if entry.is_symlink() else "not a regular file"
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _relative(path: str, root: str) -> str:
    return path.removeprefix(root).lstrip(os.sep).replace(os.sep, "/")
