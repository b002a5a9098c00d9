"""An audit's input from anybody's predictions: an array of probabilities and a file of labels."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from dull_jax import files
from dull_jax.audit.decisions import check_names
from dull_jax.audit.inputs import AuditInput
from dull_jax.data.tables import class_labels, csv_io, given_labels
from dull_jax.errors import UserError, reason
from dull_jax.names import composed, printable, shown
from dull_jax.stats import column_order


def of_files(probs: str, labels: str, classes: str = "") -> AuditInput:
    """Anybody's predictions, and the labels in the order of their rows.

    Args:
      probs: .npy file, floats `[N, K]`; it is not read into memory.
      labels: .csv (.tsv, .tab) with a column label and optional ones id and path, separated
        by commas, semicolons, tabs or bars; or .json, .npy: see `given_labels.read`.
      classes: text file, a class name a line, in the order of the columns of `probs`. "": the
        labels themselves say, if all K classes are among them (columns sorted by name, or by value)
        or if they are numbers that begin with 0.

    Raises:
      UserError: a file cannot be read, or they do not fit together.
    """
    array = _probabilities(probs)
    size, num_classes = array.shape
    numbers = np.arange(size).astype(str)
    if os.path.splitext(labels)[1].lower() not in csv_io.SUFFIXES:
        names = _class_names(classes, None, num_classes)
        check_names(names)
        given = given_labels.read(labels, numbers, names, by="position")
        shown_names = printable(classes, names)
        paths = np.full(size, "", object)
        return AuditInput(numbers, paths, given, array, shown_names, row_numbers=True)
    table = csv_io.read(labels, ("label",), ("id", "path", "split"))
    columns = table.columns
    names = _class_names(classes, class_labels.read(labels, table), num_classes)
    check_names(names)
    if "id" in columns:
        csv_io.check_ids(labels, table)
    given = given_labels.of_table(labels, table, size, names)
    counts = column_order.predicted(array, given)
    notes: tuple[str, ...] = ()
    if not classes:
        names, given, counts, notes = as_the_columns_say(names, given, counts)
    if "id" in columns:
        _check_rows(probs, labels, columns["id"], array, given, counts)
    return AuditInput(
        ids=np.array(columns.get("id", numbers)),
        paths=np.array(columns.get("path", [""] * size), object),
        given=given,
        probs=array,
        class_names=printable(classes or labels, names),
        notes=notes,
        splits=np.array(columns["split"], object) if "split" in columns else None,
        row_numbers="id" not in columns,
        predicted=counts,
    )


def as_the_columns_say(
    names: tuple[str, ...],
    given: np.ndarray,
    counts: np.ndarray,
    settled_by: str = "--classes=FILE",
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, tuple[str, ...]]:
    """Classes in natural order (class_2, class_10) where that is what the columns are in.

    Args:
      names: in the order of their text, or of their value.
      given: int `[N]`, numbers of `names`.
      counts: of `column_order.predicted`.
      settled_by: what the user can say instead.

    Returns:
      (names, given, counts, notes) in the order that fits.
    """
    if all(map(class_labels.is_whole, names)):
        return names, given, counts, ()
    natural = tuple(class_labels.naturally(names))
    order = [names.index(name) for name in natural]
    others = counts[order]
    if natural == names or column_order.fits_better(counts, others):
        return names, given, counts, ()
    text, number = next(pair for pair in zip(names, natural, strict=True) if pair[0] != pair[1])
    if column_order.fits_better(others, counts):
        note = (
            f"CAUTION: columns taken in the order of the numbers in class names, {number!r} before "
            f"{text!r}: it fits the labels far better than text order. {settled_by} settles it"
        )
        return natural, np.argsort(order)[given].astype(given.dtype), others, (note,)
    note = (
        f"CAUTION: the columns do not tell whether {text!r} or {number!r} comes first (by text, or "
        f"by the numbers in it); taken by text. {settled_by} settles it"
    )
    return names, given, counts, (note,)


def _probabilities(path: str) -> np.ndarray:
    if (suffix := os.path.splitext(path)[1].lower()) != ".npy":
        raise UserError(
            f"{shown(path)}: probabilities are read from .npy files (numpy.save), not {suffix!r}"
        )
    try:
        files.check_regular(pathlib.Path(path))  # of any size: it is mapped
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # a damaged header fails in many ways; none of them runs code
        raise UserError(f"{path}: not a plain .npy array ({reason(error)})") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
        kind = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise UserError(f"{path}: probabilities must be floats [N, K], this is {kind}")
    if not array.size:
        raise UserError(f"{path}: the probabilities {array.shape} are empty")
    return array


def _check_rows(
    probs: str,
    labels: str,
    ids: Sequence[str],
    array: np.ndarray,
    given: np.ndarray,
    counts: np.ndarray,
) -> None:
    """UserError if ids are numbers of rows, and predictions fit the labels far better by them."""
    if not all(map(class_labels.is_whole, ids)):
        return
    rows = np.array(list(map(int, ids)))
    rows -= rows.min()  # counted from 0 or 1
    straight = np.arange(len(array))
    if (rows == straight).all() or (np.sort(rows) != straight).any():
        return
    by_id = column_order.predicted(array, given[np.argsort(rows)])
    if column_order.fits_better(by_id, counts):
        lines, numbers = (np.trace(c) / len(array) for c in (counts, by_id))
        raise UserError(
            f"{shown(probs)} predicts {numbers:.0%} of the labels if {shown(labels)} is sorted by "
            f"id, and {lines:.0%} as it is: line and row must be those of one sample. Sort it"
        )


def _class_names(path: str, labels: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    if path:
        names = csv_io.text_of(path, path).splitlines()
        names = [composed(name.strip()) for name in names if name.strip()]
        if len(names) != num_classes or len(set(names)) != num_classes:
            raise UserError(
                f"{path}: {len(names)} class names ({len(set(names))} different ones), the "
                f"probabilities have {num_classes} columns"
            )
        return tuple(names)
    different = set(labels or ())
    if len(different) == num_classes:
        return tuple(class_labels.in_order(different))
    from_zero = labels is None or "0" in different  # else they could as well be counted from 1
    whole = all(map(class_labels.is_whole, different))
    if whole and from_zero and all(int(name) < num_classes for name in different):
        return tuple(str(n) for n in range(num_classes))
    raise UserError(
        f"{len(different)} different labels for {num_classes} columns of probabilities: which "
        "column is which? Give --classes=FILE, a class name a line in the order of the columns"
    )
