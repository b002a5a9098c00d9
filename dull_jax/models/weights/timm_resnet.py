"""ResNet-18 and ResNet-50 weights in timm's layout (also torchvision's), from a safetensors file.

Nothing is downloaded and nothing is unpickled. The backbone is taken, the classifier is not. Such
weights expect images normalised by ImageNet's `MEAN` and `STD`, and need `config.model.stem` =
"imagenet" with batch normalisation at the published width.
"""

import os
import re
from collections.abc import Mapping

import numpy as np

from dull_jax.errors import UserError
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.network import backbone
from dull_jax.models.weights import tensors as reader

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# (bottleneck blocks?, blocks of each stage): what a file's tensor names tell.
_KNOWN = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}

# A module or variable of ours -> its name in the file; {} counts from 0 there.
_NAMES = (
    (r"stem", "conv1"),
    (r"stem_norm", "bn1"),
    (r"stage(\d)_block(\d+)", "layer{}.{}"),
    (r"Conv_(\d)", "conv{}"),
    (r"Norm_(\d)", "bn{}"),
    (r"shortcut", "downsample.0"),
    (r"shortcut_norm", "downsample.1"),
    (r"kernel|scale", "weight"),
    (r"bias", "bias"),
    (r"mean", "running_mean"),
    (r"var", "running_var"),
)


def load(path: str | os.PathLike, name: str) -> dict[str, np.ndarray]:
    """The backbone `name` from the file: {'params/backbone/…', 'batch_stats/backbone/…': float32}.

    Kernels come as [H, W, in, out]. Every tensor of the file is used once, but for the classifier
    (`fc.*`) and the counters `num_batches_tracked`.

    Raises:
      UserError: not a safetensors file, of another network, or a tensor is missing, unknown, of
        another shape or not finite.
    """
    tensors = {key: array for key, array in reader.read(path).items() if not _ignored(key)}
    seen = _looks_like(tensors)
    if seen != name:
        raise UserError(f"{path}: these look like weights of {seen}, config.model.name is {name!r}")
    wanted = _leaves(name)
    shapes = {_tensor_name(leaf): reader.theirs(shape) for leaf, shape in wanted.items()}
    reader.check(path, tensors, shapes)
    return {
        leaf.replace("/", "/backbone/", 1): reader.ours(tensors[_tensor_name(leaf)])
        for leaf in wanted
    }


def _ignored(key: str) -> bool:
    return key.startswith("fc.") or key.endswith(".num_batches_tracked")


def _looks_like(tensors: Mapping[str, np.ndarray]) -> str:
    """The network by its tensors' names."""
    stages: dict[int, set[int]] = {}
    for key in tensors:
        if match := re.match(r"layer([0-9])\.([0-9]{1,4})\.", key):
            stages.setdefault(int(match[1]), set()).add(int(match[2]))
    blocks = tuple(len(stages[stage]) for stage in sorted(stages))
    described = f"something else (blocks of its layers: {blocks or 'none'})"
    return _KNOWN.get(("layer1.0.conv3.weight" in tensors, blocks), described)


def _leaves(name: str) -> dict[str, tuple[int, ...]]:
    """{'params/stage1_block1/Conv_0/kernel': shape} of our network."""
    return reader.shapes_of(backbone(name)(conv=Conv, norm=Norm, stem="imagenet"), 64)


def _tensor_name(leaf: str) -> str:
    """The file's name for one of our leaves.

    >>> _tensor_name("batch_stats/stage2_block1/Norm_0/BatchNorm_0/mean")
    'layer2.0.bn1.running_mean'
    """
    parts = [part for part in leaf.split("/")[1:] if part != "BatchNorm_0"]
    return ".".join(_part_name(part) for part in parts)


def _part_name(part: str) -> str:
    for pattern, name in _NAMES:
        if match := re.fullmatch(pattern, part):
            numbers = [int(number) for number in match.groups()]
            # Ours count blocks from 1 and convolutions from 0, the file the other way round.
            shifts = (0, -1) if len(numbers) == 2 else (1,)
            return name.format(*(n + s for n, s in zip(numbers, shifts, strict=False)))
    raise ValueError(f"{part!r} has no name in timm's layout")
