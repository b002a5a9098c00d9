"""A folder of images with one subfolder for each class."""

import itertools
import os
import pathlib
import re
from collections.abc import Iterable

from ml_collections import ConfigDict

from dull_jax.data.own.image_index import (
    HELD_OUT,
    Entry,
    ImageIndex,
    from_entries,
    named_folder,
    split_of,
    unlabelled,
)
from dull_jax.data.own.image_tree import ImageTree, identity, is_folder, why_no_image
from dull_jax.errors import UserError
from dull_jax.names import shown

TITLE = "Folders"


def index(options: ConfigDict) -> ImageIndex:
    """The images below config.data.dir; see `read`."""
    return read(named_folder(options.name, options.dir))


def read(root: str | pathlib.Path, labelled: bool = True) -> ImageIndex:
    """Finds the images of `train/<class>/**` and `test/<class>/**`, or of `<class>/**`.

    A part is known by its name (`image_index.split_of`) and by the folders in it; of several
    held-out parts the first of test, val, valid, validation is used, and one to validate beside it
    is put aside (`ImageIndex.aside`). A part in a part of its kind, such as seg_train/seg_train, is
    one. `<class>/train/**` is read too. Without a train part every folder is a class, also one
    called test, and the splits are "". Classes are sorted by name. Links are followed, but not in
    circles; hidden files and leftovers of file servers, Windows and macOS are ignored; whatever
    else is left out is a problem of the index.

    Args:
      labelled: whether there must be labels. Else all parts are kept; and without a train part, or
        two folders that hold more images than lie beside them, no image has a label.

    Raises:
      UserError: no such folder, unreadable, folders that are all parts but no train part with class
        folders, fewer than two classes with images, or two whose names differ in blanks alone.
    """
    root = pathlib.Path(os.path.abspath(pathlib.Path(root).expanduser()))
    tree = ImageTree(str(root))
    try:
        if not labelled and not _has_classes(tree.root):
            return unlabelled(root, _all(tree), tree.problems, notices=tree.notices())
        entries = _entries(tree)
    except OSError as error:
        path = shown(error.filename or str(root))
        raise UserError(f"{path}: {error.strerror}; name a folder of images") from None
    return from_entries(root, entries, tree.problems, notices=tree.notices(), trained=labelled)


def _has_classes(root: str) -> bool:
    """Whether there is a part with class folders in it, or two folders with images, and more
    images in folders than beside them."""
    tree = ImageTree(root)
    folders = tree.folders(root)
    trained = (path for name, path in folders.items() if split_of(name) == "train")
    if any(map(tree.inner, trained)):
        return True
    filled = (path for path in folders.values() if next(tree.images(path), None))
    beside = sum(not is_folder(top) and not why_no_image(top) for top in tree.visible(root))
    inside = itertools.chain.from_iterable(map(tree.images, folders.values()))
    two = len(list(itertools.islice(filled, 2))) == 2
    return two and next(itertools.islice(inside, beside, None), None) is not None


def _all(tree: ImageTree) -> list[Entry]:
    return [Entry(path, "", "") for path in sorted(tree.images(tree.root))]


def _entries(tree: ImageTree) -> list[Entry]:
    folders = tree.folders(tree.root)
    parts = _chosen(name for name in filter(split_of, folders) if tree.inner(folders[name]))
    if parts:
        _tell_unused(tree, folders, parts)
        inner = {name: _innermost(tree, folders[name], split) for name, split in parts.items()}
        return [e for name, split in parts.items() for e in _part(tree, inner[name], split)]
    _check_not_parts(tree.root, list(folders))
    if folders and all(_is_split(tree, path) for path in folders.values()):
        return _split_classes(tree, folders)
    return _part(tree, tree.root, "")


def _chosen(names: Iterable[str]) -> dict[str, str]:
    """Folder name -> split, of one part to train on, one to test on, and a second one, "val"; {}
    without the first."""
    ranked = sorted(filter(split_of, names), key=_rank)
    train = [name for name in ranked if split_of(name) == "train"][:1]
    held_out = [name for name in ranked if split_of(name) != "train"]
    second = [name for name in held_out[1:] if split_of(name) == "val"][:1]
    chosen = ((train, "train"), (held_out[:1], "test"), (second, "val"))
    return {name: part for names, part in chosen for name in names} if train else {}


def _rank(name: str) -> tuple[int, int, str]:
    """The plain word comes before its variants."""
    word, words = name.lower(), ("train", *HELD_OUT)
    kind = ("train", "test", "val").index(split_of(name) or "train")
    return kind, words.index(word) if word in words else len(words), name


def _tell_unused(tree: ImageTree, folders: dict[str, str], parts: dict[str, str]) -> None:
    for name in sorted(folders.keys() - parts.keys()):
        used = " and ".join(shown(name) for name, part in parts.items() if part != "val")
        reason = f"folder not used: images are read from {used}"
        tree.left_out(folders[name], reason)


def _innermost(tree: ImageTree, folder: str, split: str) -> str:
    """The part itself, where an archive was unpacked into a folder of its own name."""
    kinds = ("train",) if split == "train" else ("test", "val")
    while True:
        inner = tree.inner(folder)
        if len(inner) != 1 or split_of(*inner) not in kinds or not tree.inner(*inner.values()):
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


def _is_split(tree: ImageTree, folder: str) -> bool:
    """Whether the folders in it are parts, one of them train."""
    inner = tree.inner(folder)
    return all(map(split_of, inner)) and bool(_chosen(inner))


def _split_classes(tree: ImageTree, folders: dict[str, str]) -> list[Entry]:
    """The images of `<class>/train/**` and its held-out part."""
    if len(folders) == 1:
        (inner,) = folders.values()
        raise UserError(f"{shown(tree.root)}: the data set is in {shown(inner)}; name that folder")
    entries: list[Entry] = []
    for label, folder in folders.items():
        inner, above = tree.inner(folder), [identity(tree.root), identity(folder)]
        parts = _chosen(inner)
        _tell_unused(tree, inner, parts)
        members = [
            Entry(path, label, split)
            for name, split in parts.items()
            for path in sorted(tree.images(inner[name], above))
        ]
        if not members:
            tree.left_out(folder, "class without images", label)
        entries += members
        for file in tree.visible(folder):
            if not is_folder(file):
                tree.left_out(file.path, why_no_image(file) or "not in a part of its class", label)
    return entries


def _part(tree: ImageTree, folder: str, split: str) -> list[Entry]:
    """The images of each class folder in `folder`."""
    entries: list[Entry] = []
    above = [identity(tree.root), identity(folder)]
    for top in tree.visible(folder):
        if not is_folder(top):
            reason = why_no_image(top) or "not in a class folder"
            tree.left_out(top.path, reason, "", split)
            continue
        paths = sorted(tree.images(top.path, above))
        if not paths:
            tree.left_out(top.path, "class without images", top.name, split)
        entries += [Entry(path, top.name, split) for path in paths]
    return entries
