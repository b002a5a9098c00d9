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


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of three images of 6 x 6 with 3 channels, of two larger ones."""
    monkeypatch.setattr(conv, "PIECE_VALUES", 3 * 6 * 6 * 3)


@pytest.mark.parametrize("batch", [2, 9])
@pytest.mark.parametrize(
    ("side", "kernel_size", "stride"),
    [
        *[(8, 3, 1), (8, 3, 2), (7, 3, 2), (8, 1, 2), (9, 7, 2)],
        *[(1, 3, 1), (2, 3, 1), (2, 3, 2), (5, 7, 2), (6, 7, 2)],  # smaller than the window
    ],
)
def test_value_is_the_sum_over_windows(small_pieces, batch, side, kernel_size, stride):
    x, kernel = arrays(batch, side, kernel_size)
    pad = kernel_size // 2
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (kernel_size, kernel_size), axis=(1, 2)
    )[:, ::stride, ::stride]
    expected = np.einsum("bhwcij,ijcd->bhwd", windows, kernel)
    np.testing.assert_allclose(conv.conv2d(x, kernel, stride), expected, atol=1e-4)


@pytest.mark.parametrize("batch", [3, 4, 6])
@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (3, 2), (1, 2)])
def test_gradients_in_pieces_are_those_of_the_whole_batch(small_pieces, batch, kernel_size, stride):
    x, kernel = arrays(batch, 6, kernel_size)

    def loss(function):
        return lambda x, kernel: (function(x, kernel, stride) ** 2).sum()

    got = jax.jit(jax.grad(loss(conv.conv2d_in_pieces), (0, 1)))(x, kernel)
    expected = jax.jit(jax.grad(loss(conv.plain_conv2d), (0, 1)))(x, kernel)
    for ours, lax in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, lax, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (2, 1), (2, 2)])
def test_images_smaller_than_the_window_take_one_matrix_product(side, stride):
    x, kernel = arrays(5, side, 3)

    def loss(function):
        return lambda x, kernel: (function(x, kernel, stride) ** 2).sum()

    gradient = jax.grad(loss(conv.conv2d), (0, 1))
    assert "conv_general_dilated" not in str(jax.make_jaxpr(gradient)(x, kernel))
    expected = jax.jit(jax.grad(loss(conv.plain_conv2d), (0, 1)))(x, kernel)
    for ours, lax in zip(jax.jit(gradient)(x, kernel), expected, strict=True):
        np.testing.assert_allclose(ours, lax, rtol=1e-4, atol=1e-4)


def test_a_piece_holds_no_more_pixels_and_values_than_allowed():
    for side, channels in ((32, 3), (32, 16), (16, 64), (8, 128), (4, 512)):
        images = conv.piece_size((128, side, side, channels))
        pixels = images * side * side
        assert pixels <= conv.PIECE_PIXELS and pixels * channels <= conv.PIECE_VALUES
        assert images > 2
    assert conv.piece_size((128, 224, 224, 64)) == 2


def test_pieces_are_for_cpu_and_several_pieces_only(monkeypatch):
    def pieces(batch):
        x, kernel = arrays(batch, 32, 3)
        return "custom_vjp" in str(jax.make_jaxpr(lambda x, k: conv.conv2d(x, k))(x, kernel))

    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert pieces(9) and not pieces(8)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not pieces(9)
