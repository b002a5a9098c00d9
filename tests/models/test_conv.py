"""The convolution against float64 NumPy, its gradients against lax's own."""

import jax
import numpy as np
import pytest

from dull_jax.models import conv


def arrays(batch, side, kernel_size, channels=3, features=4):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, side, side, channels)).astype(np.float32)
    kernel = rng.normal(size=(kernel_size, kernel_size, channels, features)).astype(np.float32)
    return x, kernel


@pytest.mark.parametrize("batch", [2, 3 * conv.PIECE])
@pytest.mark.parametrize(
    ("side", "kernel_size", "stride"), [(8, 3, 1), (8, 3, 2), (7, 3, 2), (8, 1, 2), (9, 7, 2)]
)
def test_value_is_the_sum_over_windows(batch, side, kernel_size, stride):
    x, kernel = arrays(batch, side, kernel_size)
    pad = kernel_size // 2
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (kernel_size, kernel_size), axis=(1, 2)
    )[:, ::stride, ::stride]
    expected = np.einsum("bhwcij,ijcd->bhwd", windows, kernel)
    np.testing.assert_allclose(conv.conv2d(x, kernel, stride), expected, atol=1e-4)


@pytest.mark.parametrize("batch", [conv.PIECE, conv.PIECE + 1, 2 * conv.PIECE])
@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (3, 2), (1, 2)])
def test_gradients_in_pieces_are_those_of_the_whole_batch(batch, kernel_size, stride):
    x, kernel = arrays(batch, 6, kernel_size)

    def loss(function):
        return lambda x, kernel: (function(x, kernel, stride) ** 2).sum()

    got = jax.jit(jax.grad(loss(conv.conv2d_in_pieces), (0, 1)))(x, kernel)
    expected = jax.jit(jax.grad(loss(conv.plain_conv2d), (0, 1)))(x, kernel)
    for ours, lax in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, lax, rtol=1e-4, atol=1e-3)


def test_pieces_are_for_cpu_and_large_batches_only(monkeypatch):
    def pieces(batch):
        x, kernel = arrays(batch, 4, 3)
        return "custom_vjp" in str(jax.make_jaxpr(lambda x, k: conv.conv2d(x, k))(x, kernel))

    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert pieces(2 * conv.PIECE + 1) and not pieces(2 * conv.PIECE)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not pieces(2 * conv.PIECE + 1)
