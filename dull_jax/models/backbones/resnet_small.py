"""A residual network for CPUs: three stages of two blocks and no max pooling.

The gradient of a max pool is slow there.
"""

import jax
from flax import linen as nn

from dull_jax.models.layers import ModuleDef, average_pool

TITLE = "Small ResNet"


class SmallBlock(nn.Module):
    """Two 3x3 convolutions; a block that halves the size starts from the average of 2x2 pixels.

    Pooling in front of both branches leaves each 3x3 a quarter of the pixels and loses none.
    """

    features: int
    halve: bool
    conv: ModuleDef
    norm: ModuleDef

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        if self.halve:
            x = average_pool(x)
        y = nn.relu(self.norm()(self.conv(self.features)(x), train))
        y = self.norm()(self.conv(self.features)(y), train)
        if x.shape[-1] != self.features:
            x = self.norm(name="shortcut_norm")(self.conv(self.features, 1)(x), train)
        return nn.relu(x + y)


class SmallResNet(nn.Module):
    """images [B, H, W, 3] -> feature map [B, H // 4, W // 4, 4 * width], >= 0; H, W >= 4."""

    conv: ModuleDef
    norm: ModuleDef
    width: int = 16

    @property
    def channels(self) -> int:
        return 4 * self.width

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = self.conv(self.width, name="stem")(images)
        x = nn.relu(self.norm(name="stem_norm")(x, train))
        for stage in range(3):
            for block in range(2):
                x = SmallBlock(
                    self.width * 2**stage,
                    stage > 0 and block == 0,
                    self.conv,
                    self.norm,
                    name=f"stage{stage + 1}_block{block + 1}",
                )(x, train)
        return x


Backbone = SmallResNet
