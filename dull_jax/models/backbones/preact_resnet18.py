"""PreAct-ResNet-18 (He et al. 2016b, "Identity Mappings in Deep Residual Networks")."""

import jax
from flax import linen as nn

from dull_jax.models.layers import ModuleDef, stem_conv, stem_pool

TITLE = "PreAct-ResNet-18"
STEMS = ("cifar", "imagenet")


class PreActBlock(nn.Module):
    """norm-ReLU-conv twice; a shortcut that changes the shape starts after the first ReLU."""

    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = nn.relu(self.norm()(x, train))
        if self.stride != 1 or x.shape[-1] != self.features:
            x = self.conv(self.features, 1, self.stride, name="shortcut")(y)
        y = self.conv(self.features, 3, self.stride)(y)
        y = nn.relu(self.norm()(y, train))
        return x + self.conv(self.features)(y)


class PreActResNet18(nn.Module):
    """images [B, H, W, 3] -> feature map [B, h, w, 8 * width], >= 0; h = H/8 ("cifar" stem).

    The blocks are those of DivideMix's network. Kept from He et al. and absent from DivideMix's
    code are the last norm and ReLU: without them features are not >= 0, which the class-specific
    channels of DULL need. 11,172,170 parameters with a linear head for 10 classes.
    """

    conv: ModuleDef
    norm: ModuleDef
    stem: str = "cifar"
    width: int = 64

    @property
    def channels(self) -> int:
        return 8 * self.width

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = stem_pool(stem_conv(self.conv, self.stem, self.width)(images), self.stem)
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage > 0 and block == 0 else 1
                x = PreActBlock(
                    self.width * 2**stage,
                    stride,
                    self.conv,
                    self.norm,
                    name=f"stage{stage + 1}_block{block + 1}",
                )(x, train)
        return nn.relu(self.norm(name="last_norm")(x, train))


Backbone = PreActResNet18
