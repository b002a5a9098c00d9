"""labels.npz: which images a run uses, under which labels; given, and true where they are known."""

import numpy as np

from dull_jax import files
from dull_jax.data.sources import Source
from dull_jax.errors import UserError, reason
from dull_jax.names import shown

COLUMNS = ("ids", "given", "clean")  # of the train set; with "holdout_" in front, of the holdout
OWN = ("class_names", "train_ids", "test_ids")  # beside them, of images of the user's own

Labels = dict[str, np.ndarray]  # what labels.npz holds


def load(path: files.Path) -> Labels:
    """What `Dataset.save` wrote; without `OWN` where an older version did.

    Raises:
      UserError: it cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            wanted = [f"{part}{name}" for part in ("", "holdout_") for name in COLUMNS]
            if "test_ids" in file:
                wanted += OWN
            labels = {name: file[name] for name in wanted}
    except Exception as error:  # zipfile, zlib, ValueError, KeyError, EOFError: all mean the same
        text = f"{path}: unreadable ({reason(error)}); the labels of this run are lost"
        raise UserError(text) from None
    if not _is_sound(labels):
        raise UserError(_damaged(path))
    return labels


def _is_sound(labels: Labels) -> bool:
    texts = [name for name in labels if name in OWN or name.endswith("ids")]
    sound = all(labels[name].ndim == 1 and labels[name].dtype.kind == "U" for name in texts)
    for part in ("", "holdout_"):
        ids, *numbers = (labels[f"{part}{name}"] for name in COLUMNS)
        sound = sound and all(
            column.shape == ids.shape and column.dtype.kind == "i" and np.all(column >= 0)
            for column in numbers
        )
    return sound


def _damaged(path: files.Path) -> str:
    return f"{path}: damaged, or of other classes; the labels of this run are lost"


def check(source: Source, labels: Labels, path: files.Path) -> None:
    """They are of these classes, and those of the source are as they were.

    Raises:
      UserError: they are not, which would be another run; names `path`, the labels.npz.
    """
    for part in ("", "holdout_"):
        given, clean = labels[f"{part}given"], labels[f"{part}clean"]
        if max(given.max(initial=0), clean.max(initial=0)) >= len(source.class_names):
            raise UserError(_damaged(path))
        rows = locate(source.train.ids, labels[f"{part}ids"])
        changed = np.flatnonzero(source.train.labels[rows] != clean)
        if len(changed):
            raise UserError(
                f"{path} holds other labels than there are now for {len(changed)} images (the "
                f"first: {_name(source, rows[changed[0]])}); train on the new ones in another "
                "workdir"
            )


def locate(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Indices of the `wanted` ids among the `known`.

    Raises:
      UserError: one is not among them.
    """
    order = np.argsort(known, kind="stable")
    ranks = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    indices = order[ranks]
    missing = wanted[known[indices] != wanted]
    if len(missing):
        raise UserError(
            f"{len(missing)} images of this run (the first: {missing[0]}) are not in the data set; "
            "restore them, or start in another workdir"
        )
    return indices


def _name(source: Source, row: int) -> str:
    """Of a train image: its path where it has one."""
    key = str(source.train.ids[row])
    if source.manifest is None:
        return key
    return shown(source.manifest.paths[np.flatnonzero(source.manifest.ids == key)[0]])
