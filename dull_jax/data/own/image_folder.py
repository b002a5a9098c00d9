"""A folder with one subfolder for each class, as a `Listing`."""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dull_jax.data.own import decode
from dull_jax.data.own.listing import HELD_OUT, Entry, Listing, Problem, from_entries, split_of
from dull_jax.errors import UserError
from dull_jax.names import shown

SUFFIXES = frozenset(suffix for kinds in decode.SUFFIXES.values() for suffix in kinds)
# Thumbnails, bins and settings that file servers, Windows and macOS leave in folders.
_LEFTOVERS = frozenset(
    "@eadir @tmp @synoresource @recycle @recently-snapshot @sharebin @__thumb #recycle #snapshot "
    "~snapshot $recycle.bin found.000 found.001 found.002 @transcoded @sharesnap __pycache__ "
    "lost+found lost.dir __macosx thumbs.db ehthumbs.db "
    "ehthumbs_vista.db desktop.ini icon\r".split(" ")
) | {"system volume information", "network trash folder", "temporary items"}
_EXACTLY = frozenset(("RECYCLER",))  # a class may be called recycler
_TOLD = 5  # names of leftovers


def read(root: str | pathlib.Path) -> Listing:
    """Finds the images of `train/<class>/**` and `test/<class>/**`, or of `<class>/**`.

    A part is known by its name (`listing.split_of`) and by the folders in it; of several held-out
    parts the first of test, val, valid, validation is used. A part in a part of its kind, such as
    seg_train/seg_train, is one. `<class>/train/**` is read too. Without a train part every folder
    is a class, also one called test, and the splits are "". Classes are sorted by name. Links are
    followed, but not in circles; hidden files and leftovers of file servers, Windows and macOS are
    ignored; whatever else is left out is a problem of the listing.

    Raises:
      UserError: no such folder, unreadable, folders that are all parts but no train part with class
        folders, or fewer than two classes with images.
    """
    root = pathlib.Path(os.path.abspath(pathlib.Path(root).expanduser()))
    tree = _Tree(str(root), [], set())
    try:
        entries = _entries(tree)
    except OSError as error:
        path = shown(error.filename or str(root))
        raise UserError(f"{path}: {error.strerror}; name a folder of images") from None
    return from_entries(root, entries, tree.problems, notices=_ignored(tree.leftovers))


class _Tree(NamedTuple):
    """What is found on the way: files left out, paths of leftovers that are ignored."""

    root: str
    problems: list[Problem]
    leftovers: set[str]

    def left_out(self, path: str, reason: str, label: str = "", split: str = "") -> None:
        self.problems.append(Problem(_relative(path, self.root), reason, label, split))


def _entries(tree: _Tree) -> list[Entry]:
    folders = _folders(tree, tree.root)
    parts = _chosen(name for name in filter(split_of, folders) if _inner(tree, folders[name]))
    if parts:
        _tell_unused(tree, folders, parts)
        inner = {name: _innermost(tree, folders[name], split) for name, split in parts.items()}
        return [e for name, split in parts.items() for e in _part(tree, inner[name], split)]
    _check_not_parts(tree.root, list(folders))
    if folders and all(_is_split(tree, path) for path in folders.values()):
        return _split_classes(tree, folders)
    return _part(tree, tree.root, "")


def _chosen(names: Iterable[str]) -> dict[str, str]:
    """Folder name -> split, of the parts that are used; {} without a train part."""
    ranked = sorted(filter(split_of, names), key=_rank)
    train = [name for name in ranked if split_of(name) == "train"][:1]
    held_out = [name for name in ranked if split_of(name) != "train"][:1]
    return dict.fromkeys(train, "train") | dict.fromkeys(held_out, "test") if train else {}


def _rank(name: str) -> tuple[int, int, str]:
    """The plain word comes before its variants."""
    word, words = name.lower(), ("train", *HELD_OUT)
    kind = ("train", "test", "val").index(split_of(name) or "train")
    return kind, words.index(word) if word in words else len(words), name


def _tell_unused(tree: _Tree, folders: dict[str, str], parts: dict[str, str]) -> None:
    for name in sorted(folders.keys() - parts.keys()):
        reason = f"folder not used: images are read from {' and '.join(map(shown, parts))}"
        tree.left_out(folders[name], reason)


def _innermost(tree: _Tree, folder: str, split: str) -> str:
    """The part itself, where an archive was unpacked into a folder of its own name."""
    kinds = ("train",) if split == "train" else ("test", "val")
    while True:
        inner = _inner(tree, folder)
        if len(inner) != 1 or split_of(*inner) not in kinds or not _inner(tree, *inner.values()):
            return folder
        (folder,) = inner.values()


