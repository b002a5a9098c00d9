"""What a run says of itself when it starts: its recipe, its machine, its labels and images."""

import json
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import machine
from dull_jax.data.dataset import Dataset
from dull_jax.files import Path, write_text
from dull_jax.run_dir import layout
from dull_jax.train import run_lock


def write(
    folder: Path, config: ConfigDict, dataset: Dataset, normalised: Mapping[str, Any]
) -> None:
    """Writes everything but metrics, checkpoints and results; the labels once and for all.

    Args:
      normalised: what else predicting needs: the channels' mean and standard deviation.

    Raises:
      UserError: a file cannot be written, or the folder is not this run's any more.
    """
    run_lock.check_held(folder)
    write_text(folder / layout.CONFIG, recipe.to_json(config))
    write_text(folder / layout.ENV, json.dumps(machine.environment(), indent=1))
    if not (folder / layout.LABELS).exists():
        dataset.save(folder / layout.LABELS)
    if dataset.manifest is not None:
        dataset.manifest.write(folder / layout.MANIFEST)
    write_text(folder / layout.DATA, json.dumps(dataset.description | dict(normalised), indent=1))
