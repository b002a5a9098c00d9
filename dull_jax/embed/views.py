"""What all encoders share: views of images in, float16 vectors out, in blocks of one size.

Whatever the number of images and of devices, a network is given blocks of one size: the vector of
an image does not depend on what is beside it, bit for bit.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.data.views import augment as images
from dull_jax.data.views import vectors
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.errors import UserError
from dull_jax.train.parallel import Devices

Network = Callable[[np.ndarray], np.ndarray | jax.Array]


class ImageEncoder:
    """What makes vectors of images; all that they depend on is in its attributes.

    Attributes:
      name: of the network.  digest: sha256 of its file of weights.  channels: D of a vector.
      augment: normalises as the weights want it, and draws the views.
      input_size: pixels that images are brought to on the device; 0: as they are.
    """

    name: str
    digest: str
    augment: AugmentSpec
    input_size: int

    def network(self, devices: Devices) -> tuple[Network, int]:
        """(normalised float32 `[n, H, W, 3]` -> n vectors, by block or in one, on devices; n)."""
        raise NotImplementedError

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

    @property
    def channels(self) -> int:
        """D, the length of a vector."""
        raise NotImplementedError

    def view(
        self, number: int, keys: jax.Array | None, pixels: jax.Array | np.ndarray
    ) -> jax.Array:
        """uint8 `[b, H, W, C]` -> view `number` as `apply` wants it; pure."""
        if keys is not None:
            keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        x = self.augment.view(vectors.role(number), keys, _coloured(pixels))
        side = self.input_size
        return _resized(x, side) if side and x.shape[1:3] != (side, side) else x

    def on(self, devices: Devices) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
        """A function (images uint8 `[n, H, W, C]`, contents `[n, 32]`, number) -> float16 `[n, D]`.

        A view is a function of the image's content and the view's number.

        Raises:
          UserError: a vector is not finite in float16.
        """
        network, count = self.network(devices)
        view = functools.cache(lambda number: jax.jit(functools.partial(self.view, number)))

        def encode(pixels: np.ndarray, contents: np.ndarray, number: int) -> np.ndarray:
            parts = []
            for start in range(0, len(pixels), count):
                rows = np.minimum(np.arange(start, start + count), len(pixels) - 1)
                parts.append(network(np.asarray(view(number)(_keys(contents[rows]), pixels[rows]))))
            made = np.concatenate([np.asarray(part).reshape(count, -1) for part in parts])
            with np.errstate(over="ignore"):
                found = made[: len(pixels)].astype(np.float16)
            _check_finite(found, self.name)
            return found

        return encode

    def describe(self, num_views: int) -> dict[str, Any]:
        """What a run says of the vectors that it was trained on."""
        about = {"backbone": self.name, "digest": self.digest}
        return about | {"size": self.input_size, "views": num_views, "channels": self.channels}


def _coloured(pixels: jax.Array | np.ndarray) -> jax.Array:
    """Grey images as colour ones; the networks know no other."""
    return jnp.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else jnp.asarray(pixels)


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
