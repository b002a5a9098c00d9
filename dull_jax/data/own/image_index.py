"""Which image files there are, under which labels, before any of them is opened.

A folder tree, a table and the lists of published sets all become an `ImageIndex`; `scan` then opens
the files.
"""

import dataclasses
import os
import pathlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dull_jax import files
from dull_jax.data.own import decode
from dull_jax.errors import UserError
from dull_jax.names import composed, printable, quoted, shown

SUFFIXES = frozenset(suffix for kinds in decode.SUFFIXES.values() for suffix in kinds)
UNLABELLED = ("",)  # the class names of images that have no labels
HELD_OUT = ("test", "val", "valid", "validation")  # the first that is there is the test part
NOT_USED = "not used"  # the status of what could be used
SECOND_PART = "in a second held-out part"
UNTRAINED = "its class is in no part to train on"
_KINDS = 4  # of reasons that an error counts
_NAMED = 3  # paths in one line
_TOLD = 5  # classes in one line
# Of a split, as data sets are found: Training, trainset, test_images, seg_test, dev-set.
_SPLIT = re.compile(
    r"(?:seg[ _-]?)?(?:(?P<train>train|training|trn)|(?P<test>test|testing|tst)"
    r"|(?P<val>val|valid|validation|dev))(?:[ _-]?(?:set|data|dataset|images?|imgs?|split|part))?"
)


class Problem(NamedTuple):
    """What is left out, and why. `label` (a class name) and `split` are "" where unknown.

    is_file: whether it is one file with a label, rather than a folder, a list or a stray file.
    """

    path: str
    reason: str
    label: str = ""
    split: str = ""
    is_file: bool = False


class Aside(NamedTuple):
    """A file that nobody opens, since it is no part of training; `reason` says why.

    label: a class name, maybe none of those that are trained; "" where it has none.
    id: the user's own, "" where there is none.
    status: what tables of ours say of it.  given: its label before, where `label` is another.
    """

    path: str
    label: str
    split: str
    reason: str
    id: str = ""
    status: str = NOT_USED
    given: str = ""


@dataclasses.dataclass(frozen=True)
class ImageIndex:
    """N files below `root`, in a fixed order.

    paths: relative, with forward slashes; undecodable bytes as surrogates, as `os.fsdecode` does.
    labels: int32 [N], numbers of `class_names`.
    splits: str [N], "train" or "test", and "val" of what is not to be trained on; "" everywhere
      when there is no split yet.
    rows: int [N], where each file stands in the list it was read from; None for a folder.
    ids: the user's own, unique; None where the content is to give them.
    notices: what was made of the names, and what `aside` is, a line each.
    aside: files that nobody trains or tests on.
    corrected: paths of those whose label an audit has changed: nothing is tested against them.
    """

    root: pathlib.Path
    class_names: tuple[str, ...]
    paths: Sequence[str]
    labels: np.ndarray
    splits: np.ndarray
    problems: tuple[Problem, ...] = ()
    rows: np.ndarray | None = None
    ids: Sequence[str] | None = None
    notices: tuple[str, ...] = ()
    aside: tuple[Aside, ...] = ()
    corrected: frozenset[str] = frozenset()

    def where(self, index: int) -> str:
        """' (row 12)', to end a message about a file; '' where there are no rows."""
        return "" if self.rows is None else f" (row {self.rows[index]})"


class Entry(NamedTuple):
    """A file as a folder tree or a CSV file tells of it."""

    path: str
    label: str
    split: str
    row: int = 0
    id: str = ""
    corrected: bool = False


def split_of(word: str) -> str | None:
    """'train', 'test' or 'val', by what people call these parts; None for any other word.

    >>> [split_of(word) for word in ("Training", "seg_test", "val-set", "Validation", "cat")]
    ['train', 'test', 'val', 'val', None]
    """
    match = _SPLIT.fullmatch(composed(word).strip().lower())
    return match.lastgroup if match else None


def split_word(where: str, text: str) -> str:
    """`split_of` a cell of a table. Raises UserError, which begins with `where`, for others."""
    if (word := split_of(text)) is None:
        words = ", ".join(("train", *HELD_OUT))
        raise UserError(f"{where}: split {quoted(text)} is none of {words}")
    return word


