"""A frozen backbone with its preprocessing: from images to vectors, on all devices."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from dull_jax.data.views import augment as images
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.embed.views import ImageEncoder, Network
from dull_jax.models import network, pretrained
from dull_jax.models.layers import global_average
from dull_jax.run_dir.leaves import restored
from dull_jax.train.parallel import Devices

# Images of a device's block, and on a CPU the pixels that are computed together: more memory than
# they need would be taken from the system, and cleared by it, for each call. Half of the speed.
_BLOCK = {"cpu": 16}
_LARGE_BLOCK = 128
_PIXELS = 70_000


@dataclasses.dataclass(frozen=True)
class Encoder(ImageEncoder):
    """A backbone of ours with its weights; made by `load`."""

    name: str
    digest: str  # sha256 of the file of weights
    module: nn.Module
    variables: Any
    augment: AugmentSpec  # normalises as the weights want it
    input_size: int  # pixels that images are brought to on the device; 0: as they are
    dtype: str = "float32"  # that the backbone computes in

    def made_by(self, number: int, image: tuple[Any, ...]) -> dict[str, Any]:
        """As `ImageEncoder.made_by`; another type of the computation is another vector."""
        return super().made_by(number, image) | {"dtype": self.dtype}

    @property
    def channels(self) -> int:
        """D, the length of a vector."""
        return self.module.channels

    def apply(self, variables: Any, inputs: jax.Array) -> jax.Array:
        """Normalised float images `[b, H, W, 3]` -> vectors float32 `[b, D]`; pure."""
        features: Any = self.module.apply(variables, inputs, train=False)
        return global_average(features)

    def plain(self, variables: Any, pixels: jax.Array) -> jax.Array:
        """uint8 `[b, H, W, C]` -> what a run has of a plain image, float16 `[b, 1, D]`; pure."""
        return self.apply(variables, self.view(0, None, pixels)).astype(jnp.float16)[:, None]

    def network(self, devices: Devices) -> tuple[Network, int]:
        """Each device of this process computes a block of its own."""
        variables, program = devices.replicate(self.variables), devices.own_forward(self.apply)
        block = _BLOCK.get(devices.platform, _LARGE_BLOCK)

        def encode(x: np.ndarray) -> np.ndarray:
            x = x.reshape(-1, block, *x.shape[1:])
            piece = _piece(*x.shape[2:4]) if devices.platform == "cpu" else block
            parts = [program(variables, x[:, n : n + piece]) for n in range(0, block, piece)]
            return np.concatenate([np.asarray(part) for part in parts], axis=1)

        return encode, devices.own_count * block


def _piece(height: int, width: int) -> int:
    """Images of that size in one call on a CPU: a power of two, as the block; two up to 224 px.

    >>> [_piece(side, side) for side in (32, 112, 224, 256)]
    [16, 4, 2, 1]
    """
    least = 2 if height * width <= 224**2 else 1
    return 1 << (min(max(_PIXELS // (height * width), least), 16).bit_length() - 1)


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
        variables=restored({}, {k.replace("/backbone/", "/", 1): v for k, v in leaves.items()}),
        augment=augment,
        input_size=model.input_size,
        dtype=model.dtype,
    )
