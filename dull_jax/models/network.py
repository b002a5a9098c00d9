"""A network: the backbone of `config.model` and the head that the method asks for."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax import fields
from dull_jax.errors import UserError
from dull_jax.fields import Field, choice, number, path, switch
from dull_jax.models.contrastive import ContrastiveHead
from dull_jax.models.heads import (
    BalancedHead,
    CosineHead,
    DisentangledHead,
    ExpandedHead,
    LinearHead,
)
from dull_jax.models.layers import Conv, ModuleDef, Norm
from dull_jax.models.siamese import SiameseHead

BACKBONES = "dull_jax.models.backbones"
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
FIELDS = {  # of every backbone, and of the heads
    "stem": choice("cifar", "cifar (3x3) or imagenet (7x7 and max pool)", ("cifar", "imagenet")),
    "norm": choice("batch", "batch (over the global batch) or group", ("batch", "group")),
    "width": number(0, "channels of the first stage; 0: the network's own", 0, 4096),
    "dtype": choice("float32", "of the computation: float32 or bfloat16", tuple(DTYPES)),
    "projector": number(128, "output size of the projector, where a method has one", 1, 65536),
    "channels_per_class": number(4, "dull: at least so many channels a class", 0, 1024),
    "frozen": switch(
        False,
        "the pretrained backbone does not learn: each image is embedded once, and the rest is "
        "trained on its vectors",
        later=True,
    ),
    "views": number(
        2,
        "frozen: vectors of a train image: of the plain view, then of weak ones",
        1,
        64,
        later=True,
    ),
    "input_size": number(
        0,
        "frozen: pixels that images are brought to for the backbone; 0: as they are",
        0,
        1024,
        later=True,
    ),
    "cache": path(
        "frozen: folder where vectors are kept; empty: embeddings/ in the workdir",
        numbers=False,
        later=True,
    ),
}


def gathered() -> dict[str, Field]:
    """The fields of `config.model`: those of every backbone, and of each."""
    name = choice(
        "small_cnn",
        "the backbone; auto, for images of your own: chosen by how many and how large they are",
        (*fields.kinds(BACKBONES), "auto"),
    )
    weights = path(
        f"{', '.join(with_weights())}: a file of weights to start from; empty: those of the "
        "package, where there is one; none: from scratch",
        words=("none",),
    )
    probe = choice(
        "identity",
        "of a frozen backbone: what learns on its vectors, below the head",
        (name for name, module in fields.kinds(BACKBONES).items() if _on_vectors(module)),
        later=True,
    )
    own = {"name": name, "pretrained": weights, "probe": probe}
    return fields.gathered(own, FIELDS, fields.gathered_of(BACKBONES))


def with_weights() -> tuple[str, ...]:
    """The backbones that `config.model.pretrained` has weights for."""
    known = fields.kinds(BACKBONES)
    return tuple(name for name, module in known.items() if getattr(module, "WEIGHTS", ""))


def has_stems(name: str) -> bool:
    """Whether `config.model.stem` is a choice for that backbone."""
    return hasattr(fields.kinds(BACKBONES).get(name), "STEMS")


def backbone(name: str) -> Callable[..., nn.Module]:
    """The `Backbone` of that file. Raises UserError, with a suggestion, where there is none."""
    return fields.kind(BACKBONES, name, "model.name").Backbone


def _on_vectors(module: ModuleType) -> bool:
    return getattr(module, "VECTORS", False)


def trained(model_config: Any) -> str:
    """The backbone that learns: the probe, where the one that is named is frozen."""
    return model_config.probe if model_config.frozen else model_config.name


class Network(nn.Module):
    """Images [B, H, W, C], or vectors [B, D], to features z [B, num_features] and logits [B, K].

    All of them are float32. Call its parts through `network.apply(variables, x, method="embed")`.
    `train=True` normalises with batch statistics and needs `mutable=["batch_stats"]`. One
    `init(rng, images, train=False)` creates all parameters.
    """

    backbone: nn.Module
    head: nn.Module

    @property
    def num_features(self) -> int:
        """C, the length of z."""
        return self.head.num_features

    def __call__(self, images: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        """{"features" [B, C], "logits" [B, K], and what else the head has}."""
        z = self.embed(images, train)
        return {"features": z, **self.head(z, train)}

    def embed(self, images: jax.Array, train: bool = False) -> jax.Array:
        """images [B, H, W, C] -> z [B, num_features]."""
        return self.head.embed(self.backbone(images, train))

    def classify(self, z: jax.Array) -> jax.Array:
        """z [B, num_features] -> logits [B, K] of the (conventional) linear classifier."""
        return self.head.classify(z)


def build(
    model_config: Any,
    num_classes: int,
    axis_name: str | None = None,
    head: str = "linear",
    vector_size: int = 0,
) -> Network:
    """The network that `config.model` describes, with the head named, without parameters.

    Args:
      axis_name: the mapped axis over which batch statistics are shared in training. A step that is
        not mapped (one device, evaluation) takes None.
      vector_size: D, where it is given vectors of that size; 0 where it is given images.

    Raises:
      UserError: an unknown value; a backbone for vectors that is given images, or the reverse.
    """
    for name in ("stem", "norm", "dtype"):
        fields.check(f"model.{name}", FIELDS[name], model_config[name])
    dtype = DTYPES[model_config.dtype]
    backbone = build_backbone(model_config, dtype, axis_name, vector_size)
    norm = partial(Norm, model_config.norm, axis_name)
    return Network(backbone, build_head(head, model_config, num_classes, backbone.channels, norm))


def build_backbone(
    model_config: Any, dtype: Any, axis_name: str | None, vector_size: int = 0
) -> nn.Module:
    """Raises UserError for a field that is set and of another backbone."""
    name, stem = trained(model_config), model_config.stem
    module = fields.kind(BACKBONES, name, "model.name")
    if _on_vectors(module) != bool(vector_size):
        wanted, there = ("vectors", "images") if _on_vectors(module) else ("images", "vectors")
        raise UserError(f"model.name={name!r} is for {wanted}, and these are {there}")
    mine = {"width": FIELDS["width"]} | getattr(module, "FIELDS", {})
    stems = getattr(module, "STEMS", ())
    for owner, other in fields.kinds(BACKBONES).items():
        for key, field in getattr(other, "FIELDS", {}).items():
            if key not in mine and model_config[key] != field.default:
                raise UserError(
                    f"model.{key} is of {owner}; {name} has its own: leave it at {field.default}"
                )
    options = {key: model_config[key] for key in mine if model_config[key] != mine[key].default}
    if stems:
        options["stem"] = stem
    elif stem != FIELDS["stem"].default:
        raise UserError(f"model.name={name!r} has no {stem!r} stem; set model.stem='cifar'")
    if vector_size:
        return module.Backbone(num_inputs=vector_size, **options)
    norm = partial(Norm, model_config.norm, axis_name, dtype)
    return module.Backbone(conv=partial(Conv, dtype=dtype), norm=norm, **options)


def frozen_backbone(model_config: Any) -> nn.Module:
    """The backbone that is named, for evaluation with pretrained weights."""
    dtype = DTYPES[model_config.dtype]
    module = fields.kind(BACKBONES, model_config.name, "model.name")
    stem = {"stem": model_config.stem} if has_stems(model_config.name) else {}
    norm = partial(Norm, model_config.norm, None, dtype)
    return module.Backbone(conv=partial(Conv, dtype=dtype), norm=norm, **stem)


def build_head(
    name: str, model_config: Any, num_classes: int, channels: int, norm: ModuleDef
) -> nn.Module:
    """The head of this name, on features of so many channels. norm: of heads that normalise."""
    match name:
        case "linear":
            return LinearHead(channels, num_classes)
        case "balanced":
            return BalancedHead(channels, num_classes)
        case "cosine":
            return CosineHead(channels, num_classes)
        case "expanded" | "disentangled":
            kind = DisentangledHead if name == "disentangled" else ExpandedHead
            dtype = jnp.dtype(model_config.dtype)
            return kind(channels, num_classes, model_config.channels_per_class, dtype)
        case "contrastive":
            return ContrastiveHead(channels, num_classes, norm, model_config.projector)
        case "siamese":
            return SiameseHead(channels, num_classes, norm, model_config.projector)
    raise ValueError(f"there is no head {name!r}")
