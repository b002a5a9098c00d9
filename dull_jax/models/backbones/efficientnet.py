"""EfficientNet-Lite (Tan & Le 2019, without squeeze-excite, with ReLU6), as TensorFlow pads it.

XLA's depthwise convolution on CPU takes five to seven times as long as the sum of its k x k shifted
products; which of the two is compiled follows the platform that a program is lowered for.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax.errors import UserError
from dull_jax.models.layers import ModuleDef, he_normal_fan_out

EPSILON = 1e-3  # of batch normalisation
STEM, HEAD = 32, 1280  # channels; they do not grow with the width
# (expansion, kernel, stride, channels, repeats) of each stage of Lite0.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class EfficientNetLite(nn.Module):
    """images [B, H, W, 3] -> feature map [B, H // 32, W // 32, 1280], in [0, 6].

    width_factor, depth_factor: of the channels and repeats of the stages. Parts are named as in
    PyTorch's weights, without the leading underscore.

    Raises:
      UserError: `width` is set, which these networks do not have.
    """

    conv: ModuleDef
    norm: ModuleDef
    width_factor: float = 1.0
    depth_factor: float = 1.0
    width: int = 0

    channels = HEAD

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        if self.width:
            raise UserError(
                f"model.width={self.width}: EfficientNet-Lite has its own; leave it at 0"
            )
        norm, dtype = self.norm, self.conv.keywords.get("dtype", jnp.float32)
        x = SameConv(STEM, 3, 2, dtype, name="conv_stem")(images)
        x = relu6(norm(epsilon=EPSILON, name="bn0")(x, train))
        for number, (expansion, kernel, stride, channels) in enumerate(self.blocks()):
            block = MBConv(
                norm, expansion, kernel, stride, channels, dtype, name=f"blocks_{number}"
            )
            x = block(x, train)
        x = SameConv(HEAD, 1, 1, dtype, name="conv_head")(x)
        return relu6(norm(epsilon=EPSILON, name="bn1")(x, train))

    def blocks(self) -> list[tuple[int, int, int, int]]:
        """(expansion, kernel, stride, channels) of every block."""
        made = []
        for stage, (expansion, kernel, stride, channels, repeats) in enumerate(STAGES):
            if 0 < stage < len(STAGES) - 1:  # the first and the last stay single
                repeats = math.ceil(self.depth_factor * repeats)
            shape = (expansion, kernel, rounded(self.width_factor * channels))
            made += [(*shape[:2], stride if n == 0 else 1, shape[2]) for n in range(repeats)]
        return made


class MBConv(nn.Module):
    """Inverted residual: expansion, depthwise convolution, projection (Sandler et al. 2018)."""

    norm: ModuleDef
    expansion: int
    kernel: int
    stride: int
    channels: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y, inner = x, self.expansion * x.shape[-1]
        if self.expansion > 1:
            y = SameConv(inner, 1, 1, self.dtype, name="expand_conv")(y)
            y = relu6(self.norm(epsilon=EPSILON, name="bn0")(y, train))
        y = DepthwiseConv(self.kernel, self.stride, self.dtype, name="depthwise_conv")(y)
        y = relu6(self.norm(epsilon=EPSILON, name="bn1")(y, train))
        y = SameConv(self.channels, 1, 1, self.dtype, name="project_conv")(y)
        y = self.norm(epsilon=EPSILON, name="bn2")(y, train)
        return x + y if x.shape == y.shape else y


class SameConv(nn.Module):
    """A convolution without bias, padded as TensorFlow's SAME; 1x1 as a matrix product."""

    features: int
    kernel_size: int
    stride: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", he_normal_fan_out, shape).astype(self.dtype)
        x = x.astype(self.dtype)
        if self.kernel_size == self.stride == 1:
            return x @ kernel[0, 0]
        return jax.lax.conv_general_dilated(
            x, kernel, (self.stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )


class DepthwiseConv(nn.Module):
    """Each channel by its own k x k window: kernel [k, k, 1, C]."""

    kernel_size: int
    stride: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, 1, x.shape[-1])
        kernel = self.param("kernel", he_normal_fan_out, shape).astype(self.dtype)
        return depthwise(x.astype(self.dtype), kernel, self.stride)


def depthwise(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """x [B, H, W, C], kernel [k, k, 1, C] -> [B, ceil(H / stride), ceil(W / stride), C]."""
    return jax.lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: shifted_products(x, kernel, stride),
        default=lambda x, kernel: grouped(x, kernel, stride),
    )


def grouped(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`depthwise` by XLA's own grouped convolution."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def shifted_products(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`depthwise` as the sum of k * k shifted images, each times its weight."""
    size = len(kernel)
    height, width = (-(-side // stride) for side in x.shape[1:3])
    padding = [_same_padding(side, size, stride) for side in x.shape[1:3]]
    # Made once: fused with the sum, what x comes from would be computed for each of its terms.
    x = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), *padding, (0, 0))))

    def shifted(i: int, j: int) -> jax.Array:
        rows = slice(i, i + (height - 1) * stride + 1, stride)
        columns = slice(j, j + (width - 1) * stride + 1, stride)
        return x[:, rows, columns]

    return sum(shifted(i, j) * kernel[i, j, 0] for i in range(size) for j in range(size))


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def relu6(x: jax.Array) -> jax.Array:
    """x between 0 and 6."""
    return jnp.clip(x, 0, 6)


def rounded(channels: float) -> int:
    """The multiple of eight near it, and no less than nine tenths of it."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near
