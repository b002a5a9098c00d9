"""Noise of a file: the given labels are read, not drawn."""

import numpy as np

from dull_jax.data.noises import Truth
from dull_jax.data.tables import given_labels
from dull_jax.errors import UserError
from dull_jax.fields import choice, path

TITLE = "given"
DRAWN = False
FIELDS = {
    "file": path('noise "file": CSV, JSON or .npy with the given labels'),
    "join": choice("id", 'noise "file": joined by sample id, or by position', ("id", "position")),
}


def draw(truth: Truth, rng: np.random.Generator, rate: float, *, file: str, join: str):
    """Given labels int `[N]`, as the file has them for the whole train set.

    Raises:
      UserError: no file, or one that cannot be meant; see `given_labels.read`.
    """
    del rng, rate
    if truth.whole is None:
        raise UserError("noise 'file' is not drawn: read the labels and hand them to describe()")
    if not file:
        raise UserError("config.noise.name = 'file' needs config.noise.file, the label file")
    # The file speaks of the whole train set, of which the long tail keeps a part.
    given = given_labels.read(file, truth.whole.ids, truth.whole.class_names, by=join)
    given = given[truth.whole.kept]
    if join == "position":
        given_labels.check_overlap(given, truth.clean)
    return given
