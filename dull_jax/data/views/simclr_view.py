"""The view of self-supervised learning: a random part of the image in random colours.

SimSiam's and MoCo v2's augmentation without blur, as both use it for CIFAR: resized crop, flip,
colour jitter (0.4, 0.4, 0.4, 0.1) with probability 0.8, grey with probability 0.2. On one
channel brightness and contrast are all there is to jitter.

Differences from torchvision: the jitter keeps one order (brightness, contrast, saturation, hue),
not a random one; a crop that outgrows the image is cut to it, not drawn again; and pixels stay
float32 in [0, 255] between operations. No operation mixes examples.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dull_jax.data.views import image_ops

AREA = (0.2, 1.0)  # of the image
RATIO = (3 / 4, 4 / 3)  # width to height of the crop
JITTER, HUE = 0.4, 0.1  # factors 1 ± 0.4; hue in turns
JITTER_CHANCE, GREY_CHANCE = 0.8, 0.2
_LUMA = (0.299, 0.587, 0.114)


class Draw(NamedTuple):
    """What happens to each of n images."""

    boxes: jax.Array  # int32 [n, 4]: top, left, height, width of the crop
    flips: jax.Array  # bool [n]
    factors: jax.Array  # [n, 3]: brightness, contrast, saturation; 1 changes nothing
    turns: jax.Array  # [n]: of the hue; 0 changes nothing
    greys: jax.Array  # bool [n]


def draw(keys: jax.Array, height: int, width: int, flip: bool) -> Draw:
    """What to do with images of this size; keys [n]."""
    u = jax.vmap(lambda key: jax.random.uniform(key, (11,)))(keys)
    area = height * width * (AREA[0] + u[:, 0] * (AREA[1] - AREA[0]))
    low, high = map(math.log, RATIO)
    ratio = jnp.exp(low + u[:, 1] * (high - low))
    sides = [jnp.sqrt(area / ratio), jnp.sqrt(area * ratio)]
    sides = [
        jnp.clip(jnp.round(side), 1, limit)
        for side, limit in zip(sides, (height, width), strict=True)
    ]
    places = [
        jnp.floor(chance * (limit - side + 1))
        for chance, limit, side in zip(u[:, 2:4].T, (height, width), sides, strict=True)
    ]
    jittered = u[:, 5] < JITTER_CHANCE
    return Draw(
        boxes=jnp.stack(places + sides, 1).astype(jnp.int32),
        flips=(u[:, 4] < 0.5) & flip,
        factors=jnp.where(jittered[:, None], 1 + JITTER * (2 * u[:, 6:9] - 1), 1.0),
        turns=jnp.where(jittered, HUE * (2 * u[:, 9] - 1), 0.0),
        greys=u[:, 10] < GREY_CHANCE,
    )


def contrast_images(images: jax.Array, drawn: Draw) -> jax.Array:
    """uint8 [n, H, W, C], C 1 or 3 -> float32 [n, H, W, C] in [0, 255]."""
    images = resized_crop(images, drawn.boxes, drawn.flips)
    brightness, contrast, saturation = (f[:, None, None, None] for f in drawn.factors.T)
    images = jnp.clip(brightness * images, 0, 255)
    mean = luma(images).mean((1, 2, 3), keepdims=True)
    images = jnp.clip(mean + contrast * (images - mean), 0, 255)
    if images.shape[-1] == 1:
        return images
    grey = luma(images)
    images = jnp.clip(grey + saturation * (images - grey), 0, 255)
    images = turn_hue(images, drawn.turns)
    return jnp.where(drawn.greys[:, None, None, None], luma(images), images)


def resized_crop(images: jax.Array, boxes: jax.Array, flips: jax.Array) -> jax.Array:
    """Each image's box enlarged to the image's size (bilinear), then mirrored.

    uint8 [n, H, W, C] -> float32 [n, H, W, C]. Pixel centres as in Pillow's resize of the crop:
    nothing outside the box is read.
    """
    _, height, width, channels = images.shape
    top, bottom, down = _between(boxes[:, 0], boxes[:, 2], height)
    left, right, across = _between(boxes[:, 1], boxes[:, 3], width)
    left, right, across = (
        jnp.where(flips[:, None], line[:, ::-1], line) for line in (left, right, across)
    )

    def pixels(y, x):
        where = y[:, :, None] * width + x[:, None, :]
        return image_ops.take_pixels(images, where, (0,) * channels).astype(jnp.float32)

    across, down = across[:, None, :, None], down[:, :, None, None]
    upper = (1 - across) * pixels(top, left) + across * pixels(top, right)
    lower = (1 - across) * pixels(bottom, left) + across * pixels(bottom, right)
    return (1 - down) * upper + down * lower


def _between(start, size, length):
    """The two pixels each of `length` places lies between, int32 [n, length], and how far along."""
    centre = (jnp.arange(length) + 0.5) * (size[:, None] / length) - 0.5
    centre = jnp.clip(centre, 0, size[:, None] - 1)
    first = jnp.floor(centre).astype(jnp.int32)
    second = jnp.minimum(first + 1, size[:, None] - 1)
    return start[:, None] + first, start[:, None] + second, centre - first


def luma(images: jax.Array) -> jax.Array:
    """Luma (ITU-R 601) of float images: [n, H, W, C] -> [n, H, W, 1]."""
    if images.shape[-1] == 1:
        return images
    # Not a matmul, whose rounding may depend on the size of the batch.
    return sum(share * images[..., c, None] for c, share in enumerate(_LUMA))


def turn_hue(images: jax.Array, turns: jax.Array) -> jax.Array:
    """Hue (of HSV) moved by a share of the full circle, turns [n]; saturation and value stay."""
    red, green, blue = (images[..., c] for c in range(3))
    value, least = images.max(-1), images.min(-1)
    chroma = value - least
    span = jnp.where(chroma > 0, chroma, 1)
    # Never `value == red`: compiled, the two sides may be rounded differently.
    reddest, greener = (red >= green) & (red >= blue), green >= blue
    hue = jnp.where(
        reddest,
        (green - blue) / span,
        jnp.where(greener, 2 + (blue - red) / span, 4 + (red - green) / span),
    )
    hue = (hue + 6 * turns[:, None, None]) % 6
    ramps = jnp.abs(hue - 3) - 1, 2 - jnp.abs(hue - 2), 2 - jnp.abs(hue - 4)
    return least[..., None] + chroma[..., None] * jnp.clip(jnp.stack(ramps, -1), 0, 1)
