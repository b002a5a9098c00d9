"""Writes the report of a run again, from the files in its folder.

python -m dull_jax.report --run=runs/mine
"""

from collections.abc import Sequence

from absl import flags

from dull_jax import cli
from dull_jax.report import html


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    flags.DEFINE_string("run", None, "The run's folder.")


def main(argv: Sequence[str]) -> None:
    cli.check_flags_only(argv, "report")
    print(f"report: {html.write(cli.needed_path('run', 'report'))}")


if __name__ == "__main__":
    define_flags()
    cli.run(main)
