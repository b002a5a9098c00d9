"""Three convolutions with average pooling between them, for digits and CIFAR on a laptop."""

import jax
from flax import linen as nn

from dull_jax.models.layers import ModuleDef, average_pool


class SmallCNN(nn.Module):
    """images [B, H, W, C] -> feature map [B, H // 4, W // 4, 4 * width], >= 0; H, W >= 4."""

    conv: ModuleDef
    norm: ModuleDef
    width: int = 32

    @property
    def channels(self) -> int:
        return 4 * self.width

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = images
        for stage in range(3):
            if stage > 0:
                x = average_pool(x)
            x = nn.relu(self.norm()(self.conv(self.width * 2**stage)(x), train))
        return x
