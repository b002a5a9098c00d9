"""Vision Transformers (Dosovitskiy et al. 2021), in the form of timm: blocks that normalise first.

With LayerScale, register tokens or attention pooling where a network has them. Parts have the
names of timm, so that a file of weights needs no table.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax.errors import UserError
from dull_jax.models.layers import ModuleDef

_HEAD = 64  # numbers of a query
_normal = nn.initializers.truncated_normal(0.02)


class ViT(nn.Module):
    """images [B, H, W, C] -> feature map [B, 1, 1, width], of any sign: one vector an image.

    It is the class token, or what attention pooled, after the last norm. Positions are kept for
    `grid` x `grid` patches and resampled to those of the image. Layer normalisation in any case:
    `norm` is not used.

    Raises:
      UserError: the image is no whole number of patches; `width` is no multiple of 64.
    """

    conv: ModuleDef
    norm: ModuleDef
    width: int
    depth: int
    patch: int
    grid: int
    class_token: bool = True  # False: attention pooling (Zhai et al. 2023, SigLIP)
    registers: int = 0  # tokens that are thrown away (Darcet et al. 2024)
    layer_scale: bool = False

    @property
    def channels(self) -> int:
        return self.width

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        if self.width % _HEAD:
            raise UserError(f"config.model.width={self.width}: of a ViT a multiple of {_HEAD}")
        x = PatchEmbed(self.conv, self.width, self.patch, name="patch_embed")(images)
        x = self.with_tokens(x)
        for number in range(self.depth):
            x = Block(self.layer_scale, name=f"blocks_{number}")(x)
        x = layer_norm(x, "norm")
        x = x[:, 0] if self.class_token else AttentionPool(name="attn_pool")(x)
        return x[:, None, None]

    def with_tokens(self, patches: jax.Array) -> jax.Array:
        """[B, h, w, width] -> [B, tokens + h * w, width]: positions added, learnt tokens in front.

        Beside registers the class token has no position (timm's `no_embed_class`).
        """
        own_position = int(self.class_token and not self.registers)
        shape = (1, own_position + self.grid**2, self.width)
        kept = self.param("pos_embed", _normal, shape)
        positions = resampled(kept, self.grid, patches.shape[1:3])
        x = patches.reshape(len(patches), -1, self.width)
        x = x + positions[:, own_position:].astype(x.dtype)
        counts = {"cls_token": int(self.class_token), "reg_token": self.registers}
        learnt = [
            self.param(name, _normal, (1, count, self.width))
            for name, count in counts.items()
            if count
        ]
        if own_position:
            learnt[0] = learnt[0] + positions[:, :1]
        tokens = [jnp.broadcast_to(t, (len(x), *t.shape[1:])).astype(x.dtype) for t in learnt]
        return jnp.concatenate([*tokens, x], axis=1)


class PatchEmbed(nn.Module):
    """images [B, H, W, C] -> [B, H / patch, W / patch, width]."""

    conv: ModuleDef
    width: int
    patch: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        batch, height, width, channels = images.shape
        if height % self.patch or width % self.patch:
            raise UserError(
                f"images of {height} x {width} pixels: a ViT with patches of {self.patch} pixels; "
                f"set config.model.input_size to a multiple of {self.patch}"
            )
        rows, columns = height // self.patch, width // self.patch
        x = images.reshape(batch, rows, self.patch, columns, self.patch, channels)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1)
        x = self.conv(self.width, 1, name="proj")(x)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        return x + bias.astype(x.dtype)


class Block(nn.Module):
    """[B, T, D] -> [B, T, D]: attention, then a perceptron, each added to what it was given."""

    layer_scale: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for part, number in ((Attention(name="attn"), 1), (Perceptron(name="mlp"), 2)):
            y = part(layer_norm(x, f"norm{number}"))
            x = x + (LayerScale(name=f"ls{number}")(y) if self.layer_scale else y)
        return x


class Attention(nn.Module):
    """Self-attention of several heads: [B, T, D] -> [B, T, D]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        q, k, v = jnp.split(dense(x, 3 * x.shape[-1], "qkv"), 3, axis=-1)
        return dense(attend(q, k, v), x.shape[-1], "proj")


class AttentionPool(nn.Module):
    """[B, T, D] -> [B, D]: one learnt query looks at all tokens, then a perceptron."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, _, width = x.shape
        latent = self.param("latent", _normal, (1, 1, width)).astype(x.dtype)
        q = dense(jnp.broadcast_to(latent, (batch, 1, width)), width, "q")
        k, v = jnp.split(dense(x, 2 * width, "kv"), 2, axis=-1)
        x = dense(attend(q, k, v), width, "proj")
        return (x + Perceptron(name="mlp")(layer_norm(x, "norm")))[:, 0]


class Perceptron(nn.Module):
    """One hidden layer of four times the width, with the exact GELU."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = nn.gelu(dense(x, 4 * x.shape[-1], "fc1"), approximate=False)
        return dense(hidden, x.shape[-1], "fc2")


class LayerScale(nn.Module):
    """A factor for each number (Touvron et al. 2021)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gamma = self.param("gamma", nn.initializers.constant(1e-5), (x.shape[-1],))
        return x * gamma.astype(x.dtype)


def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """q [B, S, D], k and v [B, T, D] -> [B, S, D]; heads of 64 numbers, weights in float32."""
    q, k, v = (x.reshape(*x.shape[:2], -1, _HEAD) for x in (q, k, v))
    scores = jnp.einsum("bshd,bthd->bhst", q * _HEAD**-0.5, k)
    weights = nn.softmax(scores.astype(jnp.float32)).astype(v.dtype)
    x = jnp.einsum("bhst,bthd->bshd", weights, v)
    return x.reshape(*x.shape[:2], -1)


def resampled(positions: jax.Array, grid: int, shape: tuple[int, int]) -> jax.Array:
    """[1, E + grid * grid, D] -> [1, E + h * w, D]: bicubic, antialiased; E as they are."""
    if shape == (grid, grid):
        return positions
    extra = positions.shape[1] - grid * grid
    square = positions[:, extra:].reshape(1, grid, grid, -1)
    square = jax.image.resize(square, (1, *shape, square.shape[-1]), "cubic")
    return jnp.concatenate([positions[:, :extra], square.reshape(1, -1, square.shape[-1])], 1)


def dense(x: jax.Array, features: int, name: str) -> jax.Array:
    """A linear layer `[..., C]` -> `[..., features]`, in the type of x."""
    return nn.Dense(features, dtype=x.dtype, kernel_init=_normal, name=name)(x)


def layer_norm(x: jax.Array, name: str) -> jax.Array:
    """Over the last axis, with timm's epsilon."""
    return nn.LayerNorm(epsilon=1e-6, dtype=x.dtype, name=name)(x)
