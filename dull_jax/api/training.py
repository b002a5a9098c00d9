"""`dull_jax.train_classifier`: a recipe is trained as by `dull-jax train`, from Python."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import files, inference, jax_settings, recipe_files
from dull_jax.errors import UserError
from dull_jax.fields import suggestion
from dull_jax.inference import Classifier
from dull_jax.report import html
from dull_jax.train import compared


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What `train_classifier` leaves.

    workdir: the run's folder.  report: the HTML page in it.
    results: {method: what result.json holds}, of the recipe's method and of those compared with it.
    """

    workdir: files.Path
    report: files.Path
    results: Mapping[str, Mapping[str, Any]]

    @functools.cached_property
    def classifier(self) -> Classifier:
        """The trained networks."""
        return inference.load(self.workdir)


@jax_settings.pinned()
def train_classifier(
    config: str | os.PathLike | ConfigDict,
    workdir: str | os.PathLike,
    *,
    say: Callable[[str], None] = print,
    **fields: Any,
) -> TrainedRun:
    """Trains a recipe, or goes on with the run in `workdir`, and writes its report.

        run = train_classifier("folder", "runs/mine", data__dir="PHOTOS", train__epochs=30)
        run.classifier.predict(["new.jpg"])

    Args:
      config: a recipe's name or path, with arguments behind a colon ("cifar100_t2h:method=la"), or
        a recipe itself.
      workdir: the run's folder.
      say: receives lines of progress.
      **fields: of the recipe, with two underscores for a dot: `data__dir` is config.data.dir.

    Raises:
      UserError: no such recipe or field, a value that cannot be meant, or data that cannot be used.
      Stopped: a signal came; all is saved, and the same call goes on.
    """
    if not isinstance(config, ConfigDict):
        config = recipe_files.load(config)
    config = with_fields(config, fields)
    workdir = files.path_of(workdir, "workdir")
    results = compared.train(config, workdir, say)
    return TrainedRun(workdir, html.write(workdir), results)


def with_fields(config: ConfigDict, fields: Mapping[str, Any]) -> ConfigDict:
    """A copy of a recipe with these fields, `data__dir` for config.data.dir.

    Raises:
      UserError: there is no such field, or the value is of another type.

    >>> with_fields(recipe.defaults(), {"train__epochs": 3}).train.epochs
    3
    """
    config, known = config.copy_and_resolve_references(), recipe.schema()
    for name, value in fields.items():
        field = name.replace("__", ".")
        if field not in known:
            here = [key.replace(".", "__") for key in known]
            raise UserError(f"{name}: {suggestion(name, here)}")
        if isinstance(value, np.generic):
            value = value.item()  # NumPy's numbers are Python's
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        try:
            config.update_from_flattened_dict({field: value})
        except (TypeError, ValueError):
            default = type(known[field].default).__name__
            raise UserError(f"{name} = {value!r}: must be a {default}") from None
    return config