def from_entries(
    root: pathlib.Path,
    entries: Sequence[Entry],
    problems: Sequence[Problem] = (),
    order: Callable[[Iterable[str]], list[str]] = sorted,
    notices: Iterable[str] = (),
    aside: Sequence[Aside] = (),
    trained: bool = True,
) -> ImageIndex:
    """An index whose classes are the labels of all that is not held out, in `order`.

    Labels are compared composed (`names.composed`): two that differ in form alone are one class.

    Args:
      entries: their split is train, test or "", or val where that is a second held-out part.
      aside: what is put aside already.
      trained: whether it is to be trained on. Then a second held-out part is put aside, and so is
        what has a class that cannot be trained. Else all is kept.

    Raises:
      UserError: fewer than two classes, or two whose names look the same when `shown`, or but for
        blanks around them.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        spellings[composed(entry.label)].add(entry.label)
    _check_blanks(root, spellings)
    entries = [entry._replace(label=composed(entry.label)) for entry in entries]
    second = [entry for entry in entries if trained and entry.split == "val"]
    entries = [entry for entry in entries if not trained or entry.split != "val"]
    names = order({entry.label for entry in entries if not (trained and entry.split == "test")})
    if len(names) < 2:
        which = f"only class {quoted(names[0])} has" if names else "no class has"
        raise UserError(
            f"{shown(str(root))}: {which} images to train on; two are needed{counted(problems)}"
        )
    number = {name: k for k, name in enumerate(names)}
    kept = [entry for entry in entries if entry.label in number]
    unknown = [entry for entry in entries if entry.label not in number]
    printed = printable(root, names)
    shown_as = dict(zip(names, printed, strict=True))
    aside = [
        *aside,
        *_aside(second, SECOND_PART, shown_as),
        *_aside(unknown, UNTRAINED, shown_as),
    ]
    merged = [
        f"two spellings of one class are one: {shown(name)}, its accents composed and decomposed"
        for name in names
        if len(spellings[name]) > 1
    ]
    told = [f"{len(second):,} images in a second held-out part are not used"] if second else []
    told += untrained(Counter(entry.label for entry in unknown), "images")
    return ImageIndex(
        root,
        printed,
        [entry.path for entry in kept],
        np.array([number[entry.label] for entry in kept], np.int32),
        np.array([entry.split for entry in kept], "U5"),
        tuple(problems),
        np.array([entry.row for entry in kept]) if any(entry.row for entry in kept) else None,
        [entry.id for entry in kept] if any(entry.id for entry in kept) else None,
        (*notices, *merged, *told),
        tuple(aside),
        frozenset(entry.path for entry in kept if entry.corrected),
    )


def _aside(entries: Iterable[Entry], reason: str, shown_as: Mapping[str, str]) -> list[Aside]:
    """shown_as: label -> class name."""
    return [
        Aside(e.path, shown_as.get(e.label, shown(e.label)), e.split, reason, e.id) for e in entries
    ]


def untrained(counts: Mapping[str, int], what: str) -> list[str]:
    """A line about classes that have nothing to train on; none where there are none.

    >>> untrained({"fox": 10, "cow": 2}, "images")
    ['classes only in the test part: cow (2), fox (10); their images are skipped']
    """
    told = [f"{shown(name)} ({count:,})" for name, count in sorted(counts.items())]
    several = ["…"] * (len(told) > _TOLD)
    names = ", ".join([*told[:_TOLD], *several])
    return [f"classes only in the test part: {names}; their {what} are skipped"] if told else []


def held_out_as_test(splits: Sequence[str]) -> list[str]:
    """Split "val" is "test" where there is no other held-out part.

    >>> held_out_as_test(["train", "val"]), held_out_as_test(["test", "val"])
    (['train', 'test'], ['test', 'val'])
    """
    return [*splits] if "test" in splits else ["test" if s == "val" else s for s in splits]


def _check_blanks(root: pathlib.Path, names: Iterable[str]) -> None:
    """Raises UserError where two differ in blanks around them alone, which tables do not keep."""
    bare: dict[str, str] = {}
    for name in sorted(names):
        if (other := bare.setdefault(name.strip(), name)) != name:
            raise UserError(
                f"{shown(str(root))}: the classes {quoted(other)} and {quoted(name)} differ in "
                "blanks alone; rename one, or put their images together"
            )


def unlabelled(
    root: pathlib.Path,
    entries: Sequence[Entry],
    problems: Sequence[Problem] = (),
    notices: Iterable[str] = (),
) -> ImageIndex:
    """An index of images that have no labels, or none yet: its class names are `UNLABELLED`."""
    return ImageIndex(
        root,
        UNLABELLED,
        [entry.path for entry in entries],
        np.zeros(len(entries), np.int32),
        np.array([entry.split for entry in entries], "U5"),
        tuple(problems),
        np.array([entry.row for entry in entries]) if any(e.row for e in entries) else None,
        [entry.id for entry in entries] if any(e.id for e in entries) else None,
        tuple(notices),
    )


def counted(problems: Sequence[Problem]) -> str:
    """'; left out: 8 x not an image file (.txt)', to end an error; '' where there is none."""
    counts = Counter(problem.reason for problem in problems)
    told = [f"{count:,} x {reason}" for reason, count in counts.most_common(_KINDS)]
    more = ["more"] if len(counts) > _KINDS else []
    return f"; left out: {', '.join(told + more)}" if told else ""


def listed(paths: Sequence[str]) -> str:
    """The first of them, on one line: 'cat/003.png, cat/004.png, …'."""
    return ", ".join([*map(shown, paths[:_NAMED]), *["…"] * (len(paths) > _NAMED)])


def on_disk(path: str, root: str | os.PathLike) -> str:
    """`path`, of a list and below `root`, in the form (composed or not) that it has there."""
    if path.isascii():  # most are, and a look at the disk takes its time
        return path
    return os.path.relpath(files.on_disk(os.path.join(root, path)), root)


def names_image(text: str) -> bool:
    """Whether it ends as the name of an image file does.

    >>> names_image("cats/1.JPG"), names_image("labels.csv")
    (True, False)
    """
    return os.path.splitext(text.strip().lower())[1] in SUFFIXES


def named_folder(source: str, folder: str) -> pathlib.Path:
    """config.data.dir of the source `source`, which cannot do without one.

    Raises:
      UserError: it is empty, or lies in a store.
    """
    files.check_local("config.data.dir", folder)
    if not folder:
        raise UserError(f"config.data.dir is needed: the folder of the {source} images")
    return pathlib.Path(folder).expanduser()


def count_problem(name: str, count: int, expected: int | None) -> list[Problem]:
    """A problem if a list has not as many images as were published; None means unchecked."""
    if expected is None or count == expected:
        return []
    return [Problem(name, f"{count:,} images instead of the {expected:,} that were published")]
