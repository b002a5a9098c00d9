"""Views of an image that a step draws on the device: plain, weak, strong and contrast.

Every example has its own key, and nothing but key and image enters its view: a batch that is
permuted, split or sharded gives the same rows. (With the `rbg` generator JAX does not promise
this under `vmap`; the default, `threefry`, does.)
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax import fields
from dull_jax.data.views import image_ops, simclr_view
from dull_jax.data.views.image_ops import ENHANCE, ID
from dull_jax.errors import UserError
from dull_jax.fields import choice, number, switch

VIEWS = ("plain", "weak", "strong", "contrast")
POLICIES = ("randaugment", "autoaugment")
RANDAUGMENT = tuple(name for name in image_ops.NAMES if name != "invert")

# AutoAugment for CIFAR-10 (Cubuk et al., CVPR 2019, appendix table 7): 25 pairs of
# (operation, probability, magnitude 0..9).
AUTOAUGMENT = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)


FIELDS = {
    "crop_pad": number(4, "weak view: pixels of zero padding before the random crop", 0, 64),
    "flip": switch(True, "weak view: horizontal flip"),
    "strong": choice("randaugment", "strong view: randaugment or autoaugment", POLICIES),
    "num_ops": number(2, "RandAugment: operations per image", 1, 10),
    "magnitude": number(10, "RandAugment: strength of an operation", 0, 10),
    "cutout": number(16, "strong view: side of the square cut out, pixels; 0: none", 0, 1024),
}


@dataclasses.dataclass(frozen=True)
class AugmentSpec:
    """What the views do; hashable, so that it can be a static argument of a compiled function.

    mean, std: per channel, of pixels scaled to [0, 1]. crop_pad: zero pixels around the raw image
    before a random crop of its own size, as is usual for CIFAR (0 = no crop). flip: mirror left
    and right half of the time. strong: the policy of the strong view. num_ops, magnitude (0 to
    10, where 10 is the largest change of each operation): for RandAugment. cutout: side of the
    square in pixels (0 = off). A value that makes no sense is a UserError.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pad: int = FIELDS["crop_pad"].default
    flip: bool = FIELDS["flip"].default
    strong: str = FIELDS["strong"].default
    num_ops: int = FIELDS["num_ops"].default
    magnitude: int = FIELDS["magnitude"].default
    cutout: int = FIELDS["cutout"].default

    def __post_init__(self):
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise UserError(f"augment: mean {self.mean} and std {self.std} need 1 or 3 values each")
        if not all(0 <= value <= 1 for value in self.mean):
            raise UserError(f"augment: mean {self.mean} must lie in [0, 1]; divide it by 255")
        if not all(0 < value < math.inf for value in self.std):
            raise UserError(f"augment: std {self.std} must be positive")
        values = {name: getattr(self, name) for name in FIELDS}
        fields.check_all("augment", FIELDS, values)

    def view(self, name: str, keys: jax.Array | None, images: jax.Array) -> jax.Array:
        """`view` of these images."""
        return view(name, keys, images, self)


def view(name: str, keys: jax.Array, images: jax.Array, spec: AugmentSpec) -> jax.Array:
    """One view of each image, normalised: (x / 255 - mean) / std.

    name: 'plain', 'weak' (crop, flip), 'strong' (weak, then the policy, then cutout) or 'contrast'
    (of self-supervision, see `simclr_view`); name and spec are static under jit. keys: typed
    PRNG keys [n], not read by 'plain'; the same keys give the strong view of the very weak view.
    images uint8 [n, H, W, C], sides at least 8, C 1 or 3. Returns float32 [n, H, W, C].
    """
    _check(name, images, spec)
    if name == "plain":
        return normalize(images, spec)
    if name == "contrast":
        drawn = simclr_view.draw(keys, *images.shape[1:3], spec.flip)
        return normalize(simclr_view.contrast_images(images, drawn), spec)
    if spec.crop_pad or spec.flip:
        images = crop_flip(images, *draw_weak(keys, spec), spec.crop_pad)
    if name == "weak":
        return normalize(images, spec)
    images = apply_policy(images, *draw_strong(keys, spec), spec)
    images = normalize(images, spec)
    if not spec.cutout:
        return images
    centres = draw_cutout(keys, spec, *images.shape[1:3])
    return cut_out(images, centres, spec.cutout)


def _check(name, images, spec):
    if name not in VIEWS:
        raise UserError(f"augment: view {name!r} is unknown; choose one of {VIEWS}")
    if images.ndim != 4 or images.dtype != jnp.uint8 or min(images.shape[1:3]) < 8:
        found = f"{images.dtype} {tuple(images.shape)}"
        raise UserError(f"augment: images must be uint8 [n, H, W, C] of 8 pixels or more: {found}")
    if images.shape[-1] != len(spec.mean):
        raise UserError(
            f"augment: images have {images.shape[-1]} channels, mean has {len(spec.mean)}"
        )


def normalize(images: jax.Array, spec: AugmentSpec) -> jax.Array:
    """(x / 255 - mean) / std, float32."""
    mean, std = np.array(spec.mean), np.array(spec.std)
    scale, shift = np.float32(1 / (255 * std)), np.float32(-mean / std)
    return images.astype(jnp.float32) * scale + shift


