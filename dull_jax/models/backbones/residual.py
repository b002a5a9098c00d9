"""Residual networks (He et al. 2016a, "Deep Residual Learning for Image Recognition")."""

import jax
from flax import linen as nn

from dull_jax.models.layers import ModuleDef, stem_conv, stem_pool


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    expansion = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = nn.relu(self.norm()(self.conv(self.features, 3, self.stride)(x), train))
        y = self.norm()(self.conv(self.features)(y), train)
        return nn.relu(y + shortcut(self, x, self.features, train))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 to four times the width; the 3x3 has the stride ("v1.5", torchvision)."""

    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    expansion = 4

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = nn.relu(self.norm()(self.conv(self.features, 1)(x), train))
        y = nn.relu(self.norm()(self.conv(self.features, 3, self.stride)(y), train))
        y = self.norm()(self.conv(4 * self.features, 1)(y), train)
        return nn.relu(y + shortcut(self, x, 4 * self.features, train))


def shortcut(block: BasicBlock | Bottleneck, x: jax.Array, features: int, train: bool) -> jax.Array:
    """x itself, or a strided 1x1 convolution of it where the block changes the shape."""
    if block.stride == 1 and x.shape[-1] == features:
        return x
    x = block.conv(features, 1, block.stride, name="shortcut")(x)
    return block.norm(name="shortcut_norm")(x, train)


class ResNet(nn.Module):
    """images [B, H, W, 3] -> feature map [B, h, w, 8 * width * expansion], >= 0.

    h = H/32 with the "imagenet" stem, H/8 with the "cifar" stem.
    """

    block: type[nn.Module]
    blocks: tuple[int, ...]
    conv: ModuleDef
    norm: ModuleDef
    stem: str = "imagenet"
    width: int = 64

    @property
    def channels(self) -> int:
        return 8 * self.width * self.block.expansion

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = stem_conv(self.conv, self.stem, self.width)(images)
        x = stem_pool(nn.relu(self.norm(name="stem_norm")(x, train)), self.stem)
        for stage, blocks in enumerate(self.blocks):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = self.block(
                    self.width * 2**stage,
                    stride,
                    self.conv,
                    self.norm,
                    name=f"stage{stage + 1}_block{block + 1}",
                )(x, train)
        return x
