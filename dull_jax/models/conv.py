"""The convolution of all backbones, with a weight gradient that suits XLA's CPU backend.

XLA takes the weight gradient there as a convolution whose window is a whole image and whose
channels are the batch: it writes out a matrix of patches that no cache holds and slows down as the
batch grows. Summed over pieces of the batch whose patches fit, a step of PreAct-ResNet-18 at batch
64 is twice as fast; its compilation takes two to three times as long. Other backends need no help.
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
    if jax.default_backend() == "cpu" and x.shape[0] > piece_size(x.shape):
        return conv2d_in_pieces(x, kernel, stride)
    return plain_conv2d(x, kernel, stride)


def piece_size(shape: tuple[int, ...]) -> int:
    """Images of a piece of x [B, H, W, C]; no fewer than two, for the compiler's sake."""
    _, height, width, channels = shape
    return max(2, min(PIECE_PIXELS, PIECE_VALUES // channels) // (height * width))


def plain_conv2d(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    # Explicit padding: "SAME" pads a strided convolution on the other side than the published nets.
    pad = kernel.shape[0] // 2
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv2d_in_pieces(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`plain_conv2d` with its weight gradient summed over pieces of the batch."""
    return plain_conv2d(x, kernel, stride)


def forward(x, kernel, stride):
    return plain_conv2d(x, kernel, stride), (x, kernel)


def backward(stride, saved, dy):
    x, kernel = saved
    (dx,) = jax.linear_transpose(lambda x: plain_conv2d(x, kernel, stride), x)(dy)
    size = piece_size(x.shape)
    dk = sum(
        kernel_gradient(x[i : i + size], kernel, dy[i : i + size], stride)
        for i in range(0, x.shape[0], size)
    )
    return dx, dk.astype(kernel.dtype)


def kernel_gradient(x, kernel, dy, stride):
    (dk,) = jax.linear_transpose(lambda k: plain_conv2d(x, k, stride), kernel)(dy)
    return dk.astype(jnp.float32)  # The sum over pieces must not be rounded to bfloat16 each time.


conv2d_in_pieces.defvjp(forward, backward)
