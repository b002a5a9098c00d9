"""The convolution of all backbones, with a weight gradient that suits XLA's CPU backend.

XLA takes the weight gradient there as a convolution whose window is a whole image and whose
channels are the batch, and slows down as the batch grows. Summed over pieces of 16 images, a step
takes about 0.7 of the CPU time for the small networks at batch 128, and 0.8 for PreAct-ResNet-18
at batch 64; its compilation takes two to three times as long. Other backends need no help.
"""

from functools import partial

import jax
import jax.numpy as jnp

# Images a piece. Eight were no faster for resnet_small and double what has to be compiled; a batch
# of two pieces gained nothing.
PIECE = 16


def conv2d(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """x [B, H, W, C] * kernel [k, k, C, D] -> [B, h, w, D], zero-padded by k // 2 on every side.

    On CPU a batch over 32 has no forward-mode derivative (`jax.jvp`): its gradient is set by hand.
    """
    if jax.default_backend() == "cpu" and x.shape[0] > 2 * PIECE:
        return conv2d_in_pieces(x, kernel, stride)
    return plain_conv2d(x, kernel, stride)


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
    dk = sum(
        kernel_gradient(x[i : i + PIECE], kernel, dy[i : i + PIECE], stride)
        for i in range(0, x.shape[0], PIECE)
    )
    return dx, dk.astype(kernel.dtype)


def kernel_gradient(x, kernel, dy, stride):
    (dk,) = jax.linear_transpose(lambda k: plain_conv2d(x, k, stride), kernel)(dy)
    return dk.astype(jnp.float32)  # The sum over pieces must not be rounded to bfloat16 each time.


conv2d_in_pieces.defvjp(forward, backward)
