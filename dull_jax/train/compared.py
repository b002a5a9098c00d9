"""A recipe's method and those that it is compared with, trained on the same arrays."""

import os
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import files
from dull_jax.run_dir import layout
from dull_jax.train import trainer


def train(
    config: ConfigDict, workdir: str | os.PathLike, say: Callable[[str], None] = print
) -> dict[str, dict[str, Any]]:
    """Trains `config.method` and `config.compare`: {method: what result.json holds}.

    The compared runs lie below workdir/compare and take the labels of the main run.

    Raises:
      UserError, Stopped: see `trainer.train`.
    """
    workdir = files.path_of(workdir, "the workdir")
    embeddings = config.model.cache or os.fspath(workdir / layout.EMBEDDINGS)
    results = {config.method: trainer.train(config, workdir, say)}
    for method in config.compare:
        beside = recipe.beside(config, method)
        beside.model.cache = embeddings  # which are the same for all
        folder = workdir / layout.COMPARE / method
        results[method] = trainer.train(beside, folder, say, labels=workdir / layout.LABELS)
    return results
