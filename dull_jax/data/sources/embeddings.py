"""Vectors that somebody has made of images already, with their labels, which are in doubt."""

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from dull_jax import fields, files
from dull_jax.data import test_part
from dull_jax.data.own.image_index import NOT_USED, held_out_as_test, split_word, untrained
from dull_jax.data.own.manifest import Unused
from dull_jax.data.sources import Source, Split
from dull_jax.data.tables import class_labels
from dull_jax.data.vectors import checks, formats, labels
from dull_jax.data.vectors.labels import Labelled
from dull_jax.errors import UserError
from dull_jax.names import printable, quoted, shown

TITLE = "Embeddings"
PLACES = ("file", "labels")
FIELDS = {
    "labels": fields.path(
        "embeddings: a table of labels and ids, or paths; empty: the file of vectors has them",
        numbers=False,
        later=True,
    ),
}


def load(options: ConfigDict) -> Source:
    """The vectors of config.data.file; see `read`."""
    files.check_local("config.data.file", options.file)
    files.check_local("config.data.labels", options.labels)
    if not options.file:
        raise UserError("config.data.file is needed: the file of vectors")
    return read(options.file, options.labels, options.test_share, options.seed)


def read(
    file: str | os.PathLike, table: str | os.PathLike = "", share: float = 0.2, seed: int = 0
) -> Source:
    """Reads ids and labels, and looks at every vector once; the vectors stay in their file.

    A label is the name of its class, numbers too. A split is train, or else test, val, valid or
    validation. Without ids the number of a row is its id.

    Args:
      file: as `formats.read` takes it.
      table: CSV with the columns label and id, or path, and split where it has one; "": the file
        has them. What its column status calls corrected is not held out.
      share: of each class, about, that is held out where there is no test part; by a hash of the
        seed and the id, as of own images. 0: nothing is.

    Raises:
      UserError: see `formats.read`, `checks.check` and `labels.of`; a split that is none, fewer
        than two classes, or no sample that can be held out.
    """
    found = formats.read(file)
    about = labels.of(found, os.fspath(table))
    vectors = checks.check(found)
    words = _words(about)
    splits, notices = _parts(words, about.labels)
    names, kept, more = _classes(found.name, about.labels, splits)
    number = {name: k for k, name in enumerate(names)}
    given = np.array([number.get(label, -1) for label in about.labels], np.int32)
    ids = np.array(about.ids, str)
    paths = dict(zip(about.ids, about.paths or (), strict=False))
    unused = tuple(
        Unused(
            about.ids[n],
            paths.get(about.ids[n], ""),
            about.labels[n],
            words[n] or "train",
            about.left_out[n] or NOT_USED,
            "no part of training",
            given=about.given[n],
        )
        for n in np.flatnonzero(~kept).tolist()
    )

    def split(rows: np.ndarray) -> Split:
        return Split(vectors.subset(rows), given[rows], ids[rows])

    rows = np.flatnonzero(kept)
    held_out = splits[rows] == "test"
    drawn = bool(share) and not held_out.any()
    if drawn:
        kept_in = np.array(about.corrected, bool)[rows]
        held_out = test_part.drawn(ids[rows], given[rows], len(names), share, seed, kept_in)
    if drawn and not held_out.any():
        raise UserError(f"{found.name}: no sample can be held out to test on, since no class has a "
                        "second one; add samples, or a column split")  # fmt: skip
    return Source(
        name="embeddings",
        class_names=printable(found.name, names),
        train=split(rows[~held_out]),
        test=split(rows[held_out]),
        truth_known=False,
        notices=(*about.notices, *notices, *more),
        unused=(*unused, *about.without_vectors),
        test_drawn=drawn,
        paths=paths,
    )


def _words(about: Labelled) -> list[str]:
    """'train', 'test', 'val' or '' of each sample."""
    if about.splits is None:
        return [""] * len(about.ids)
    known = {text: split_word(about.where, text) for text in dict.fromkeys(about.splits) if text}
    if lacking := [n for n, text in enumerate(about.splits) if not text and about.labels[n]]:
        split_word(f"{about.where}, id {shown(about.ids[lacking[0]])}", "")
    return [known.get(text, "") for text in about.splits]


def _parts(words: list[str], given: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """'train', 'test' or '' of each; 'unused' without a label, and of a second held-out part.

    Both are told.
    """
    labelled = np.array([bool(label) for label in given], bool)
    parts = np.where(labelled, words, "unused").astype("U6")
    parts = np.array(held_out_as_test(parts.tolist()), "U6")
    second, told = parts == "val", []
    if count := int(second.sum()):
        told.append(f"{count:,} samples of split val are not used: there is test")
    if count := int((~labelled).sum()):
        told.append(f"{count:,} samples without a label: left out before")
    return np.where(second, "unused", parts), tuple(told)


def _classes(
    name: str, given: Sequence[str], splits: np.ndarray
) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    """(classes that can be trained on, bool [N]: what is of one and used, what was left out)."""
    outside = np.isin(splits, ("test", "unused"))
    trained = {label for label, out in zip(given, outside, strict=True) if not out}
    names = class_labels.in_order(trained)
    if len(names) < 2:
        which = f"only class {quoted(names[0])} has" if names else "no class has"
        raise UserError(f"{name}: {which} samples to train on; two are needed")
    kept = np.array([label in trained for label in given]) & (splits != "unused")
    lost = Counter(label for label in given if label and label not in trained)
    return names, kept, tuple(untrained(lost, "samples"))
