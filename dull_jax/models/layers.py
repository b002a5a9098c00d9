"""The layers all backbones share: convolution, normalisation, average pooling and the two stems."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax.models.conv import conv2d

ModuleDef = Callable[..., nn.Module]

he_normal_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
uniform_fan_in = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Conv(nn.Module):
    """A k x k convolution without bias, zero-padded by k // 2 on every side, on [B, H, W, C].

    Weights: He normal, fan-out (He et al. 2015).
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", he_normal_fan_out, shape)
        return conv2d(x.astype(self.dtype), kernel.astype(self.dtype), self.stride)


class Norm(nn.Module):
    """Batch normalisation (momentum 0.9) or group normalisation of the last axis.

    With `axis_name` the batch statistics are those of the whole batch over that mapped axis,
    used only when `train`. Statistics and parameters are float32 whatever `dtype` is.
    """

    kind: str = "batch"
    axis_name: str | None = None
    dtype: Any = jnp.float32
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        if self.kind == "group":
            # 32 groups (Wu and He 2018); fewer in a narrow layer: a group keeps two channels.
            groups = max(math.gcd(64, x.shape[-1]) // 2, 1)
            return nn.GroupNorm(groups, epsilon=self.epsilon, dtype=self.dtype)(x)
        return nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            epsilon=self.epsilon,
            dtype=self.dtype,
            axis_name=self.axis_name,
        )(x)


# A fully connected layer of a head: float32 also where the backbone computes in bfloat16.
Dense = partial(nn.Dense, dtype=jnp.float32, kernel_init=uniform_fan_in)


def average_pool(x: jax.Array) -> jax.Array:
    """Mean over 2 x 2 windows: [B, H, W, C] -> [B, H // 2, W // 2, C]; an odd last line is cut.

    >>> average_pool(jnp.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    Array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def global_average(feature_map: jax.Array) -> jax.Array:
    """[B, h, w, C] -> [B, C], summed in float32.

    >>> global_average(jnp.arange(4.0).reshape(1, 2, 2, 1))
    Array([[1.5]], dtype=float32)
    """
    return feature_map.astype(jnp.float32).mean((1, 2))


def stem_conv(conv: ModuleDef, stem: str, width: int) -> nn.Module:
    """The first convolution: 3x3 at full size ("cifar") or 7x7 with stride 2 ("imagenet")."""
    return conv(width, 7, 2, name="stem") if stem == "imagenet" else conv(width, 3, name="stem")


def stem_pool(x: jax.Array, stem: str) -> jax.Array:
    """The 3x3 max pool with stride 2 that ends the "imagenet" stem; nothing for "cifar"."""
    if stem == "imagenet":
        return nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
    return x
