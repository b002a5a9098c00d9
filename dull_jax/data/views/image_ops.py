"""Image operations of AutoAugment and RandAugment; each image of a batch gets its own.

A `lax.switch` under `vmap` would run all branches on every image. Here instead
- pointwise operations are one formula with other numbers (`pointwise`);
- autocontrast, equalize and sharpness, which do not fit it, run on the rows that drew them;
- geometric operations are matrices: they compose, and the image is sampled once (`warp`).
Arithmetic follows Pillow to the grey level (the exception is named at `autocontrast`).
Images are uint8 [n, H, W, C] with C = 1 or 3; on one channel `color` does nothing.

A `strength` is signed, in [-1, 1]; 0 is no change except for autocontrast, equalize and invert.
"""

import jax
import jax.numpy as jnp

NAMES = (
    "identity",
    "autocontrast",
    "equalize",
    "rotate",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "invert",
)
ID = {name: position for position, name in enumerate(NAMES)}
ENHANCE = ("color", "contrast", "brightness", "sharpness")

MAX_ENHANCE = 0.9  # factor 1 + 0.9 s: from 0.1 to 1.9
MAX_ROTATION = 30.0  # degrees, counter-clockwise for s > 0
MAX_SHEAR = 0.3
MAX_TRANSLATION = 10 / 32  # of the side: 10 pixels of a CIFAR image


def enhance_factor(strengths: jax.Array) -> jax.Array:
    """Weight of the image against its degenerate version; above 1 it extrapolates."""
    return 1 + MAX_ENHANCE * strengths


def grey(images: jax.Array) -> jax.Array:
    """Luma (ITU-R 601) as Pillow's mode L, int32 [n, H, W, 1]."""
    x = images.astype(jnp.int32)
    if x.shape[-1] == 1:
        return x
    luma = 19595 * x[..., 0] + 38470 * x[..., 1] + 7471 * x[..., 2] + 0x8000
    return (luma >> 16)[..., None]


