"""Whether what was handed to the audit can be audited; the message names the row or class."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dull_jax.data.groups import class_groups
from dull_jax.errors import UserError

_MOST_CLASSES = 30_000  # [K, K] is held; of labels alone, a larger one is a mistake, or an id
_ROUNDING = 0.01  # how far from 1 a row's sum may be: float16, and rounded text
_HINT = "hand in probabilities p(given | x); of logits, the softmax"


def blocks(probs: np.ndarray, rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """(position of the first row, the rows), `rows` at a time."""
    for start in range(0, len(probs), rows):
        yield start, probs[start : start + rows]


def unmasked(array: np.ndarray, what: str) -> np.ndarray:
    """Anything like an array. Raises UserError where a value of a masked array is masked."""
    if np.ma.is_masked(array):
        row = int(np.argwhere(np.ma.getmaskarray(array))[0][0])
        raise UserError(f"{what}: row {row} is missing (masked)")
    return array


def matrix(probs: np.ndarray) -> np.ndarray:
    """`probs` as an array `[N, K]` of floats; a memmap stays one. Raises UserError."""
    probs = unmasked(probs, "probabilities")
    probs = probs if isinstance(probs, np.ndarray) else np.asarray(probs)
    if probs.ndim != 2 or not probs.size:
        raise UserError(f"probabilities must be [samples, classes], not empty; got {probs.shape}")
    if probs.dtype.kind != "f":
        raise UserError(f"probabilities are {probs.dtype}; {_HINT}")
    return probs


def shape(
    probs: np.ndarray | None, given: np.ndarray, class_names: Sequence[str] | None
) -> tuple[int, int]:
    """(N, K), of the probabilities or, where there are none, of the labels and their names."""
    if probs is not None:
        return probs.shape
    given = np.asarray(given)
    if given.ndim != 1 or not given.size or given.dtype.kind not in "iu":
        raise UserError(f"given labels must be integers [N], got {given.dtype} {given.shape}")
    largest = int(given.max()) + 1
    if class_names is None and largest > _MOST_CLASSES:
        raise UserError(
            f"row {int(given.argmax())}: label {given.max()} is more than {_MOST_CLASSES:,} "
            "classes would have; labels are classes, counted from 0"
        )
    return len(given), max(len(class_names) if class_names is not None else largest, 1)


def names(class_names: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    """What messages call the classes: `class_names`, or their numbers. Raises UserError."""
    if class_names is None:
        return tuple(map(str, range(num_classes)))
    if len(class_names) != num_classes:
        raise UserError(
            f"{len(class_names)} class names, but probabilities of {num_classes} classes; "
            "give one name for each column, in their order"
        )
    return tuple(class_names)


def labels(given: np.ndarray, shape: tuple[int, int], class_names: Sequence[str]) -> np.ndarray:
    """Given labels as int32 `[N]` for probabilities of `shape` (N, K). Raises UserError."""
    given, (size, num_classes) = np.asarray(unmasked(given, "given labels")), shape
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise UserError(f"given labels must be integers [N], got {given.dtype} {given.shape}")
    if len(given) != size:
        raise UserError(
            f"{len(given)} given labels, but {size} rows of probabilities; one row for each label"
        )
    bad = np.flatnonzero((given < 0) | (given >= num_classes))
    if len(bad):
        first, last = class_names[0], class_names[-1]
        raise UserError(
            f"row {bad[0]}: label {given[bad[0]]} is outside 0 ('{first}') to {num_classes - 1} "
            f"('{last}'), the columns of the probabilities ({len(bad)} such rows)"
        )
    return given.astype(np.int32)


def known(known: np.ndarray | None, size: int, num_classes: int) -> np.ndarray | None:
    """Classes that a person has decided, int `[N]`, negative where there is none. UserError."""
    if known is None:
        return None
    known = np.asarray(known)
    if known.shape != (size,) or known.dtype.kind not in "iu" or known.max() >= num_classes:
        raise UserError(f"known must be [{size}] whole numbers below {num_classes}, or negative")
    return known


def rows_sum_to_one(probs: np.ndarray, first: int) -> None:
    """Raises UserError for rows that are no probabilities.

    probs: `[n, K]`, of which the first is row number `first` of all.
    """
    total = probs.sum(1, dtype=np.promote_types(probs.dtype, np.float32))
    least = probs.min(1)
    if (np.abs(total - 1) <= _ROUNDING).all() and (least >= -1e-6).all():
        return
    row = int(np.flatnonzero(~((np.abs(total - 1) <= _ROUNDING) & (least >= -1e-6)))[0])
    if not np.isfinite(total[row]):
        raise UserError(f"row {first + row} of the probabilities holds nan or inf; fix or drop it")
    if least[row] < -1e-6:
        raise UserError(f"row {first + row} of the probabilities has {least[row]:.4g}; {_HINT}")
    raise UserError(f"row {first + row} of the probabilities sums to {total[row]:.4g}; {_HINT}")


def grouped(
    groups: Mapping[str, Sequence[int]] | None,
    counts: np.ndarray,
    given: np.ndarray,
    class_names: Sequence[str],
) -> dict[str, list[int]]:
    """`groups` of class ids, no class in two; head, medium and tail by `counts` `[K]` when None.

    Raises UserError.

    Args:
      given: `[K]` counts of the labels, which decide between classes of equal `counts`.
    """
    if groups is None:
        return class_groups(counts, ties=given)[0]
    seen: dict[int, str] = {}
    for group, ids in groups.items():
        for k in ids:
            if not 0 <= k < len(class_names):
                raise UserError(f"group '{group}': class {k} is outside 0 to {len(counts) - 1}")
            if k in seen:
                raise UserError(
                    f"class {k} ('{class_names[k]}') is in the groups '{seen[k]}' and '{group}'"
                )
            seen[k] = group
    return {group: list(ids) for group, ids in groups.items()}
