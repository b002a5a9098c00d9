"""What the cells of a column of labels mean: one reader for training, the audit, and given labels.

pandas writes 3 as 3.0 where one label is missing, and the missing one as nan; a spreadsheet drops
the zeros of 003. So numbers are read as numbers, and what cannot be a class is refused with its
row. A cell with the spreadsheet's own sign for text, a leading apostrophe, is a name as it stands.
"""

import re
from collections.abc import Iterable, Sequence

from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted

_WHOLE = re.compile(r"([0-9]{1,18})(?:\.0*)?")
_NAN = (
    "stands for a label that is missing: give one or remove the row; a class of this name must be "
    "written with an apostrophe in front, or be called otherwise, 'class nan', say"
)
_NUMBERS = (
    "is no class beside whole numbers, which count from 0; if these are names, write them with an "
    "apostrophe in front, or let them be words: 'minus one', say"
)


def read(name: str, table: csv_io.Table) -> list[str]:
    """The column `label` of the table `name`, in one spelling for each class.

    Labels are compared in one Unicode form; whole numbers that were written as 3.0 are 3.

    Raises:
      UserError: a label is empty or stands for a missing one; where labels are whole numbers, one
        is another kind of number, or one number has two spellings. Names the row.
    """
    cells = table.columns["label"]
    numbered = any(map(whole, {(type(cell), cell): cell for cell in cells}.values()))
    known: dict[tuple[type, str], str] = {}  # cell -> label; there are far fewer than rows
    spelled: dict[int, str] = {}
    labels = []
    for row, cell in zip(table.lines, cells, strict=True):
        key = (type(cell), cell)  # a cell that is marked as text equals one that is not
        if key not in known:
            try:
                known[key] = _label(cell, numbered, spelled)
            except ValueError as wrong:
                raise UserError(f"{name}, row {row}: {wrong}") from None
        labels.append(known[key])
    return labels


def _label(cell: str, numbered: bool, spelled: dict[int, str]) -> str:
    """The label that a cell means; ValueError says what is wrong with it.

    Args:
      numbered: whether labels are whole numbers.
      spelled: the spelling of each number so far; one is added.
    """
    text = composed(cell.strip())
    if not text:
        raise ValueError("the label is empty")
    if isinstance(cell, csv_io.Text):
        return text
    missing = csv_io.MISSING + csv_io.MISSING_NUMBER if numbered else csv_io.MISSING
    if text.casefold() in missing:
        raise ValueError(f"label {quoted(text)} {_NAN}")
    if number := whole(text):
        before = spelled.setdefault(int(number), text)
        if before != text:
            raise ValueError(
                f"label {quoted(text)} is another spelling of the number {quoted(before)} above; "
                "write it in one way"
            )
        return number
    if numbered and csv_io.is_number(text):
        raise ValueError(f"label {quoted(text)} {_NUMBERS}")
    return text


def whole(cell: str) -> str:
    """'3' of '3', '3.' and '3.00'; '' of anything else and of text that only looks like it.

    >>> whole("3"), whole("3.00"), whole("3.5"), whole(csv_io.Text("3"))
    ('3', '3', '', '')
    """
    match = None if isinstance(cell, csv_io.Text) else _WHOLE.fullmatch(cell.strip())
    return match[1] if match else ""


def in_order(names: Iterable[str]) -> list[str]:
    """Class names sorted by value if all are whole numbers, else by name.

    >>> in_order(["10", "9"]), in_order(["b", "10", "9"])
    (['9', '10'], ['10', '9', 'b'])
    """
    names = sorted(names)
    return sorted(names, key=int) if all(map(is_whole, names)) else names


def naturally(names: Iterable[str]) -> list[str]:
    """Class names sorted as people count: class_2 before class_10.

    >>> naturally(["b", "a10", "a9"])
    ['a9', 'a10', 'b']
    """

    def parts(name: str) -> list[tuple[int, int, str]]:
        pieces = re.findall(r"([0-9]{1,18})|([^0-9]+|[0-9]+)", name)
        return [(0, int(number), "") if number else (1, 0, text) for number, text in pieces]

    return sorted(names, key=lambda name: (parts(name), name))


def is_whole(name: str) -> bool:
    """Whether a cell is a whole number: up to 18 digits, and nothing else.

    >>> is_whole("12"), is_whole("-1"), is_whole("1.0")
    (True, False, False)
    """
    return re.fullmatch(r"[0-9]{1,18}", name) is not None


def every(class_names: Iterable[str], labels: Iterable[str]) -> list[str]:
    """The class names, and the labels that are none of them, each once."""
    return list(dict.fromkeys((*class_names, *filter(None, labels))))


def cells(names: Sequence[str]) -> tuple[str, ...]:
    """Class names as a table has them, so that `read` finds them again.

    All carry the sign for text where one of them would be read as another number, or as missing.
    """
    canonical = [is_whole(name) and str(int(name)) == name for name in names]
    if all(canonical) or not any(map(csv_io.looks_odd, names)):
        return tuple(names)
    return tuple(csv_io.Text(name) if csv_io.looks_odd(name) else name for name in names)
