"""Given labels from a file: CSV, JSON or .npy, joined to the samples by id.

Joining by position is only done when asked for: labels that are off by one file order train without
an error and ruin everything, so the caller should then run `check_overlap` on the result.
"""

import io
import json
import os
import re
from collections.abc import Callable, Sequence

import numpy as np

from dull_jax import files
from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError, reason
from dull_jax.names import composed, quoted

# One label of the file: the sample id (None when joined by position), where it stands, its value.
Entry = tuple[str | None, str, object]


def read(path: str, ids: np.ndarray, class_names: Sequence[str], by: str = "id") -> np.ndarray:
    """Labels int32 [N] in the order of `ids` [N].

    The suffix decides: `.csv`, `.tsv`, `.tab` (UTF-8, a header with the columns `label` and,
    by='id', `id`), `.json` (by='id' an object {id: label}, by='position' a list) or `.npy`
    (by='position', integers [N]). A label is a class name or a class number, 0 to K - 1; where a
    class name is itself a number, text means names. Every id must be there exactly once and no
    other: read for the whole set, take subsets afterwards. Raises UserError that names the file and
    the row or id.
    """
    if by not in ("id", "position"):
        raise UserError(f"labels are joined by 'id' or by 'position', not by {by!r}")
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (*csv_io.SUFFIXES, ".json", ".npy"):
        raise UserError(f"{path}: labels are read from .csv, .tsv, .json and .npy files")
    try:
        data = files.read(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    if suffix == ".npy":
        return _array(path, data, len(ids), len(class_names), by)
    entries_of = _csv_entries if suffix in csv_io.SUFFIXES else _json_entries
    entries = entries_of(path, csv_io.decoded(path, data), by)
    if by == "position":
        return _in_order(path, entries, len(ids), class_names)
    return _join(path, entries, ids, _class_number(path, class_names))


def of_table(path: str, table: csv_io.Table, size: int, class_names: Sequence[str]) -> np.ndarray:
    """`read` by position, of the column `label` of a file that is read already; size: N."""
    return _in_order(path, _rows(path, table), size, class_names)


def check_overlap(given: np.ndarray, clean: np.ndarray, minimum: float = 0.0) -> float:
    """Share of `given` labels [N] equal to the `clean` ones [N]: the guard against misalignment.

    Raises UserError when it is below `minimum` or no better than chance: within 3 standard errors
    of what labels in random order would reach (for a handful of samples, less than halfway from
    there to 1).

    >>> check_overlap(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    0.75
    """
    given, clean = np.asarray(given), np.asarray(clean)
    if given.shape != clean.shape or given.ndim != 1 or not len(given):
        raise UserError(
            f"{given.shape} given labels cannot be compared to {clean.shape} clean ones"
        )
    agreement = float(np.mean(given == clean))
    classes = int(max(given.max(), clean.max())) + 1
    shares = [np.bincount(labels, minlength=classes) / len(given) for labels in (given, clean)]
    chance = float(shares[0] @ shares[1])
    margin = min(3 * np.sqrt(chance * (1 - chance) / len(given)), (1 - chance) / 2)
    if agreement < minimum or (agreement <= chance + margin and agreement < 1):
        raise UserError(
            f"given labels agree with the clean ones on {agreement:.1%} of the samples (chance: "
            f"{chance:.1%}, least accepted: {minimum:.1%}); probably in another order: join by id"
        )
    return agreement


def _csv_entries(path: str, text: str, by: str) -> list[Entry]:
    wanted = ("id", "label") if by == "id" else ("label",)
    return _rows(path, csv_io.table(path, text, wanted))


def _rows(path: str, table: csv_io.Table) -> list[Entry]:
    ids = table.columns.get("id", [None] * len(table.lines))
    where = (f"row {line}" for line in table.lines)
    return list(zip(ids, where, class_labels.read(path, table), strict=True))


def _json_entries(path: str, text: str, by: str) -> list[Entry]:
    try:
        # Pairs instead of a dict: a repeated id must not silently win.
        content = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if by == "position":
        if type(content) is not list:
            raise UserError(f"{path}: joined by position, the file must be a list of labels")
        return [(None, f"entry {n}", value) for n, value in enumerate(content)]
    if type(content) is not _Pairs:
        raise UserError(f"{path}: joined by id, the file must be one object {{id: label}}")
    return [(key, f"id {quoted(key)}", value) for key, value in content]


class _Pairs(list):
    """The (key, value) pairs of a JSON object."""


def _class_number(path: str, class_names: Sequence[str]) -> Callable[[object, str], int]:
    by_name = {composed(name): number for number, name in enumerate(class_names)}
    # With classes named "1", "2", "3" the text "1" must not mean class number 1 in another row.
    names_only = any(re.fullmatch(r"-?\d+", name) for name in class_names)
    last = len(class_names) - 1

    def number(value: object, where: str) -> int:
        if isinstance(value, str):
            text = composed(value.strip())
            if composed(value) in by_name or text in by_name:
                return by_name.get(composed(value), by_name.get(text))
            if not text:
                raise UserError(f"{path}, {where}: the label is empty")
            if names_only or not re.fullmatch(r"-?[0-9]{1,18}", text):
                also = "" if names_only else "not a whole number and "
                raise UserError(
                    f"{path}, {where}: label {quoted(text)} is {also}none of the classes "
                    f"({quoted(', '.join(class_names))})"
                )
            value = int(text)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            text = "[…]" if isinstance(value, list) else quoted(value)  # nested ones have no repr
            raise UserError(f"{path}, {where}: label {text} must be a class name or a whole number")
        if not 0 <= value <= last:
            raise UserError(f"{path}, {where}: label {quoted(value)} is outside 0..{last}")
        return value

    return number


def _in_order(path: str, entries: list[Entry], size: int, class_names: Sequence[str]) -> np.ndarray:
    _check_length(path, len(entries), size)
    number = _class_number(path, class_names)
    return np.array([number(value, where) for _, where, value in entries], np.int32)


def _join(path: str, entries: list[Entry], ids: np.ndarray, number) -> np.ndarray:
    index_of = {composed(str(name)): n for n, name in enumerate(ids)}
    labels = np.full(len(ids), -1, np.int32)
    for name, where, value in entries:
        n = index_of.get(composed(name))
        if n is None:
            raise UserError(f"{path}, {where}: id {quoted(name)} is not in the data set")
        if labels[n] >= 0:
            raise UserError(f"{path}, {where}: id {quoted(name)} is there twice")
        labels[n] = number(value, where)
    missing = np.flatnonzero(labels < 0)
    if len(missing):
        raise UserError(
            f"{path}: {len(missing)} of {len(ids)} samples have no label, the first is id "
            f"{quoted(str(ids[missing[0]]))}"
        )
    return labels


def _array(path: str, data: bytes, num_samples: int, num_classes: int, by: str) -> np.ndarray:
    if by != "position":
        raise UserError(f"{path}: an array has no ids; join by 'position', or use CSV or JSON")
    try:
        labels = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # A damaged header fails in many ways; none of them runs code.
        if "Object arrays" in str(error):
            raise UserError(
                f"{path}: an array of objects, which is not read; save labels as text, in a .csv "
                "with a column label"
            ) from None
        raise UserError(f"{path}: not a plain .npy array ({reason(error)})") from None
    if labels.ndim != 1 or labels.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: labels must be integers [N], this is {labels.dtype} {labels.shape}"
        )
    if labels.dtype.kind == "f" and len(odd := np.flatnonzero(~(labels == np.round(labels)))):
        raise UserError(f"{path}, entry {odd[0]}: label {labels[odd[0]]} is no whole number")
    _check_length(path, len(labels), num_samples)
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        raise UserError(
            f"{path}, entry {bad[0]}: label {labels[bad[0]]:.0f} is outside 0..{num_classes - 1}"
        )
    return labels.astype(np.int32)


def _check_length(path: str, have: int, want: int) -> None:
    if have != want:
        raise UserError(f"{path}: {have} labels for {want} samples; join by id or fix the file")
