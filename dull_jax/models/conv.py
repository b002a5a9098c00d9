"""The convolution of all backbones, in the forms that suit XLA's CPU backend.

Where the image is smaller than the window, XLA's own convolution there is many times slower (9 to
22 times, 3x3 on 2x2: docs/speed.md); windows written out and one matrix product are used instead.

XLA takes the weight gradient there as a convolution whose window is a whole image and whose
channels are the batch: it writes out a matrix of patches that no cache holds and slows down as the
batch grows. Summed over pieces of the batch whose patches fit, a step of PreAct-ResNet-18 at batch
64 is twice as fast; its compilation takes two to three times as long.

Other backends need no help.
"""

from functools import partial

import jax
import jax.numpy as jnp

# A piece: at most so many pixels, and pixels times channels. Measured: docs/speed.md.
PIECE_PIXELS = 8192
PIECE_VALUES = 2**17


def conv2d(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """x [B, H, W, C] * kernel [k, k, C, D] -> [B, h, w, D], zero-padded by k // 2 on every side.

    On CPU a batch of several pieces has no forward-mode derivative (`jax.jvp`): its gradient is
    set by hand.
    """
    if jax.default_backend() != "cpu":
        return plain_conv2d(x, kernel, stride)
    if min(x.shape[1:3]) < kernel.shape[0]:
        return conv2d_by_patches(x, kernel, stride)
    if x.shape[0] > piece_size(x.shape):
        return conv2d_in_pieces(x, kernel, stride)
    return plain_conv2d(x, kernel, stride)


def piece_size(shape: tuple[int, ...]) -> int:
    """Images of a piece of x [B, H, W, C]; no fewer than two, for the compiler's sake."""
    _, height, width, channels = shape
    return max(2, min(PIECE_PIXELS, PIECE_VALUES // channels) // (height * width))


def plain_conv2d(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`conv2d` by one operation of XLA: x `[B, H, W, C]`, kernel `[k, k, C, D]`."""
    # Explicit padding: "SAME" pads a strided convolution on the other side than the published nets.
    pad = kernel.shape[0] // 2
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def conv2d_by_patches(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`plain_conv2d` as one matrix product with the windows written out."""
    size, pad = kernel.shape[0], kernel.shape[0] // 2
    padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = ((side - 1) // stride + 1 for side in x.shape[1:3])

    def shifted(i: int, j: int) -> jax.Array:
        rows = slice(i, i + (height - 1) * stride + 1, stride)
        columns = slice(j, j + (width - 1) * stride + 1, stride)
        return padded[:, rows, columns]

    windows = jnp.concatenate([shifted(i, j) for i in range(size) for j in range(size)], axis=-1)
    return windows @ kernel.reshape(-1, kernel.shape[-1])


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv2d_in_pieces(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`plain_conv2d` with its weight gradient summed over pieces of the batch."""
    return plain_conv2d(x, kernel, stride)


def forward(x, kernel, stride):
    """Of `jax.custom_vjp`: (result, what `backward` needs)."""
    return plain_conv2d(x, kernel, stride), (x, kernel)


def backward(stride, saved, dy):
    """Of `jax.custom_vjp`: cotangents of x and kernel, that summed over pieces of the batch."""
    x, kernel = saved
    (dx,) = jax.linear_transpose(lambda x: plain_conv2d(x, kernel, stride), x)(dy)
    size = piece_size(x.shape)
    dk = sum(
        kernel_gradient(x[i : i + size], kernel, dy[i : i + size], stride)
        for i in range(0, x.shape[0], size)
    )
    return dx, dk.astype(kernel.dtype)


def kernel_gradient(x, kernel, dy, stride):
    """float32 cotangent of the kernel, shaped as it is."""
    (dk,) = jax.linear_transpose(lambda k: plain_conv2d(x, k, stride), kernel)(dy)
    return dk.astype(jnp.float32)  # The sum over pieces must not be rounded to bfloat16 each time.


conv2d_in_pieces.defvjp(forward, backward)
