"""Weights that a backbone starts from: which file, and what it expects of pixels.

The file of a backbone says in which layout its weights come (`WEIGHTS`); a layout is a file of
`models/weights` with `load`, MEAN and STD of pixels in [0, 1], and `packaged` where an installed
package ships them. `config.model.pretrained` is a path, "" for the package's where there is one, or
"none".
"""

import functools
import hashlib
import importlib
import os
from types import ModuleType
from typing import Any

import numpy as np

from dull_jax import fields
from dull_jax.errors import UserError
from dull_jax.models.network import BACKBONES, with_weights

NONE = "none"


def layout(name: str) -> ModuleType | None:
    """The layout of the weights of the backbone `name`; None where it has none."""
    weights = getattr(fields.kind(BACKBONES, name, "model.name"), "WEIGHTS", "")
    return importlib.import_module(f"dull_jax.models.weights.{weights}") if weights else None


def is_wanted(model_config: Any) -> bool:
    """Whether the backbone starts from weights of others: named ones, or the package's."""
    if model_config.pretrained in ("", NONE):
        return model_config.pretrained == "" and has_package(model_config.name)
    return True


def has_package(name: str) -> bool:
    """Whether a package ships weights of the backbone `name`."""
    return name in with_weights() and hasattr(layout(name), "packaged")


def source(model_config: Any) -> os.PathLike | str:
    """The file of weights. Raises UserError: there is none for this network, or no such package."""
    name = model_config.name
    if name not in with_weights():
        raise UserError(
            f"config.model.pretrained is for {' and '.join(with_weights())}, not for {name!r}"
        )
    if model_config.pretrained == NONE or not (model_config.pretrained or has_package(name)):
        raise UserError(f"config.model.pretrained must name a file of weights for {name!r}")
    return model_config.pretrained or layout(name).packaged(name)


def load(model_config: Any) -> dict[str, np.ndarray]:
    """The backbone's weights: {'params/backbone/…', 'batch_stats/backbone/…': float32}.

    Raises:
      UserError: there is no such file, it is damaged, or of another network.
    """
    path = source(model_config)
    return layout(model_config.name).load(path, model_config.name)


def normalisation(model_config: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of pixels in [0, 1] that the weights were trained with."""
    backbone = fields.kind(BACKBONES, model_config.name, "model.name")
    owner = backbone if hasattr(backbone, "MEAN") else layout(model_config.name)
    return owner.MEAN, owner.STD


def digest(model_config: Any) -> str:
    """sha256 of the file of weights, hexadecimal. Raises UserError: it cannot be read."""
    path = source(model_config)
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"config.model.pretrained: {path}: {error.strerror}") from None
    return _digest(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.cache
def _digest(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
