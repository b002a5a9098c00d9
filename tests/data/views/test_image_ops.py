"""Each operation against Pillow: exact, but for one grey level where a test says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from dull_jax.data.views import image_ops
from dull_jax.data.views.image_ops import ID

STRENGTHS = (-1.0, -0.45, 0.3, 1.0)
ENHANCERS = {
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "brightness": ImageEnhance.Brightness,
    "sharpness": ImageEnhance.Sharpness,
}
FILL = 125


def pictures(height=32, width=32, channels=3):
    """Noise, low contrast, a smooth ramp, few values, and a constant image."""
    rng = np.random.default_rng(0)
    shape = (height, width, channels)
    ramp = np.linspace(3, 180, height * width * channels).reshape(shape)
    rows = [
        rng.integers(0, 256, shape),
        rng.integers(90, 141, shape),
        rng.normal(130, 30, shape).clip(0, 255),
        ramp,
        rng.integers(0, 2, shape) * 100 + 60,
        np.full(shape, 77),
    ]
    return np.stack(rows).astype(np.uint8)


def to_pillow(image):
    return Image.fromarray(image if image.shape[-1] == 3 else image[..., 0])


def affine(image, coefficients):
    fill = (FILL,) * 3 if image.mode == "RGB" else FILL
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, fillcolor=fill)


def pillow(name, image, s):
    """The operation in Pillow's terms, with the ranges of the AutoAugment paper."""
    width, height = image.size
    if name in ENHANCERS:
        return ENHANCERS[name](image).enhance(1 + 0.9 * s)
    dx, dy = (round(10 / 32 * side * s) for side in (width, height))
    fill = (FILL,) * 3 if image.mode == "RGB" else FILL
    return {
        "identity": lambda: image,
        "invert": lambda: ImageOps.invert(image),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "posterize": lambda: ImageOps.posterize(image, 8 - round(4 * abs(s))),
        "solarize": lambda: ImageOps.solarize(image, int(256 * (1 - abs(s)))),
        "rotate": lambda: image.rotate(30 * s, fillcolor=fill),
        "shear_x": lambda: affine(image, (1, 0.3 * s, 0, 0, 1, 0)),
        "shear_y": lambda: affine(image, (1, 0, 0, 0.3 * s, 1, 0)),
        "translate_x": lambda: affine(image, (1, 0, -dx, 0, 1, 0)),
        "translate_y": lambda: affine(image, (1, 0, 0, 0, 1, -dy)),
    }[name]()


def expected(name, images, s):
    rows = [np.asarray(pillow(name, to_pillow(image), s)) for image in images]
    return np.stack(rows).reshape(images.shape).astype(int)


@jax.jit
def apply(images, ops, strengths):
    _, height, width, channels = images.shape
    changed = image_ops.colour(images, ops, strengths)
    where = image_ops.matrix(ops, strengths, height, width)
    return image_ops.warp(changed, where, (FILL,) * channels)


def ours(name, images, s):
    n = len(images)
    return np.asarray(apply(images, np.full(n, ID[name]), np.full(n, s, np.float32))).astype(int)


@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("name", image_ops.NAMES)
def test_operation_is_pillows(name, channels):
    images = pictures(channels=channels)
    for s in STRENGTHS:
        wanted, found = expected(name, images, s), ours(name, images, s)
        differ = np.abs(wanted - found)
        if name in ("autocontrast", *ENHANCERS):
            assert differ.max() <= 1
            assert (differ > 0).mean() < 0.01
        elif name == "rotate":
            # A coordinate on the edge of two pixels may fall to either side in float32.
            assert (differ > 0).mean() < 0.002
        else:
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ("equalize", "sharpness", "rotate", "translate_x", "contrast"))
def test_other_sizes(name):
    images = pictures(height=17, width=40)
    differ = np.abs(expected(name, images, 0.6) - ours(name, images, 0.6))
    assert (differ > 0).mean() < 0.01


def test_autocontrast_is_the_exact_floor():
    images = pictures()
    low = images.min((1, 2), keepdims=True).astype(int)
    span = images.max((1, 2), keepdims=True) - low
    exact = np.where(span > 0, 255 * (images - low) // np.maximum(span, 1), images)
    np.testing.assert_array_equal(image_ops.autocontrast(jnp.asarray(images)), exact)


def test_strength_zero_changes_nothing():
    images = pictures()
    for name in set(image_ops.NAMES) - {"autocontrast", "equalize", "invert"}:
        np.testing.assert_array_equal(ours(name, images, 0.0), images, err_msg=name)


@pytest.mark.parametrize("n", (1, 13))
def test_rows_have_their_own_operation(n):
    """Also where a rare operation needs several rounds of the loop, or n is no multiple of 8."""
    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
    names = rng.choice(["equalize", "sharpness", "autocontrast", "color", "shear_x"], n)
    ops = np.array([ID[name] for name in names])
    found = np.asarray(apply(images, ops, np.full(n, 0.7, np.float32))).astype(int)
    for row, name in enumerate(names):
        wanted = expected(name, images[row : row + 1], 0.7)[0]
        assert np.abs(found[row] - wanted).max() <= (0 if name in ("equalize", "shear_x") else 1)


def test_composed_matrices_read_through_the_later_first():
    images = pictures(height=24, width=32)
    n = len(images)
    matrix = jax.jit(image_ops.matrix, static_argnums=(2, 3))
    turn = matrix(np.full(n, ID["rotate"]), np.full(n, 0.8, np.float32), 24, 32)
    shear = matrix(np.full(n, ID["shear_y"]), np.full(n, -0.7, np.float32), 24, 32)
    both = image_ops.compose(turn, shear)
    np.testing.assert_allclose(both, np.asarray(turn) @ np.asarray(shear), atol=1e-5)
    wanted = [affine(to_pillow(i), np.asarray(both[0, :2], float).ravel().tolist()) for i in images]
    found = jax.jit(image_ops.warp, static_argnums=2)(images, both, (FILL,) * 3)
    assert (np.stack([np.asarray(w) for w in wanted]) != np.asarray(found)).mean() < 0.002


def test_grey_is_pillows_mode_l():
    images = pictures()
    wanted = [np.asarray(to_pillow(image).convert("L")) for image in images]
    np.testing.assert_array_equal(image_ops.grey(jnp.asarray(images))[..., 0], np.stack(wanted))
