"""Hugging Face's imagefolder: TARGET/<split>/metadata.csv with file_name and label, and images.

    datasets.load_dataset("imagefolder", data_dir=TARGET)

The library reads a CSV by pandas, which guesses: 007 becomes 7, a class NA nothing at all, and
splits whose columns are guessed differently are refused. A spreadsheet takes =1 for a formula.
Where either would be wrong, the same is written as metadata.jsonl, in which text is text.
"""

import csv
import io
import json
import pathlib
from collections.abc import Sequence

from dull_jax import files
from dull_jax.audit import safe_names, written_folder
from dull_jax.audit.corrections import Correction, Corrections
from dull_jax.data.tables import csv_io

SUFFIXES = ()
SPLITS = {"train": "train", "test": "test", "val": "validation"}  # as the library calls them
COLUMNS = ("file_name", "label", "id", "given", "p_wrong")
_NAME = "metadata"  # of a split, without its suffix
_MISSING = {"", "-nan", "#na", "#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "-"}
_MISSING |= {*csv_io.MISSING, *csv_io.MISSING_NUMBER}
_NUMBERS = 0.01  # so many in a column of words stay words


def write(target: files.Path, corrections: Corrections, copy: bool) -> tuple[str, ...]:
    """`p_wrong` is empty where a label was not audited. Raises UserError: as `folders.write`."""
    rows, notes = corrections.with_files(target)
    splits = [SPLITS[row.part] for row in rows]
    into = [pathlib.PurePath(split) for split in splits]
    places = list(safe_names.of_files([row.file for row in rows], [row.id for row in rows], into))
    parts: dict[str, list[tuple[str, Correction]]] = {}
    for row, place, split in zip(rows, places, splits, strict=True):
        parts.setdefault(split, []).append((place.name, row))
    texts = _texts(parts)
    images = dict(zip(places, (row.file for row in rows), strict=True))
    written_folder.write(target, images, texts, copy)
    return notes


def _texts(parts: dict[str, list[tuple[str, Correction]]]) -> dict[pathlib.PurePath, str]:
    """The metadata of each split, all of one kind."""
    columns = [
        column
        for part in parts.values()
        for column in zip(*((name, *_named(row)) for name, row in part), strict=True)
    ]
    if all(map(stays_text, columns)):
        return {pathlib.PurePath(split, f"{_NAME}.csv"): _csv(p) for split, p in parts.items()}
    # JSON has no type for a column of nothing but nulls, and the library wants one.
    audited = all(any(row.audited for _, row in part) for part in parts.values())
    names = COLUMNS if audited else COLUMNS[:-1]
    return {
        pathlib.PurePath(split, f"{_NAME}.jsonl"): _jsonl(p, names) for split, p in parts.items()
    }


def _named(row: Correction) -> tuple[str, str, str]:
    return row.label, row.id, row.given


def stays_text(column: Sequence[str]) -> bool:
    """Whether pandas and spreadsheets read the column of a CSV as the text that it is.

    >>> stays_text(["cat", "3"] + ["dog"] * 99), stays_text(["cat", "NA"]), stays_text(["007"])
    (True, False, False)
    >>> stays_text(["cat", "=HYPERLINK(1)"])
    False
    """
    if any("\r" in text or csv_io.cell(text) != text for text in column):
        return False
    if any(text.strip().casefold() in _MISSING for text in column):
        return False
    numbers = sum(csv_io.is_number(text) for text in column)
    switches = all(text.casefold() in ("true", "false") for text in column)
    return numbers <= _NUMBERS * len(column) and not switches


def _csv(part: list[tuple[str, Correction]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, row in part:
        p = f"{row.p_wrong:.4f}" if row.audited else ""
        writer.writerow((name, *_named(row), p))
    return text.getvalue()


def _jsonl(part: list[tuple[str, Correction]], names: Sequence[str]) -> str:
    lines = []
    for name, row in part:
        p = round(row.p_wrong, 4) if row.audited else None
        cells = (*map(_utf8, (name, *_named(row))), p)
        lines.append(json.dumps(dict(zip(names, cells, strict=False))) + "\n")
    return "".join(lines)


def _utf8(text: str) -> str:
    """The library refuses halves of pairs, which an id may have."""
    return text.encode("utf-8", "backslashreplace").decode()
