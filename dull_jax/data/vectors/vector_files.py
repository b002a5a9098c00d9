"""Vectors that stay in their files until they are asked for, in the shape of an array."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

_BLOCK = 1 << 24  # bytes of vectors that are taken together


class VectorFiles:
    """Floating `[N, V, D]`: chosen rows of arrays that may be mapped files.

    Taken rows are float16 where all arrays are, else float32.
    """

    def __init__(self, parts: Sequence[np.ndarray], rows: np.ndarray | None = None):
        """parts: floating `[n, V, D]` each.  rows: int `[N]` of their concatenation; None: all."""
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])
        self._rows = np.arange(self._ends[-1]) if rows is None else np.asarray(rows, np.int64)
        half = all(part.dtype.itemsize == 2 for part in self._parts)
        self.dtype = np.dtype(np.float16 if half else np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self), *self._parts[0].shape[1:])

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def subset(self, indices: np.ndarray) -> "VectorFiles":
        """These rows, untaken."""
        return VectorFiles(self._parts, self._rows[indices])

    @staticmethod
    def joined(parts: Sequence["VectorFiles"]) -> "VectorFiles":
        """One after the other, untaken."""
        first = np.cumsum([0, *(part._ends[-1] for part in parts)])
        rows = [start + part._rows for start, part in zip(first, parts, strict=False)]
        return VectorFiles([each for part in parts for each in part._parts], np.concatenate(rows))

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Taken, `[n, V, D]`; a value beyond float32 is infinite."""
        wanted = self._rows[rows]
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        part_of = np.searchsorted(self._ends, wanted, side="right")
        for number in np.unique(part_of):
            mine = np.flatnonzero(part_of == number)
            mine = mine[np.argsort(wanted[mine], kind="stable")]  # a disk is read forwards
            part, end = self._parts[number], self._ends[number]
            with np.errstate(over="ignore"):
                out[mine] = part[wanted[mine] - (end - len(part))]
        return out

    def blocks(self) -> Iterator[np.ndarray]:
        """All of them in order, some at a time."""
        step = max(1, _BLOCK * len(self) // max(self.nbytes, 1))
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def in_memory(self) -> np.ndarray:
        """All of them."""
        out, done = np.empty(self.shape, self.dtype), 0
        for block in self.blocks():
            out[done : done + len(block)] = block
            done += len(block)
        return out
