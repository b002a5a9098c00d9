"""A network: backbone, head and an optional projector, built from `config.model`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax.config import suggestion
from dull_jax.errors import UserError
from dull_jax.models.heads import BalancedHead, DisentangledHead, LinearHead, Projector
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.preact_resnet import PreActResNet18
from dull_jax.models.resnet import ResNet18, ResNet50
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
    """Images [B, H, W, C] to features z [B, num_features] >= 0 and logits [B, K], all float32.

    Call its parts through `network.apply(variables, x, method="embed")`. `train=True` normalises
    with batch statistics and needs `mutable=["batch_stats"]`. One `init(rng, images, train=False)`
    creates all parameters.
    """

    backbone: nn.Module
    head: nn.Module
    projector: nn.Module | None = None

    @property
    def num_features(self) -> int:
        """C, the length of z."""
        return self.head.num_features

    def __call__(self, images: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        """{"features" [B, C], "logits" [B, K]}; if built also "balanced_logits", "projection"."""
        z = self.embed(images, train)
        outputs = {"features": z, **self.head(z)}
        if self.projector is not None:
            outputs["projection"] = self.projector(z)
        return outputs

    def embed(self, images: jax.Array, train: bool = False) -> jax.Array:
        """images [B, H, W, C] -> z [B, num_features]."""
        return self.head.embed(self.backbone(images, train))

    def classify(self, z: jax.Array) -> jax.Array:
        """z [B, num_features] -> logits [B, K] of the (conventional) linear classifier."""
        return self.head.classify(z)


def build(model_config: Any, num_classes: int, axis_name: str | None = None) -> Network:
    """The network that `config.model` describes, without parameters.

    `axis_name`: the mapped axis over which batch statistics are shared in training. A step that
    is not mapped (one device, evaluation) takes None. Raises UserError for an unknown value.
    """
    dtype = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}[
        one_of("dtype", model_config.dtype, ("float32", "bfloat16"))
    ]
    backbone = build_backbone(model_config, dtype, axis_name)
    head = build_head(model_config, num_classes, backbone.channels, dtype)
    projector = Projector(model_config.projector) if model_config.projector else None
    return Network(backbone, head, projector)


def build_backbone(model_config: Any, dtype: Any, axis_name: str | None) -> nn.Module:
    name = one_of("name", model_config.name, tuple(BACKBONES))
    stem = one_of("stem", model_config.stem, ("cifar", "imagenet"))
    kind = one_of("norm", model_config.norm, ("batch", "group"))
    options = {"width": model_config.width} if model_config.width else {}
    if name not in WITHOUT_STEM:
        options["stem"] = stem
    elif stem != "cifar":
        raise UserError(f"model.name={name!r} has no {stem!r} stem; set model.stem='cifar'")
    norm = partial(Norm, kind, axis_name, dtype)
    return BACKBONES[name](conv=partial(Conv, dtype=dtype), norm=norm, **options)


def build_head(model_config: Any, num_classes: int, channels: int, dtype: Any) -> nn.Module:
    match one_of("head", model_config.head, ("linear", "balanced", "disentangled")):
        case "linear":
            return LinearHead(channels, num_classes)
        case "balanced":
            return BalancedHead(channels, num_classes)
        case "disentangled":
            return DisentangledHead(channels, num_classes, model_config.channels_per_class, dtype)


def one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    """`value`, if known; otherwise an error that suggests the nearest known one."""
    if value not in known:
        raise UserError(f"model.{key}={value!r} is unknown; {suggestion(value, known)}")
    return value
