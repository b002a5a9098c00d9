"""Hypothesis leaves nothing in the working folder."""

import pathlib
import tempfile

from hypothesis import configuration

configuration.set_hypothesis_home_dir(pathlib.Path(tempfile.gettempdir()) / "dull_jax_hypothesis")
