"""What stands in a file of embeddings: how its columns are called and what they may hold.

The same in every format. Rows are counted from 0, as arrays count them.
"""

import dataclasses
from collections.abc import Container, Iterable

import numpy as np

from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import composed, quoted

_NAMES = {
    "vectors": ("vectors", "vector", "embeddings", "embedding", "features"),
    "ids": ("ids", "id"),
    "labels": ("labels", "label"),
    "splits": ("splits", "split"),
    "paths": ("paths", "path"),
}
MADE_OF = "inputs_sha256"  # a key of what files of `dull-jax embed` say of themselves
TEXTS = ("ids", "labels", "splits", "paths")
_FLOATS = tuple(map(np.dtype, (np.float16, np.float32, np.float64)))


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """N samples as a file has them.

    name: of the file, as messages show it.
    parts: floating `[n, V, D]`, of N rows together; mapped where the format allows it.
    ids, labels, splits, paths (of the images, for people): N texts; None where there are none.
    """

    name: str
    parts: tuple[np.ndarray, ...]
    ids: list[str] | None = None
    labels: list[str] | None = None
    splits: list[str] | None = None
    paths: list[str] | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def rows(self) -> str:
        """The file's name in messages of functions that add ', row N'."""
        return f"{self.name} (rows counted from 0)"


def chosen(name: str, there: Iterable[str]) -> dict[str, str]:
    """{'vectors': 'embedding', 'ids': 'id', …}: which column serves for what, in any case.

    Raises:
      UserError: no column of vectors, or two that may serve for the same.
    """
    there, found = list(there), {}
    for what, names in _NAMES.items():
        fitting = [column for column in there if column.lower() in names]
        if len(fitting) > 1:
            raise UserError(f"{name}: both {' and '.join(map(quoted, fitting[:2]))}; keep one")
        if fitting:
            found[what] = fitting[0]
    if "vectors" not in found:
        needed = ", ".join(_NAMES["vectors"])
        has = ", ".join(map(quoted, there[:10])) or "nothing"
        raise UserError(f"{name}: needs vectors under one of the names {needed}; has {has}")
    return found


def as_vectors(name: str, array: np.ndarray) -> np.ndarray:
    """`[N, D]` or `[N, V, D]` as `[N, V, D]`, untouched otherwise.

    Raises:
      UserError: another shape or type, or none at all.
    """
    if array.dtype.hasobject:
        raise UserError(f"{name}: vectors are Python objects, which are not read; save them as one "
                        "array of float16 or float32")  # fmt: skip
    if array.dtype.newbyteorder("=") not in _FLOATS:
        raise UserError(f"{name}: vectors must be float16, float32 or float64, not {array.dtype}")
    if array.ndim not in (2, 3):
        shape = list(array.shape)
        raise UserError(f"{name}: vectors must be [N, D], or [N, V, D] with views, not {shape}")
    if not array.size:
        raise UserError(f"{name}: no vectors in an array {list(array.shape)}")
    return array[:, None] if array.ndim == 2 else array


def as_text(name: str, what: str, array: np.ndarray) -> list[str]:
    """Texts or whole numbers `[N]` as texts.

    Args:
      what: one of `TEXTS`, for messages.

    Raises:
      UserError: another shape or type.
    """
    if array.dtype.hasobject:
        fix = f"save them as text: np.array({what}, dtype=str)"
        raise UserError(f"{name}: {what} are Python objects, which are not read; {fix}")
    if array.ndim != 1 or array.dtype.kind not in "iuUS":
        kind = f"{array.dtype} {list(array.shape)}"
        raise UserError(f"{name}: {what} must be texts or whole numbers [N], not {kind}")
    try:
        texts = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
    except UnicodeDecodeError:
        raise UserError(f"{name}: {what} are no UTF-8 text") from None
    return [composed(str(text)) for text in texts.tolist()]


def gathered(
    name: str, vectors: np.ndarray, texts: dict[str, list[str]], about: Container[str] = ()
) -> Embeddings:
    """The whole, where all is of one length. Raises UserError where it is not.

    Args:
      about: keys of what the file says of itself. Labels of files of ours are names of classes as
        they stand; in others, 'nan' may be a missing one that became text.
    """
    for what, values in texts.items():
        if len(values) != len(vectors):
            raise UserError(f"{name}: {len(values):,} {what} for {len(vectors):,} vectors")
    if "labels" in texts and MADE_OF in about:
        names = {label: csv_io.Text(label) for label in set(texts["labels"])}
        texts = texts | {"labels": [names[label] for label in texts["labels"]]}
    return Embeddings(name, (vectors,), **texts)