def pointwise(images: jax.Array, ops: jax.Array, strengths: jax.Array) -> jax.Array:
    """Posterize, solarize, invert, brightness, contrast and color; other rows stay unchanged.

    images uint8 [n, H, W, C], ops int32 [n], strengths float32 [n] -> uint8 [n, H, W, C].
    Each operation is `anchor + factor * (y - anchor)` on y, the posterized or inverted pixel, so
    that one pass without branches serves the batch; the identity has anchor 0 and factor 1.
    """

    def chosen(*names):
        return jnp.isin(ops, jnp.array([ID[name] for name in names]))[:, None, None, None]

    s = strengths[:, None, None, None]
    dropped = jnp.round(4 * jnp.abs(s)).astype(jnp.int32)
    step = jnp.where(chosen("posterize"), 1 << dropped, 1)
    threshold = jnp.floor(256 * (1 - jnp.abs(s))).astype(jnp.int32)
    threshold = jnp.where(chosen("solarize"), threshold, jnp.where(chosen("invert"), 0, 256))
    y = images.astype(jnp.int32) & -step
    y = jnp.where(y >= threshold, 255 - y, y)

    luma = grey(images)
    pixels = luma.shape[1] * luma.shape[2]
    mean = (luma.sum((1, 2, 3), keepdims=True) + pixels // 2) // pixels
    anchor = jnp.where(chosen("color"), luma, jnp.where(chosen("contrast"), mean, 0))
    factor = jnp.where(chosen("color", "contrast", "brightness"), enhance_factor(s), 1)
    return blend(anchor, y, factor)


def blend(degenerate: jax.Array, images: jax.Array, factor: jax.Array) -> jax.Array:
    """Pillow's `Image.blend`: clipped to 0..255, fractions cut off, uint8."""
    degenerate = degenerate.astype(jnp.float32)
    mixed = degenerate + factor * (images.astype(jnp.float32) - degenerate)
    return jnp.clip(mixed, 0, 255).astype(jnp.uint8)


def autocontrast(images: jax.Array) -> jax.Array:
    """Stretch each channel to 0..255: floor(255 (x - min) / (max - min)); constant ones stay.

    Pillow computes x * scale + offset in double precision, which ends one grey level lower in
    some cases where the quotient is a whole number.
    """
    x = images.astype(jnp.float32)
    low, high = x.min((1, 2), keepdims=True), x.max((1, 2), keepdims=True)
    span = jnp.maximum(high - low, 1)
    # Half a unit before the division keeps its rounding from pulling a whole number down.
    stretched = jnp.floor((255 * (x - low) + 0.5) / span)
    return jnp.where(high > low, stretched, x).astype(jnp.uint8)


def equalize(images: jax.Array) -> jax.Array:
    """Flatten the histogram of each channel as Pillow does; under 256 pixels nothing changes."""
    n, _, _, channels = images.shape
    row = jnp.arange(n * channels, dtype=jnp.uint32).reshape(n, 1, 1, channels)
    where = 256 * row + images
    counts = jnp.zeros(n * channels * 256, jnp.int32)
    counts = counts.at[where.reshape(-1)].add(1, mode="promise_in_bounds").reshape(-1, 256)
    darker = jnp.cumsum(counts, 1) - counts
    # All pixels but those of the brightest value, over 255.
    step = jnp.where(counts > 0, darker, 0).max(1).reshape(row.shape) // 255
    # The division comes after the look-up: XLA fuses a table into the gather, a division a pixel
    # either way, and vectorises only what is outside.
    rank = darker.reshape(-1).at[where].get(mode="promise_in_bounds") + step // 2
    level = jnp.floor((rank + 0.5) / jnp.maximum(step, 1))
    return jnp.where(step > 0, jnp.minimum(level, 255), images).astype(jnp.uint8)


def sharpness(images: jax.Array, strengths: jax.Array) -> jax.Array:
    """Blend with the 3x3 smoothed image (centre weight 5 of 13); the border stays as it is."""
    x = images.astype(jnp.int32)
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    box = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    centre = x[:, 1:-1, 1:-1]
    smooth = (box + 4 * centre + 6) // 13
    inner = blend(smooth, centre, enhance_factor(strengths)[:, None, None, None])
    return images.at[:, 1:-1, 1:-1].set(inner)


def colour(images: jax.Array, ops: jax.Array, strengths: jax.Array) -> jax.Array:
    """Apply to each image its operation, ops int32 [n]; geometric ones leave it unchanged."""
    images = pointwise(images, ops, strengths)
    order = jnp.argsort(ops)

    def on_rows(name, fn, images):
        """`fn` on the rows of one operation, in a loop over an eighth of the batch at a time.

        A rare operation then costs about what its rows cost, on any device, in a program of
        fixed shapes. The loop usually runs once.
        """
        chunk = -(-len(ops) // 8)
        first, last = jnp.searchsorted(ops[order], ID[name] + jnp.arange(2))

        def body(state):
            start, out = state
            position = start + jnp.arange(chunk)
            rows = order.at[position].get(mode="clip")
            changed = fn(images[rows], strengths[rows])
            rows = jnp.where(position < last, rows, len(ops))
            return start + chunk, out.at[rows].set(changed, mode="drop")

        return jax.lax.while_loop(lambda state: state[0] < last, body, (first, images))[1]

    images = on_rows("autocontrast", lambda some, _: autocontrast(some), images)
    images = on_rows("equalize", lambda some, _: equalize(some), images)
    return on_rows("sharpness", sharpness, images)


def matrix(ops: jax.Array, strengths: jax.Array, height: int, width: int) -> jax.Array:
    """Where an output point (x, y, 1) is read in the input: float32 [n, 3, 3].

    Shears keep the top left corner, rotations the centre; translations are whole pixels.
    Operations that are not geometric give the identity.
    """

    def amount(name, value):
        return jnp.where(ops == ID[name], value, 0.0)

    angle = amount("rotate", jnp.deg2rad(MAX_ROTATION) * strengths)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    shear_x = amount("shear_x", MAX_SHEAR * strengths)
    shear_y = amount("shear_y", MAX_SHEAR * strengths)
    right = amount("translate_x", jnp.round(MAX_TRANSLATION * width * strengths))
    down = amount("translate_y", jnp.round(MAX_TRANSLATION * height * strengths))
    x, y = width / 2, height / 2
    first = jnp.stack([cos, shear_x - sin, x - cos * x + sin * y - right], -1)
    second = jnp.stack([shear_y + sin, cos, y - sin * x - cos * y - down], -1)
    third = jnp.broadcast_to(jnp.array([0.0, 0.0, 1.0]), first.shape)
    return jnp.stack([first, second, third], -2)


def compose(first: jax.Array, second: jax.Array) -> jax.Array:
    """Matrix [n, 3, 3] of `first`, then `second`: the output is read through second, then first.

    Not a matmul, whose rounding may depend on the size of the batch.
    """
    return (first[:, :, :, None] * second[:, None, :, :]).sum(2)


def warp(images: jax.Array, matrices: jax.Array, fill: tuple[int, ...]) -> jax.Array:
    """Sample each image through its matrix, nearest pixel; `fill` [C] where it reads outside.

    Pixel centres and 16.16 fixed point as in Pillow's `Image.transform(..., AFFINE)`.
    """
    _, height, width, _ = images.shape
    centred = matrices[:, :2].at[:, :, 2].add(matrices[:, :2, :2].sum(-1) / 2)
    fixed = jnp.floor(centred * 65536 + 0.5).astype(jnp.int32)[..., None, None]
    column, line = jnp.arange(width), jnp.arange(height)[:, None]
    x, y = (
        (row[:, 0] * column + row[:, 1] * line + row[:, 2]) >> 16 for row in fixed.swapaxes(0, 1)
    )
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return take_pixels(images, jnp.where(inside, y * width + x, height * width), fill)


def take_pixels(images: jax.Array, positions: jax.Array, fill: tuple[int, ...]) -> jax.Array:
    """Pixels of each image at flat positions [n, h, w] in 0..H*W, where H*W is `fill` [C].

    One gather of whole pixels, the fill being an extra one. Random crops of 128 CIFAR images on
    two idle CPU cores took 0.35 ms with a gather, 0.75 with a vmapped dynamic_slice, 1.7 with
    log-step shifts, 1.9 with two one-hot matmuls.
    """
    n, height, width, channels = images.shape
    extra = jnp.broadcast_to(jnp.array(fill, jnp.uint8), (n, 1, channels))
    flat = jnp.concatenate([images.reshape(n, height * width, channels), extra], 1)
    return jax.vmap(lambda image, where: image.at[where].get(mode="promise_in_bounds"))(
        flat,
        positions.astype(jnp.uint32),  # unsigned: no wrap-around of negatives to compute
    )
