"""What a recipe leaves open for samples of the user's own, chosen by their number and size.

Where it says "auto" (network) or 0 (epochs, image side, learning rate), what fits is chosen here: a
function of the data alone. A run that was begun keeps what it began with, whatever was added since.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data import sources
from dull_jax.data.own.manifest import Manifest
from dull_jax.fields import flatten

# Image sides by how large the images are: the median of their shorter sides -> a side.
_SIDES = ((40, 32), (90, 64), (160, 96))
_LARGEST = 128
# The same for a pretrained network, which was trained with images of 224 pixels.
PRETRAINED, _SMALL, _PRETRAINED_SIDES = "efficientnet_lite0", 64, (112, 224)
# Refused for all other sources.
LEFT_OPEN = {"model.name": "auto", "optim.name": "auto", "train.epochs": 0}
_PRESENTATIONS = 240_000  # images trained on in all, where that gives a sensible number of epochs
_EPOCHS, _PROBE_EPOCHS = (30, 120), (30, 60)  # fewest, most; of a head on vectors
_HEAD_LR, _WIDE = 1e-3, 1280  # of a head on vectors of so many numbers, or more
_NARROW = 128
_WITH_NETWORK = {  # what `network` sets too
    "small_cnn": ("model.stages", "model.width"),
    "resnet18": ("model.stem",),
}


def resolve_auto(config: ConfigDict, manifest: Manifest, say: Callable[[str], None]) -> ConfigDict:
    """The recipe with everything chosen that was left to the data, and says what."""
    train = int((manifest.splits == "train").sum())
    from_scratch = config.model.pretrained == "none"
    pretrained = not from_scratch and (config.model.name == "auto" or config.model.frozen)
    pixels = config.data.size or side(manifest, pretrained)
    chosen: dict[str, str | int | bool] = {}
    if config.train.epochs == 0:
        bounds = _PROBE_EPOCHS if pretrained and config.model.frozen else _EPOCHS
        chosen["train.epochs"] = int(np.clip(_PRESENTATIONS // max(train, 1), *bounds))
    if config.data.size == 0:
        chosen["data.size"] = pixels
    if config.model.name == "auto":
        chosen |= network(train, pixels) if from_scratch else {"model.name": PRETRAINED}
    chosen |= optimiser(config, pretrained)
    if from_scratch and config.model.frozen:
        chosen["model.frozen"] = False
    if chosen:
        told = ", ".join(f"{field} = {value}" for field, value in chosen.items())
        say(f"chosen for {train:,} images of {len(manifest.class_names)} classes: {told}")
    return _filled(config, chosen)


def resolve_for_vectors(config: ConfigDict, width: int, say: Callable[[str], None]) -> ConfigDict:
    """The recipe with the learning rate that vectors of `width` numbers want, and says it."""
    if config.optim.lr:
        return config
    lr = head_lr(width)
    say(f"chosen for vectors of {width:,} numbers: optim.lr = {lr:g}")
    return _filled(config, {"optim.lr": lr})


def resolve_as_begun(config: ConfigDict, begun: Mapping[str, Any]) -> ConfigDict:
    """`resolve_auto` as the run that was begun resolved it, without a look at the images.

    Of sources that leave nothing open the recipe as it is.

    Args:
      begun: what the run's config.json holds; {} where no run was begun.
    """
    if not sources.is_own(config.data.name) and config.optim.lr:
        return config
    known = flatten(dict(begun))
    wanted = ["train.epochs"] * (config.train.epochs == 0) + ["data.size"] * (config.data.size == 0)
    wanted += ["optim.name"] * (config.optim.name == "auto") + ["optim.lr"] * (config.optim.lr == 0)
    if config.model.name == "auto":
        wanted += ["model.name", *_WITH_NETWORK.get(known.get("model.name"), ())]
        if known and known.get("model.name") != PRETRAINED:  # of a version that froze nothing, too
            config = _filled(config, {"model.frozen": False})
    return _filled(config, {field: known[field] for field in wanted if field in known})


def _filled(config: ConfigDict, chosen: Mapping[str, str | int | bool]) -> ConfigDict:
    """A copy with these fields; `config.resolved` has made its paths absolute."""
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(chosen)
    return config


def side(manifest: Manifest, pretrained: bool = False) -> int:
    """Pixels: by the median of the images' shorter sides."""
    median = float(np.median(np.minimum(manifest.heights, manifest.widths)))
    if pretrained:
        return _PRETRAINED_SIDES[median > _SMALL]
    return next((size for limit, size in _SIDES if median <= limit), _LARGEST)


def optimiser(config: ConfigDict, pretrained: bool) -> dict[str, str | float]:
    """A head on vectors by AdamW, which no scale of theirs troubles; networks by SGD."""
    frozen, name, chosen = pretrained and config.model.frozen, config.optim.name, {}
    if name == "auto":
        name = chosen["optim.name"] = "adamw" if frozen else "sgd"
    if config.optim.lr == 0:
        sgd = 0.01 if pretrained and not frozen else 0.05
        chosen["optim.lr"] = _HEAD_LR if name == "adamw" else sgd
    return chosen


def head_lr(width: int) -> float:
    """Learning rate of a linear head on vectors of so many numbers, by AdamW.

    Its steps are of one size in every weight, and vectors of one length (`views.vectors`). So a
    step moves logits by sqrt(width) times the rate, and narrow vectors want a larger one.

    >>> [head_lr(width) for width in (4, 64, 1280, 2048)]
    [0.018, 0.0045, 0.001, 0.001]
    """
    return float(f"{_HEAD_LR * math.sqrt(max(_WIDE / width, 1)):.2g}")


def head_dropout(width: int) -> float:
    """Dropout of vectors of so many numbers; of a few, half of them says too little of a class.

    >>> [head_dropout(width) for width in (4, 1280)]
    [0.25, 0.5]
    """
    return 0.25 if width < _NARROW else 0.5


def network(num_train: int, pixels: int) -> dict[str, str | int]:
    """Fields of the network: more images can teach, and pay for, a larger one."""
    if num_train <= 5_000:
        stages = 3 if pixels <= 32 else 4 if pixels <= 64 else 5
        width = 32 if stages == 3 else 16
        return {"model.name": "small_cnn", "model.stages": stages, "model.width": width}
    if num_train <= 50_000:
        return {"model.name": "resnet_small"}
    return {"model.name": "resnet18", "model.stem": "imagenet" if pixels > 64 else "cifar"}
