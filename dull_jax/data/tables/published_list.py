"""The text files in which published data sets name their images: 'images/0/1.jpg 7', one a line."""

import pathlib
import re
from collections.abc import Sequence

from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import quoted, shown


def require(name: str, root: pathlib.Path, wanted: Sequence[str]) -> None:
    """Raises UserError that lists what of `wanted`, relative to `root`, is not there."""
    missing = [path for path in wanted if not (root / path).exists()]
    if missing:
        raise UserError(
            f"{name} in {shown(str(root))} is not complete; missing: {', '.join(missing)} "
            "(each belongs there, below that folder)"
        )


def lines(path: pathlib.Path) -> list[str]:
    """The lines of a text file, stripped; empty ones stay, so that row n is at n - 1."""
    return [line.strip() for line in csv_io.text_of(shown(str(path)), path).split("\n")]


def labelled(path: pathlib.Path, num_classes: int) -> dict[str, tuple[int, int]]:
    """Image path -> (label, row), in the order of the file.

    Raises:
      UserError: a line without a path and a whole number from 0 to num_classes - 1, a path that
        leaves the folder or is there twice.
    """
    labels: dict[str, tuple[int, int]] = {}
    for row, line in enumerate(lines(path), 1):
        if not line:
            continue
        *key, text = line.rsplit(None, 1)
        key, where = "".join(key), f"{shown(str(path))}, row {row}"
        if not (re.fullmatch(r"[0-9]{1,18}", text) and int(text) < num_classes):
            raise UserError(
                f"{where}: {quoted(line)} does not end in a class, 0..{num_classes - 1}"
            )
        check_key(key, where)
        if key in labels:
            raise UserError(f"{where}: {quoted(key)} is there twice")
        labels[key] = int(text), row
    return labels


def check_key(key: str, where: str) -> None:
    """Raises UserError unless `key` is a path that stays below the folder it is joined to."""
    if not key or key.startswith("/") or ".." in key.split("/") or "\0" in key:
        raise UserError(f"{where}: {quoted(key)} is no path below the folder of the data set")
