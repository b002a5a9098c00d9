"""A few convolutions with average pooling between them, for digits and CIFAR on a laptop."""

import jax
from flax import linen as nn

from dull_jax.errors import UserError
from dull_jax.fields import number
from dull_jax.models.layers import ModuleDef, average_pool

TITLE = "Small CNN"
FIELDS = {
    "stages": number(0, "small_cnn: convolutions, the image halved between them; 0: three", 0, 10),
}


class SmallCNN(nn.Module):
    """images [B, H, W, C] -> feature map [B, H // 2^s, W // 2^s, 2^s * width], >= 0.

    s = stages - 1: each stage after the first halves the image and doubles the channels. H and W
    are at least 2^s.
    """

    conv: ModuleDef
    norm: ModuleDef
    width: int = 32
    stages: int = 3

    @property
    def channels(self) -> int:
        return 2 ** (self.stages - 1) * self.width

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        halvings, side = self.stages - 1, min(images.shape[1:3])
        if side < 2**halvings:
            raise UserError(
                f"config.model.stages={self.stages}: images of {side} pixels cannot be halved "
                f"{halvings} times"
            )
        x = images
        for stage in range(self.stages):
            if stage > 0:
                x = average_pool(x)
            x = nn.relu(self.norm()(self.conv(self.width * 2**stage)(x), train))
        return x


Backbone = SmallCNN
