"""Whether a recipe can end well on this machine: refused before work begins, not hours into it.

What is counted is what a step needs at the very least. More may still be too much; less never is.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from dull_jax import memory, methods, models
from dull_jax.data.dataset import Dataset
from dull_jax.data.own import image_files
from dull_jax.errors import UserError
from dull_jax.models.network import Network
from dull_jax.train import parallel

_TIMES = 10  # a batch of more than so many times the train images repeats each of them so often


class Bytes(NamedTuple):
    """What a step needs at least on one device."""

    images: int  # of the batch, as floats
    activations: int  # the largest output of a layer
    state: int  # weights, their gradients, the optimiser's moments, the average
    resident: int  # the train and test images, where an accelerator holds them

    @property
    def total(self) -> int:
        return sum(self)


def check(config: ConfigDict, dataset: Dataset, devices: parallel.Devices) -> None:
    """Raises UserError for a batch far beyond the data, or memory that is surely not there."""
    size, batch = len(dataset.train.given), config.train.batch_size
    if batch > _TIMES * size:
        raise UserError(
            f"config.train.batch_size = {batch:,} is more than {_TIMES} times the {size:,} train "
            f"images; {size:,} or fewer would do"
        )
    device = devices.devices[0]
    needed, there = least(config, dataset, devices.count), available(device)
    if device.platform == "cpu":  # which shares the host's images
        needed = needed._replace(resident=0)
    if needed.total > there:
        parts = ", ".join(f"{name} {memory.shown(n)}" for name, n in needed._asdict().items() if n)
        raise UserError(
            f"a step needs {memory.shown(needed.total)} of memory or more ({parts}), and there are "
            f"{memory.shown(there)}; lower config.train.batch_size, config.data.size or "
            "config.data.resident_gb, or take a smaller config.model"
        )


def least(config: ConfigDict, dataset: Dataset, devices: int) -> Bytes:
    """What a step of the recipe needs at least on each of so many devices."""
    train = dataset.train
    shape = train.input_shape
    batch = -(-config.train.batch_size // devices)
    method = methods.module(config.method).Method
    network = models.build(
        config.model, train.num_classes, head=method.head_of(config), vector_size=train.vector_size
    )
    weights, activations = _sizes(network, (batch, *shape))
    copies = 2 + (config.optim.momentum > 0) + (config.optim.ema > 0)
    sets = (dataset.train.images, dataset.test.images)
    return Bytes(
        images=4 * batch * math.prod(shape),
        activations=activations,
        state=copies * weights * method.num_networks,
        resident=sum(x.nbytes for x in sets if not image_files.in_files(x)),
    )


def _sizes(network: Network, shape: tuple[int, ...]) -> tuple[int, int]:
    """Bytes of the parameters, and of the largest output of a layer; nothing is computed."""

    def run() -> tuple[Any, Any]:
        variables = network.init(jax.random.key(0), jnp.zeros((1, *shape[1:])), train=False)
        _, seen = network.apply(
            variables,
            jnp.zeros(shape),
            train=False,
            capture_intermediates=True,
            mutable=["intermediates"],
        )
        return variables["params"], seen

    params, seen = jax.eval_shape(run)
    layers = [_bytes(leaf) for leaf in jax.tree.leaves(seen)]
    return sum(map(_bytes, jax.tree.leaves(params))), max(layers, default=0)


def _bytes(leaf: jax.ShapeDtypeStruct) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def available(device: jax.Device) -> int:
    """Bytes that a device has for this process; of a CPU what the machine or container has free."""
    if device.platform == "cpu":
        return memory.free()
    return int((device.memory_stats() or {}).get("bytes_limit", memory.UNKNOWN))
