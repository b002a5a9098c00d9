"""The former name of `dull_jax.cli`; it goes with the next version."""

from dull_jax.cli import needed_path, path_flag, run

__all__ = ["needed_path", "path_flag", "run"]
