"""Paths as tables have them, often from another machine: which file a cell means."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache

from dull_jax import files
from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted

_ELSEWHERE = {
    re.compile(r"[A-Za-z]:[\\/]|\\\\"): "is of a Windows machine",
    re.compile(r"[A-Za-z][\w+.-]*://"): "is an address, and images are read locally",
}
_real = lru_cache(1024)(os.path.realpath)  # of folders; a table has many files of each


def normal(path: str) -> str:
    r"""One spelling of a path that two tables may spell differently, whatever is on the disk.

    >>> normal(r" .\cat\1.png"), normal("")
    ('cat/1.png', '')
    """
    bare = composed(path.strip()).replace("\\", "/")
    return os.path.normpath(bare) if bare else ""


def column(name: str, table: csv_io.Table, root: str, flag: str) -> list[str]:
    """The column `path` of the table `name`, as the disk spells it.

    Blanks around a path, backslashes and the Unicode form are as typed where that is a file, and
    else as they must be. A path stays as it is where no spelling of it is there.

    Args:
      root: where relative paths start, as the disk spells it.
      flag: which names `root`, for messages.

    Raises:
      UserError: a path is empty, or of another machine; names the row and the remedy.
    """
    return list(_spelled(name, table, root, flag))


def _spelled(name: str, table: csv_io.Table, root: str, flag: str) -> Iterator[str]:
    for line, cell in zip(table.lines, table.columns["path"], strict=True):
        if cell and _as_it_stands(cell):
            yield cell
            continue
        if not (bare := cell.strip()):
            raise UserError(f"{name}, row {line}: the path is empty")
        slashes = bare.replace("\\", "/")
        if path := on_disk(cell, root):
            yield path
            continue
        for pattern, what in _ELSEWHERE.items():
            if pattern.match(bare):
                raise UserError(
                    f"{name}, row {line}: path {quoted(bare)} {what}; write the paths relative to "
                    f"the folder of the images here, and name that by {flag}"
                )
        yield slashes


def _as_it_stands(cell: str) -> bool:
    """Whether it has one spelling only: a million of them are not to be asked of the disk."""
    return cell.isascii() and "\\" not in cell and ":" not in cell and cell.strip() == cell


def on_disk(cell: str, root: str) -> str | None:
    """The first spelling of the cell that is there (see `column`); relative if it was."""
    bare = cell.strip()
    for path in dict.fromkeys((cell, bare, bare.replace("\\", "/"))):
        full = files.on_disk(os.path.join(root, path))
        if os.path.lexists(full):
            return full if os.path.isabs(path) else full[len(os.path.join(root, "")) :]
    return None


def inside(path: str, root: str) -> str | None:
    """`path` relative to the absolute `root`, normalised; None when it leaves it.

    Of an absolute path, links are followed where its text alone leaves.

    >>> inside("a/./b.png", "/data"), inside("/data/c.png", "/data"), inside("../d.png", "/data")
    ('a/b.png', 'c.png', None)
    """
    if os.path.isabs(path):
        path = "/" + os.path.normpath(path).lstrip("/")  # POSIX keeps two slashes at the front
        return _below(path, root) or _below(_without_links(path), _real(root))
    path = os.path.normpath(path)
    return None if path in (".", "..") or path.startswith("../") else path


def _without_links(path: str) -> str:
    folder, file = os.path.split(path)
    return os.path.join(_real(folder), file)


def _below(path: str, root: str) -> str | None:
    start = os.path.join(root, "")
    return path[len(start) :] or None if path.startswith(start) else None
