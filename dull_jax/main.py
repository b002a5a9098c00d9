"""Trains a recipe, or continues it, and writes the report.

python -m dull_jax.main --config=configs/digits_t2h.py --workdir=runs/digits_t2h

On several hosts the same command runs on each of them; see launch/README.md.
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from dull_jax import cli, invocation, recipe_files
from dull_jax import config as recipe
from dull_jax.errors import UserError
from dull_jax.report import html, table
from dull_jax.train import compared, hosts, parallel

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "The recipe: its name or path; NAME:key=value sets arguments of it.",
    lock_config=True,
)
flags.DEFINE_string("workdir", None, "The run's folder; holding one, it is continued.")
cli.define_distributed()
flags.adopt_module_key_flags(cli)  # `--help` shows them


def say(text: str) -> None:
    if hosts.is_first():
        print(text, flush=True)


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; settings are --config.field=value")
    if _CONFIG.value is None:
        raise UserError(f"--config is needed; see {invocation.named('main')} --help")
    workdir = cli.needed_path("workdir", "main")
    parallel.cpu_devices(_CONFIG.value.train.devices)
    cli.join_others()
    results = compared.train(_CONFIG.value, workdir, say)
    if not hosts.is_first():
        return
    report = html.write(workdir)
    say("\n" + table.console(list(results.values())))
    say(f"\nreport: {report}")


def recipe_help() -> str:
    """Every field of the recipe that `--config` names, for `--help`."""
    if _CONFIG.value is None:
        known = ", ".join(recipe_files.names())
        return f"\nWith --config=NAME, --help prints every field of that recipe.\nNames: {known}"
    return "\nFields of the recipe:\n" + recipe.described(_CONFIG.value)


if __name__ == "__main__":
    cli.run(main, recipe_help)
