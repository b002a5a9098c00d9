"""The former name of `dull_jax.cli`; it goes with 0.3.0."""

import warnings

from dull_jax.cli import needed_path, path_flag, run

__all__ = ["needed_path", "path_flag", "run"]

warnings.warn("dull_jax.door is dull_jax.cli now", DeprecationWarning, stacklevel=2)
