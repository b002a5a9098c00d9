"""Trains a recipe, or continues it, and writes the report.

python -m dull_jax.main --config=configs/digits_t2h.py --workdir=runs/digits_t2h
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags

from dull_jax import config as recipe
from dull_jax import door
from dull_jax.errors import UserError
from dull_jax.report import html, table
from dull_jax.train import parallel, trainer

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The recipe: configs/NAME.py, or configs/NAME.py:key=value.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder; holding one, it is continued.")


def run(config: ConfigDict, workdir: str | pathlib.Path) -> dict[str, dict[str, Any]]:
    """Trains `config.method` and `config.compare` on the same arrays: {method: result.json}.

    The compared runs lie below workdir/compare and take the labels of the main run.
    """
    workdir = pathlib.Path(workdir)
    recipe.validate(config)
    results = {config.method: trainer.train(config, workdir, say)}
    for method in config.compare:
        beside = recipe.beside(config, method)
        folder = workdir / "compare" / method
        results[method] = trainer.train(beside, folder, say, labels=workdir / "labels.npz")
    return results


def say(text: str) -> None:
    print(text, flush=True)


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; settings are --config.field=value")
    for flag in (_CONFIG, _WORKDIR):
        if flag.value is None:
            raise UserError(f"--{flag.name} is needed; see python -m dull_jax.main --help")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = pathlib.Path.home() / ".cache" / "dull_jax" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    parallel.cpu_devices(_CONFIG.value.train.devices)
    results = run(_CONFIG.value, _WORKDIR.value)
    report = html.write(pathlib.Path(_WORKDIR.value))
    say("\n" + table.console(list(results.values())))
    say(f"\nreport: {report}")


if __name__ == "__main__":
    door.run(main)