def _check_not_parts(root: str, names: list[str]) -> None:
    """Raises UserError where the folders look like the parts of a data set, not like classes."""
    parts = {name: _part_word(name) for name in names}
    if names and (
        all(map(split_of, names)) or (all(parts.values()) and len({*parts.values()}) > 1)
    ):
        train = min((name for name in names if parts[name] == "train"), default="train")
        train = train if split_of(train) else "train"
        raise UserError(
            f"{shown(root)}: {', '.join(map(shown, names))} look like parts of a data set; class "
            f"folders belong into {shown(root)}/{shown(train)}"
        )


def _part_word(name: str) -> str | None:
    """As `split_of`, where only a word of the name is one: train2017, my_test, 02 (val)."""
    words = [name, *re.findall("[a-z]+", name.lower().replace("trainval", "train"))]
    return next(filter(None, map(split_of, words)), None)


def _is_split(tree: _Tree, folder: str) -> bool:
    """Whether the folders in it are parts, one of them train."""
    inner = _inner(tree, folder)
    return all(map(split_of, inner)) and bool(_chosen(inner))


def _split_classes(tree: _Tree, folders: dict[str, str]) -> list[Entry]:
    """The images of `<class>/train/**` and its held-out part."""
    if len(folders) == 1:
        (inner,) = folders.values()
        raise UserError(f"{shown(tree.root)}: the data set is in {shown(inner)}; name that folder")
    entries: list[Entry] = []
    for label, folder in folders.items():
        inner, above = _inner(tree, folder), [_identity(tree.root), _identity(folder)]
        parts = _chosen(inner)
        _tell_unused(tree, inner, parts)
        found = [
            Entry(path, label, split)
            for name, split in parts.items()
            for path in sorted(_images(tree, inner[name], above))
        ]
        if not found:
            tree.left_out(folder, "class without images", label)
        entries += found
        for file in _visible(tree, folder):
            if not _is_folder(file):
                tree.left_out(file.path, _not_image(file) or "not in a part of its class", label)
    return entries


def _part(tree: _Tree, folder: str, split: str) -> list[Entry]:
    """The images of each class folder in `folder`."""
    entries: list[Entry] = []
    above = [_identity(tree.root), _identity(folder)]
    for top in _visible(tree, folder):
        if not _is_folder(top):
            reason = _not_image(top) or "not in a class folder"
            tree.left_out(top.path, reason, "", split)
            continue
        paths = sorted(_images(tree, top.path, above))
        if not paths:
            tree.left_out(top.path, "class without images", top.name, split)
        entries += [Entry(path, top.name, split) for path in paths]
    return entries


def images(folder: str, root: str, seen: Iterable, problems: list[Problem]) -> Iterator[str]:
    """Paths of the images below `folder`, relative to `root`.

    Args:
      seen: identities of folders that are not entered again.
      problems: takes what is left out.
    """
    return _images(_Tree(root, problems, set()), folder, seen)


def _images(tree: _Tree, folder: str, seen: Iterable) -> Iterator[str]:
    todo, seen = [folder], set(seen)
    while todo:
        here = todo.pop()
        try:
            if (identity := _identity(here)) in seen:
                tree.left_out(here, "a link to a folder already read")
                continue
            seen.add(identity)
            inner = _visible(tree, here)
        except OSError as error:
            tree.left_out(here, f"unreadable: {error.strerror}")
            continue
        for entry in inner:
            if _is_folder(entry):
                todo.append(entry.path)
            elif reason := _not_image(entry):
                tree.left_out(entry.path, reason)
            else:
                yield _relative(entry.path, tree.root)


def _inner(tree: _Tree, folder: str) -> dict[str, str]:
    """As `_folders`; {} where it cannot be read."""
    try:
        return _folders(tree, folder)
    except OSError:
        return {}


def _folders(tree: _Tree, folder: str) -> dict[str, str]:
    """Name -> path."""
    return {entry.name: entry.path for entry in _visible(tree, folder) if _is_folder(entry)}


def _visible(tree: _Tree, folder: str) -> list[os.DirEntry]:
    """What is neither hidden nor a leftover, sorted."""
    with os.scandir(folder) as found:
        entries = [entry for entry in found if not entry.name.startswith(".")]
    tree.leftovers.update(entry.path for entry in entries if _is_leftover(entry.name))
    return sorted((e for e in entries if not _is_leftover(e.name)), key=lambda entry: entry.name)


def _is_leftover(name: str) -> bool:
    return name.lower() in _LEFTOVERS or name in _EXACTLY


def _ignored(leftovers: set[str]) -> list[str]:
    names = sorted({shown(os.path.basename(path)) for path in leftovers})
    if not names:
        return []
    told = ", ".join(names[:_TOLD] + ["…"] * (len(names) > _TOLD))
    plural = "s" * (len(leftovers) > 1)
    return [f"ignored: {len(leftovers):,} leftover{plural} of a NAS, Windows or macOS ({told})"]


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
    if lacking := decode.lacking(suffix):
        return f"a {suffix} file: {lacking}"
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