def _uniform(keys, spec):
    """All numbers in [0, 1) that an example may need, [n, 5 + m]: weak 3, cutout 2, policy m.

    One draw, the same for every view: the generator is a good part of the time to compile.
    """
    policy = 2 * spec.num_ops if spec.strong == "randaugment" else 5
    return jax.vmap(lambda key: jax.random.uniform(key, (5 + policy,)))(keys)


def draw_weak(keys: jax.Array, spec: AugmentSpec) -> tuple[jax.Array, jax.Array]:
    """Top left corners int32 [n, 2] (y, x) of the crops in the padded image, flips bool [n]."""
    u = _uniform(keys, spec)[:, :3]
    offsets = jnp.floor(u[:, :2] * (2 * spec.crop_pad + 1)).astype(jnp.int32)
    return offsets, (u[:, 2] < 0.5) & spec.flip


def draw_cutout(keys: jax.Array, spec: AugmentSpec, height: int, width: int) -> jax.Array:
    """Centres int32 [n, 2] (y, x) of the squares, uniform over the image."""
    u = _uniform(keys, spec)[:, 3:5]
    return jnp.floor(u * jnp.array([height, width])).astype(jnp.int32)


def crop_flip(images: jax.Array, offsets: jax.Array, flips: jax.Array, pad: int) -> jax.Array:
    """Crop to the same size from the image with `pad` zeros on each side, then mirror x."""
    _, height, width, channels = images.shape
    x = jnp.arange(width)
    x = jnp.where(flips[:, None], width - 1 - x, x) + offsets[:, 1:] - pad
    y = jnp.arange(height) + offsets[:, :1] - pad
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    where = jnp.where(inside, y[:, :, None] * width + x[:, None, :], height * width)
    return image_ops.take_pixels(images, where, (0,) * channels)


def draw_strong(keys: jax.Array, spec: AugmentSpec) -> tuple[jax.Array, jax.Array]:
    """Operations int32 [n, k] (ids of `image_ops`) in order, signed strengths float32 [n, k]."""
    draw = _draw_randaugment if spec.strong == "randaugment" else _draw_autoaugment
    return draw(keys, spec)


def _draw_randaugment(keys, spec):
    """Cubuk et al. 2020: uniform operations, with replacement, one magnitude, random signs."""
    u = _uniform(keys, spec)[:, 5:].reshape(len(keys), 2, spec.num_ops)
    ids = jnp.array([ID[name] for name in RANDAUGMENT])
    ops = ids[jnp.floor(u[:, 0] * len(ids)).astype(jnp.int32)]
    return ops, jnp.where(u[:, 1] < 0.5, -1.0, 1.0) * (spec.magnitude / 10)


def _draw_autoaugment(keys, spec):
    """A sub-policy, each of its two operations with its probability.

    Signs of geometric operations are random. Enhancements are not symmetric: magnitude 0 to 10 is
    a factor of 0.1 to 1.9, so that 5 leaves the image as it is.
    """
    u = _uniform(keys, spec)[:, 5:]
    pick = jnp.floor(u[:, 0] * len(AUTOAUGMENT)).astype(jnp.int32)
    ids, chances, magnitudes, enhance = (jnp.array(column)[pick] for column in _autoaugment_table())
    ops = jnp.where(u[:, 1:3] < chances, ids, ID["identity"])
    signed = jnp.where(u[:, 3:] < 0.5, -1.0, 1.0) * magnitudes / 10
    return ops, jnp.where(enhance, magnitudes / 5 - 1, signed)


def _autoaugment_table():
    """ids, probabilities, magnitudes and 'is an enhancement', each [25, 2]."""
    flat = [operation for pair in AUTOAUGMENT for operation in pair]
    ids = np.array([ID[name] for name, _, _ in flat], np.int32)
    chances, magnitudes = np.array([rest for _, *rest in flat], np.float32).T
    enhance = np.array([name in ENHANCE for name, _, _ in flat])
    return [column.reshape(-1, 2) for column in (ids, chances, magnitudes, enhance)]


def apply_policy(
    images: jax.Array, ops: jax.Array, strengths: jax.Array, spec: AugmentSpec
) -> jax.Array:
    """Operations [n, k] on uint8 images; uncovered pixels take the mean colour.

    Colour operations run in their order; geometric ones are composed in theirs and sampled once,
    last. The papers alternate: there, an equalize after a rotation also counts the uncovered
    corners, and two geometric operations sample twice.
    """
    _, height, width, _ = images.shape
    total = jnp.eye(3)[None]
    for op, strength in zip(ops.T, strengths.T, strict=True):
        images = image_ops.colour(images, op, strength)
        total = image_ops.compose(total, image_ops.matrix(op, strength, height, width))
    fill = tuple(round(255 * value) for value in spec.mean)
    return image_ops.warp(images, total, fill)


def cut_out(images: jax.Array, centres: jax.Array, side: int) -> jax.Array:
    """Zero a square, clipped at the borders (DeVries & Taylor 2017), in normalised images.

    It covers rows y - side // 2 up to, not including, y - side // 2 + side; columns alike.
    """
    start = centres - side // 2

    def covered(axis):
        position = jnp.arange(images.shape[1 + axis]) - start[:, axis, None]
        return (position >= 0) & (position < side)

    hole = covered(0)[:, :, None] & covered(1)[:, None, :]
    return jnp.where(hole[..., None], 0.0, images)
