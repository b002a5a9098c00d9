"""The view of self-supervision against Pillow, colorsys and NumPy, one pixel at a time."""

import colorsys
import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image
from test_augment import GREY, RGB, normalized, some_images, some_keys

from dull_jax.data import pipeline
from dull_jax.data.views import augment, simclr_view

draw = jax.jit(simclr_view.draw, static_argnums=(1, 2, 3))
contrast_images = jax.jit(simclr_view.contrast_images)
view = jax.jit(augment.view, static_argnums=(0, 3))


def cropped(image, box, flip):
    """float64 [H, W, C]: bilinear between pixel centres of the crop, as its definition says."""
    top, left, h, w = box
    crop = image[top : top + h, left : left + w].astype(np.float64)
    height, width, _ = image.shape
    out = np.empty(image.shape)
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            upper = crop[y0, x0] * (1 - (x - x0)) + crop[y0, x1] * (x - x0)
            lower = crop[y1, x0] * (1 - (x - x0)) + crop[y1, x1] * (x - x0)
            out[i, j] = upper * (1 - (y - y0)) + lower * (y - y0)
    return out[:, ::-1] if flip else out


def luma(image):
    weights = [0.299, 0.587, 0.114] if image.shape[-1] == 3 else [1.0]
    return (image * weights).sum(-1, keepdims=True)


def coloured(image, factors, turn, grey):
    image = np.clip(image * factors[0], 0, 255)
    mean = luma(image).mean()
    image = np.clip(mean + factors[1] * (image - mean), 0, 255)
    if image.shape[-1] == 1:
        return image
    image = np.clip(luma(image) + factors[2] * (image - luma(image)), 0, 255)
    for place in np.ndindex(image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*image[place] / 255)
        image[place] = 255 * np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
    return np.repeat(luma(image), 3, axis=-1) if grey else image


@pytest.mark.parametrize(
    ("spec", "shape"),
    [(RGB, (32, 32, 3)), (RGB, (9, 20, 3)), (GREY, (8, 8, 1))],
    ids=["square", "wide", "one_channel"],
)
def test_against_plain_numpy(spec, shape):
    images, keys = some_images(8, shape), some_keys(8)
    drawn = jax.device_get(draw(keys, *shape[:2], spec.flip))
    assert drawn.flips.any() and not drawn.flips.all() and drawn.greys.any()
    wanted = [
        coloured(cropped(image, drawn.boxes[i], drawn.flips[i]), drawn.factors[i], turn, grey)
        for i, (image, turn, grey) in enumerate(zip(images, drawn.turns, drawn.greys, strict=True))
    ]
    found = contrast_images(images, drawn)
    np.testing.assert_allclose(found, np.stack(wanted), atol=0.02)
    np.testing.assert_allclose(
        view("contrast", keys, images, spec), normalized(np.stack(wanted), spec), atol=1e-3
    )


def test_the_crop_is_pillows_to_a_grey_level():
    images, keys = some_images(10), some_keys(10, seed=3)
    drawn = jax.device_get(draw(keys, 32, 32, False))
    found = simclr_view.resized_crop(images, drawn.boxes, drawn.flips)
    for image, (top, left, h, w), row in zip(images, drawn.boxes, found, strict=True):
        crop = Image.fromarray(image[top : top + h, left : left + w])
        wanted = np.asarray(crop.resize((32, 32), Image.Resampling.BILINEAR), np.float64)
        np.testing.assert_allclose(row, wanted, atol=1.01)


def test_nothing_drawn_is_nothing_done():
    images = some_images(3)
    nothing = simclr_view.Draw(
        boxes=np.tile(np.int32([0, 0, 32, 32]), (3, 1)),
        flips=np.zeros(3, bool),
        factors=np.ones((3, 3), np.float32),
        turns=np.zeros(3, np.float32),
        greys=np.zeros(3, bool),
    )
    np.testing.assert_allclose(contrast_images(images, nothing), images, atol=1e-3)


def test_colours_without_hue_stay_as_they_are():
    grey = np.full((1, 8, 8, 3), 77, np.float32)
    turned = simclr_view.turn_hue(grey, np.array([0.07], np.float32))
    np.testing.assert_allclose(turned, grey)


def test_draws():
    drawn = jax.device_get(draw(some_keys(20_000), 32, 48, True))
    top, left, height, width = drawn.boxes.T
    assert (top >= 0).all() and (top + height <= 32).all()
    assert (left >= 0).all() and (left + width <= 48).all()
    area = height * width / (32 * 48)
    assert 0.17 < area.min() and abs(np.mean(area < 0.6) - 0.5) < 0.03
    ratio = np.log(width / height)
    inside = area < 0.5  # larger ones are cut to the image
    assert np.abs(ratio[inside]).max() < np.log(4 / 3) + 0.15 and abs(ratio[inside].mean()) < 0.01
    assert abs(drawn.flips.mean() - 0.5) < 0.02 and abs(drawn.greys.mean() - 0.2) < 0.02
    jittered = drawn.turns != 0
    assert abs(jittered.mean() - 0.8) < 0.02 and (drawn.factors[~jittered] == 1).all()
    assert 0.6 <= drawn.factors.min() < 0.61 and 1.39 < drawn.factors.max() <= 1.4
    assert 0.099 < np.abs(drawn.turns).max() <= 0.1
    assert not jax.device_get(draw(some_keys(200), 32, 32, False)).flips.any()


@pytest.mark.parametrize(("spec", "shape"), [(RGB, (32, 32, 3)), (GREY, (8, 8, 1))])
def test_a_row_depends_on_its_key_and_image_only(spec, shape):
    images, keys = some_images(40, shape), some_keys(40)
    whole = np.asarray(view("contrast", keys, images, spec))
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(view("contrast", keys[order], images[order], spec), whole[order])
    np.testing.assert_array_equal(view("contrast", keys[3:8], images[3:8], spec), whole[3:8])


def test_two_views_are_two_draws():
    images = some_images(4)
    spec = dataclasses.replace(RGB, flip=False)
    made = pipeline.views_of(("contrast", "contrast2"), some_keys(4), images, spec)
    one, two = made["contrast"], made["contrast2"]
    assert all(not np.allclose(a, b) for a, b in zip(one, two, strict=True))
