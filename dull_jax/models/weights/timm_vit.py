"""Vision Transformers in timm's layout, from a safetensors file.

Nothing is downloaded and nothing is unpickled. The backbone is taken, the classifier is not.
"""

import math
import os
import re
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from dull_jax import fields
from dull_jax.errors import UserError
from dull_jax.models.backbones.vit import ViT, resampled
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.network import BACKBONES, backbone
from dull_jax.models.weights import tensors as reader

# Of pixels in [0, 1]. A backbone whose weights were trained with others has its own.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_PARTS = {
    "cls_token": "class token",
    "reg_token": "registers",
    "blocks.0.ls1.gamma": "LayerScale",
    "attn_pool.latent": "attention pooling",
}
_Shapes = Mapping[str, tuple[int, ...]]


def load(path: str | os.PathLike, name: str) -> dict[str, np.ndarray]:
    """The backbone `name` from the file: {'params/backbone/…': float32}; see `load_into`."""
    return load_into(_network(name), path, name)


def load_into(network: ViT, path: str | os.PathLike, name: str) -> dict[str, np.ndarray]:
    """Every tensor of the file is used once, but for the classifier (`head.*`).

    Dense kernels come as [in, out]. Positions of another grid, which weights for another size of
    image have, are resampled.

    Raises:
      UserError: not a safetensors file, of another network, or a tensor is missing, unknown, of
        another shape or not finite.
    """
    tensors = {key: a for key, a in reader.read(path).items() if not key.startswith("head.")}
    shapes, leaves = {key: array.shape for key, array in tensors.items()}, _leaves(network)
    wanted = _shapes_in_file(network)
    if _design(shapes) != _design(wanted):
        raise UserError(
            f"{path}: these look like weights of {_seen(shapes)}, config.model.name is {name!r}"
        )
    grid = _grid(shapes, wanted, network.grid)
    if grid:
        wanted |= {"pos_embed": shapes["pos_embed"]}
    reader.check(path, tensors, wanted)
    ours = {leaf: _ours(tensors[_tensor_name(leaf)], leaves[leaf]) for leaf in leaves}
    if grid:
        square = (network.grid, network.grid)
        positions = resampled(jnp.asarray(ours["params/pos_embed"]), grid, square)
        ours["params/pos_embed"] = np.asarray(positions)
    return {leaf.replace("/", "/backbone/", 1): array for leaf, array in ours.items()}


def _network(name: str) -> ViT:
    return backbone(name)(conv=Conv, norm=Norm)


def _leaves(network: ViT) -> dict[str, tuple[int, ...]]:
    """{'params/blocks_0/attn/qkv/kernel': shape} of our network."""
    return reader.shapes_of(network, network.patch)


def _shapes_in_file(network: ViT) -> dict[str, tuple[int, ...]]:
    shapes = {_tensor_name(leaf): shape for leaf, shape in _leaves(network).items()}
    dense = {key: shape[::-1] for key, shape in shapes.items() if len(shape) == 2}
    patches = (network.width, 3, network.patch, network.patch)
    return shapes | dense | {"patch_embed.proj.weight": patches}


def _tensor_name(leaf: str) -> str:
    """The file's name for one of our leaves.

    >>> _tensor_name("params/blocks_3/norm1/scale")
    'blocks.3.norm1.weight'
    """
    name = leaf.removeprefix("params/").replace("blocks_", "blocks.").replace("/", ".")
    name = name.replace("patch_embed.bias", "patch_embed.proj.bias")
    return re.sub(r"(?<=\.)(kernel|scale)$", "weight", name)


def _ours(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """[out, in] -> [in, out]; a patch [out, C, p, p] -> [1, 1, p * p * C, out]."""
    if tensor.ndim == 4:
        tensor = tensor.transpose(2, 3, 1, 0).reshape(shape)
    kernel = tensor.T if tensor.ndim == 2 else tensor
    return np.ascontiguousarray(reader.float32(kernel))


def _grid(shapes: _Shapes, wanted: _Shapes, grid: int) -> int:
    """The side of the file's square of positions where it is another one than `grid`; else 0."""
    there, here = shapes.get("pos_embed", ()), wanted["pos_embed"]
    if len(there) != 3 or (there[0], there[2]) != (here[0], here[2]):
        return 0
    squared = there[1] - (here[1] - grid**2)
    side = math.isqrt(max(squared, 0))
    return side if side != grid and side**2 == squared else 0


def _design(shapes: _Shapes) -> str:
    """What kind of ViT has tensors of these shapes."""
    blocks = {match[1] for key in shapes if (match := re.match(r"blocks\.([0-9]{1,4})\.", key))}
    patch, width = shapes.get("patch_embed.proj.weight", ()), shapes.get("norm.weight", ())
    if not blocks or len(patch) != 4 or len(width) != 1:
        return "something else"
    parts = [part for key, part in _PARTS.items() if key in shapes] or ["no class token"]
    return (
        f"a ViT of {len(blocks)} blocks of {width[0]}, patches of {patch[-1]} pixels, "
        f"{', '.join(parts)}"
    )


def _seen(shapes: _Shapes) -> str:
    """The backbone of ours that the file is for, or what it is."""
    design = _design(shapes)
    for name, module in fields.kinds(BACKBONES).items():
        if getattr(module, "WEIGHTS", "") == "timm_vit":
            if _design(_shapes_in_file(_network(name))) == design:
                return name
    return design
