"""A frozen backbone with its preprocessing: from images to vectors, on all devices.

Every device computes blocks of one size, whatever the number of images and of devices: the vector
of an image does not depend on what is beside it, bit for bit.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from dull_jax.data.views import augment as images
from dull_jax.data.views import vectors
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.errors import UserError
from dull_jax.models import network, pretrained
from dull_jax.models.layers import global_average
from dull_jax.train.parallel import Devices

# Images of a device's block. On CPU small ones stay in its caches: 16 take less time than 64.
_BLOCK = {"cpu": 16}
_LARGE_BLOCK = 128


@dataclasses.dataclass(frozen=True)
class Encoder:
    """What makes vectors of images, and all that they depend on; made by `load`."""

    name: str
    digest: str  # sha256 of the file of weights
    module: nn.Module
    variables: Any
    augment: AugmentSpec  # normalises as the weights want it
    input_size: int  # pixels that images are brought to on the device; 0: as they are

    @property
    def channels(self) -> int:
        """D, the length of a vector."""
        return self.module.channels

    def made_by(self, number: int, image: tuple[Any, ...]) -> dict[str, Any]:
        """What vector `number` of a sample depends on, beside its image.

        Args:
          image: what a file becomes before it comes here: its size and the like.
        """
        view = {"role": vectors.role(number), "number": number}
        if number:  # a plain view knows no augmentation
            view |= {name: getattr(self.augment, name) for name in images.FIELDS}
        size = {"input_size": self.input_size, "image": list(image)}
        return {"backbone": self.name, "weights": self.digest, "view": view} | size

    def apply(self, variables: Any, inputs: jax.Array) -> jax.Array:
        """Normalised float images `[b, H, W, 3]` -> vectors float32 `[b, D]`; pure."""
        return global_average(self.module.apply(variables, inputs, train=False))

    def view(self, number: int, keys: jax.Array | None, pixels: jax.Array) -> jax.Array:
        """uint8 `[b, H, W, C]` -> view `number` as `apply` wants it; pure."""
        if keys is not None:
            keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        x = self.augment.view(vectors.role(number), keys, _coloured(pixels))
        side = self.input_size
        return _resized(x, side) if side and x.shape[1:3] != (side, side) else x

    def plain(self, variables: Any, pixels: jax.Array) -> jax.Array:
        """uint8 `[b, H, W, C]` -> what a run has of a plain image, float16 `[b, 1, D]`; pure."""
        return self.apply(variables, self.view(0, None, pixels)).astype(jnp.float16)[:, None]

    def on(self, devices: Devices) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
        """A function (images uint8 `[n, H, W, C]`, contents `[n, 32]`, number) -> float16 `[n, D]`.

        A view is a function of the image's content and the view's number.

        Raises:
          UserError: a vector is not finite in float16.
        """
        variables, program = devices.replicate(self.variables), devices.own_forward(self.apply)
        view = functools.cache(lambda number: jax.jit(functools.partial(self.view, number)))
        block = _BLOCK.get(devices.platform, _LARGE_BLOCK)

        def encode(pixels: np.ndarray, contents: np.ndarray, number: int) -> np.ndarray:
            parts, count = [], devices.own_count * block
            for start in range(0, len(pixels), count):
                rows = np.minimum(np.arange(start, start + count), len(pixels) - 1)
                x = np.asarray(view(number)(_keys(contents[rows]), pixels[rows]))
                parts.append(program(variables, x.reshape(-1, block, *x.shape[1:])))
            made = np.concatenate([np.asarray(part).reshape(count, -1) for part in parts])
            found = made[: len(pixels)].astype(np.float16)
            _check_finite(found, self.name)
            return found

        return encode

    def describe(self, num_views: int) -> dict[str, Any]:
        """What a run says of the vectors that it was trained on."""
        about = {"backbone": self.name, "digest": self.digest}
        return about | {"size": self.input_size, "views": num_views, "channels": self.channels}


def load(config: ConfigDict) -> Encoder:
    """The encoder that `config.model` names, with its weights.

    Raises:
      UserError: no weights, or damaged ones; see `pretrained.load`.
    """
    model, leaves = config.model, pretrained.load(config.model)
    mean, std = pretrained.normalisation(model)
    augment = AugmentSpec(mean, std, **{name: config.augment[name] for name in images.FIELDS})
    return Encoder(
        name=model.name,
        digest=pretrained.digest(model),
        module=network.frozen_backbone(model),
        variables=_variables(leaves),
        augment=augment,
        input_size=model.input_size,
    )


def _variables(leaves: dict[str, np.ndarray]) -> dict[str, Any]:
    """{'params/backbone/a/b': array} as Flax's nested variables of the backbone alone."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *parts, last = [part for part in path.split("/") if part != "backbone"]
        place = tree
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = leaf
    return tree


def _coloured(pixels: jax.Array) -> jax.Array:
    """Grey images as colour ones; the networks know no other."""
    return jnp.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def _resized(x: jax.Array, side: int) -> jax.Array:
    """Bilinear, half-pixel centres, without smoothing: as PyTorch's interpolate enlarges."""
    return jax.image.resize(
        x, (len(x), side, side, x.shape[-1]), "bilinear", antialias=side < min(x.shape[1:3])
    )


def _keys(contents: np.ndarray) -> jax.Array:
    """Random keys `[n]`, each a function of an image's content."""
    numbers = np.array([zlib.crc32(content.tobytes()) for content in contents], np.uint32)
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), numbers)


def _check_finite(found: np.ndarray, name: str) -> None:
    bad = ~np.isfinite(found).all(1)
    if bad.any():
        raise UserError(
            f"{name}: {bad.sum():,} of {len(bad):,} vectors are not finite in float16; the weights "
            "are damaged or not meant for such images"
        )
