"""A network: the backbone of `config.model` and the head that the method asks for."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax.config import suggestion
from dull_jax.errors import UserError
from dull_jax.models.contrastive import ContrastiveHead
from dull_jax.models.heads import BalancedHead, CosineHead, DisentangledHead, LinearHead
from dull_jax.models.layers import Conv, ModuleDef, Norm
from dull_jax.models.preact_resnet import PreActResNet18
from dull_jax.models.resnet import ResNet18, ResNet50
from dull_jax.models.siamese import SiameseHead
from dull_jax.models.small_cnn import SmallCNN
from dull_jax.models.small_resnet import SmallResNet

BACKBONES = {
    "preact_resnet18": PreActResNet18,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "resnet_small": SmallResNet,
    "small_cnn": SmallCNN,
}
WITHOUT_STEM = ("resnet_small", "small_cnn")


class Network(nn.Module):
    """Images [B, H, W, C] to features z [B, num_features] and logits [B, K], all float32.

    Call its parts through `network.apply(variables, x, method="embed")`. `train=True` normalises
    with batch statistics and needs `mutable=["batch_stats"]`. One `init(rng, images, train=False)`
    creates all parameters.
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
    model_config: Any, num_classes: int, axis_name: str | None = None, head: str = "linear"
) -> Network:
    """The network that `config.model` describes, with the head named, without parameters.

    `axis_name`: the mapped axis over which batch statistics are shared in training. A step that
    is not mapped (one device, evaluation) takes None. Raises UserError for an unknown value.
    """
    dtype = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}[
        one_of("dtype", model_config.dtype, ("float32", "bfloat16"))
    ]
    backbone = build_backbone(model_config, dtype, axis_name)
    norm = partial(Norm, model_config.norm, axis_name)
    return Network(backbone, build_head(head, model_config, num_classes, backbone.channels, norm))


def build_backbone(model_config: Any, dtype: Any, axis_name: str | None) -> nn.Module:
    name = one_of("name", model_config.name, tuple(BACKBONES))
    stem = one_of("stem", model_config.stem, ("cifar", "imagenet"))
    kind = one_of("norm", model_config.norm, ("batch", "group"))
    options = {key: model_config[key] for key in ("width", "stages") if model_config[key]}
    if "stages" in options and name != "small_cnn":
        raise UserError(f"model.stages is of small_cnn; {name} has its own: leave it at 0")
    if name not in WITHOUT_STEM:
        options["stem"] = stem
    elif stem != "cifar":
        raise UserError(f"model.name={name!r} has no {stem!r} stem; set model.stem='cifar'")
    norm = partial(Norm, kind, axis_name, dtype)
    return BACKBONES[name](conv=partial(Conv, dtype=dtype), norm=norm, **options)


def build_head(
    name: str, model_config: Any, num_classes: int, channels: int, norm: ModuleDef
) -> nn.Module:
    match name:
        case "linear":
            return LinearHead(channels, num_classes)
        case "balanced":
            return BalancedHead(channels, num_classes)
        case "cosine":
            return CosineHead(channels, num_classes)
        case "disentangled":
            dtype = jnp.dtype(model_config.dtype)
            return DisentangledHead(channels, num_classes, model_config.channels_per_class, dtype)
        case "contrastive":
            return ContrastiveHead(channels, num_classes, norm, model_config.projector)
        case "siamese":
            return SiameseHead(channels, num_classes, norm, model_config.projector)
    raise ValueError(f"there is no head {name!r}")


def one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    """`value`, if known; otherwise an error that suggests the nearest known one."""
    if value not in known:
        raise UserError(f"model.{key}={value!r} is unknown; {suggestion(value, known)}")
    return value
