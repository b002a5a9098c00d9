"""Arrays of a user: labels become numbers, vectors a data set to train on."""

import math
import operator
from collections import Counter
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from dull_jax import recipe_files
from dull_jax.audit import embeddings
from dull_jax.config import validate
from dull_jax.data import auto, dataset
from dull_jax.data.dataset import Dataset
from dull_jax.data.sources import Source, Split
from dull_jax.data.tables import class_labels
from dull_jax.errors import UserError
from dull_jax.names import composed
from dull_jax.stats.check_probs import unmasked

_UPDATES, _BATCH = 1000, (8, 128)  # that a head needs: small sets have small batches for them,
_MOST = 300  # and the smallest have more epochs


class Labels(NamedTuple):
    """Labels as numbers. classes `[K]`; number int32 `[N]`, positions in `classes`."""

    classes: np.ndarray
    number: np.ndarray


def numbered(labels: np.ndarray, classes: np.ndarray | None = None) -> Labels:
    """The classes of labels `[N]`, numbers or text, of which blanks around it are no part.

    Args:
      classes: `[K]`, in the order of columns of probabilities; None: those that occur, sorted by
        value if all are whole numbers, else by text.

    Raises:
      UserError: an empty or many-dimensional array, a missing label, text beside numbers, a class
        that is there twice, or a label that is of no class.

    >>> numbered(np.array(["cat", "dog", "cat"])).number.tolist()
    [0, 1, 0]
    """
    exact, labels = as_they_are(labels), np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise UserError(f"labels must be [N], N >= 1; these are {list(labels.shape)}")
    values = [_stripped(value) for value in exact.tolist()]
    if (row := next((row for row, value in enumerate(values) if _is_missing(value)), -1)) >= 0:
        raise UserError(f"labels: row {row} is missing ({values[row]!r})")
    known = _sorted(labels, values) if classes is None else _named(as_they_are(classes, "classes"))
    position = {name: k for k, name in enumerate(known.tolist())}
    if len(position) < len(known):
        twice = next(name for name, count in Counter(known.tolist()).items() if count > 1)
        raise UserError(f"classes: {twice!r} is there twice")
    number = [position.get(label, -1) for label in values]
    if -1 in number:
        row = number.index(-1)
        raise UserError(f"labels: row {row} is {values[row]!r}, which is none of the classes")
    return Labels(known, np.array(number, np.int32))


def as_they_are(labels: np.ndarray, what: str = "labels") -> np.ndarray:
    """An array. Of a list with text in it the values stay what they are: NumPy turns numbers, and
    what is missing, into text. Raises UserError where a value is masked.

    >>> as_they_are(["cat", float("nan")]).tolist()
    ['cat', nan]
    """
    array = np.asarray(unmasked(labels, what))
    as_text = array.dtype.kind in "US" and isinstance(labels, list | tuple)
    return np.array(labels, object) if as_text else array


def _named(names: np.ndarray) -> np.ndarray:
    """Names of classes without blanks around them; an array of objects stays one."""
    if names.ndim != 1:
        raise UserError(f"classes must be [K]; these are {list(names.shape)}")
    stripped = [_stripped(name) for name in names.tolist()]
    return np.array(stripped, object if names.dtype == object else None)


def _stripped(value: object) -> object:
    return composed(value.strip()) if isinstance(value, str) else value


def _is_missing(value: object) -> bool:
    """None, no text, not a number, infinite, or what pandas has for them."""
    try:
        return value is None or value == "" or value != value or value in (math.inf, -math.inf)
    except TypeError:  # pandas.NA compares to itself
        return True


def _sorted(labels: np.ndarray, values: list) -> np.ndarray:
    """The classes that occur. Raises UserError for text beside numbers."""
    text = isinstance(values[0], str)
    if (row := next((n for n, v in enumerate(values) if isinstance(v, str) != text), -1)) >= 0:
        raise UserError(f"labels: row {row} is {values[row]!r}, and row 0 is {values[0]!r}")
    if not text:
        return np.unique(labels)
    names = class_labels.in_order(set(values))
    return np.array(names, object if labels.dtype == object else None)


def checked(vectors: np.ndarray, size: int, name: str = "embeddings") -> np.ndarray:
    """float32 `[N, D]`. Raises UserError: another shape, another number of rows, not finite."""
    vectors = np.asarray(unmasked(vectors, name))
    if vectors.ndim != 2 or not vectors.shape[1] or vectors.dtype.kind not in "fiu":
        shape = list(vectors.shape)
        raise UserError(f"{name} must be numbers [N, D]; these are {vectors.dtype} {shape}")
    if len(vectors) != size:
        raise UserError(f"{name}: {len(vectors):,} rows for {size:,} labels; one for each")
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32)
    good = np.isfinite(vectors).all(1)
    if not good.all():
        raise UserError(f"{name}: row {int(np.argmin(good))} is not finite as float32")
    return vectors


def recipe(method: str, size: int, width: int, epochs: int = 0, seed: int = 0) -> ConfigDict:
    """The recipe "embeddings" for so many samples, vectors of `width` numbers.

    Args:
      epochs: 0: see `chosen_epochs`.

    Raises:
      UserError: no such method, or a value out of range.
    """
    config = recipe_files.load("embeddings")
    with config.unlocked():
        config.method, config.seed = method, whole("seed", seed)
        config.train.devices = 1  # a head is too small to be divided
        config.train.epochs = whole("epochs", epochs) or chosen_epochs(size)
        config.optim.lr = auto.head_lr(width)
        config.augment.dropout = auto.head_dropout(width)
        wanted = size * config.train.epochs // _UPDATES
        config.train.batch_size = 1 << (int(np.clip(wanted, *_BATCH)).bit_length() - 1)
    validate(config)
    return config


def whole(name: str, value: int) -> int:
    """A whole number of Python's or NumPy's kind. Raises UserError."""
    try:
        return operator.index(value)
    except TypeError:
        raise UserError(f"{name} = {value!r}: must be a whole number") from None


def chosen_epochs(size: int) -> int:
    """Passes over so many samples.

    >>> [chosen_epochs(size) for size in (100, 1_000, 100_000, 10**6)]
    [80, 30, 15, 3]
    """
    epochs = embeddings.head_epochs(size)
    return min(max(epochs, _UPDATES * _BATCH[0] // size), _MOST)


def dataset_of(config: ConfigDict, vectors: np.ndarray, labels: Labels) -> Dataset:
    """All of the vectors float32 `[N, D]` as a train set; there is no test part."""
    ids = np.arange(len(vectors)).astype(str)
    nobody = Split(np.zeros((0, 1, vectors.shape[1]), np.float32), labels.number[:0], ids[:0])
    source = Source(
        name="embeddings",
        class_names=tuple(map(str, labels.classes.tolist())),
        train=Split(vectors[:, None], labels.number, ids),
        test=nobody,
        truth_known=False,
    )
    return dataset.of_source(config, source)
