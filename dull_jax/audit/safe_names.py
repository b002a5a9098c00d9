"""Names of files and folders that every system takes, and every reader of data sets sees."""

import pathlib
import re
from collections.abc import Iterator, Sequence

from dull_jax.names import composed

_ODD = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # of no file's name on one system or another
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_PASSED_OVER = re.compile(r"^(_?\.|__)[._]*")  # hidden or a cache, as readers take it
_MOST, _MOST_OF_SUFFIX = 160, 20  # bytes; file systems allow 255


def safe(name: str, more: str = "") -> str:
    """A name for a folder, or for a file without its suffix; `more` is never cut off.

    >>> safe("a/b"), safe(".."), safe("con"), safe(".x. "), safe("x", "-7")
    ('a_b', '_', 'con_', '_x', 'x-7')
    """
    name, more = (_plain(text) for text in (name, more))
    room = _MOST - min(len(more.encode()), _MOST // 2)
    name = _cut(name, room) + _cut(more, _MOST - room)
    name = _PASSED_OVER.sub("_", name.rstrip(" ."), count=1) or "_"
    return f"{name}_" if _RESERVED.fullmatch(name) else name


def safe_file(name: str, more: str = "") -> str:
    """A name for a file, whose suffix says what it is; `more` stands before that.

    >>> safe_file("con.png"), safe_file("x" * 300 + ".JPG", "-7")[-6:]
    ('con_.png', '-7.JPG')
    """
    path = pathlib.PurePath(name)
    return safe(path.stem, more) + _cut(_plain(path.suffix), _MOST_OF_SUFFIX).rstrip(" .")


def _plain(text: str) -> str:
    return _ODD.sub("_", text.encode("utf-8", "replace").decode())


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def of_folders(names: Sequence[str]) -> dict[str, str]:
    """class -> the name of its folder, all different, on file systems without case too.

    >>> of_folders(["cat", "Cat", "a/b", "..", "con"])
    {'cat': 'cat', 'Cat': 'Cat_2', 'a/b': 'a_b', '..': '_', 'con': 'con_'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        folder, number = safe(name), 2
        while _key(folder) in taken:
            folder, number = safe(name, f"_{number}"), number + 1
        taken.add(_key(folder))
        found[name] = folder
    return found


def of_files(
    files: Sequence[str], keys: Sequence[str], into: Sequence[pathlib.PurePath]
) -> Iterator[pathlib.PurePath]:
    """Paths in the folders `into`, all different: later files of one name carry their key."""
    taken: set[str] = set()
    for file, key, folder in zip(files, keys, into, strict=True):
        name = pathlib.PurePath(file).name
        place, number = folder / safe_file(name), 1
        while _key(place) in taken:
            more = f"-{key}" if number == 1 else f"-{_cut(key, _MOST // 4)}-{number}"
            place, number = folder / safe_file(name, more), number + 1
        taken.add(_key(place))
        yield place


def _key(path: pathlib.PurePath | str) -> str:
    """Equal for names that are one on some system: case and the form of accents do not count."""
    return composed(str(path)).casefold()
