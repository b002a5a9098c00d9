"""All of pmap: state replicated, batches split over devices, gradients and statistics averaged.

A step is a pure function for one device that uses the axis `AXIS`; here it becomes a program for
all of them. State goes in and out with axis None and is donated. Two traps, both silent, have a
guard each: a forgotten `pmean` leaves the replicas different while the array calls itself
replicated (`assert_replicated`), and state that is not yet replicated at the first step compiles
it twice (`replicate`).
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dull_jax.errors import UserError
from dull_jax.models.axis import AXIS


def cpu_devices(wanted: int) -> None:
    """Lets JAX see the CPU as `wanted` devices, no more than it has cores.

    Before anything else of JAX. XLA keeps its cores busier with one shard each. Without effect
    where JAX finds an accelerator or XLA_FLAGS has already divided the CPU.
    """
    divided = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if 1 < wanted <= os.cpu_count() and not divided:
        jax.config.update("jax_num_cpu_devices", wanted)


class Devices:
    """The accelerators of a run: the first `wanted` (0: all) of a platform (None: JAX's own)."""

    def __init__(self, wanted: int = 0, platform: str | None = None):
        available = jax.local_devices(backend=platform)
        if wanted > len(available):
            kind = available[0].platform
            raise UserError(f"config.train.devices = {wanted}: there are {len(available)} ({kind})")
        self.devices = available[: wanted or None]
        self._everywhere = NamedSharding(Mesh(np.array(self.devices), (AXIS,)), PartitionSpec())

    @property
    def count(self) -> int:
        return len(self.devices)

    @property
    def platform(self) -> str:
        return self.devices[0].platform

    def check_batch(self, name: str, size: int) -> None:
        """Raises UserError for a global batch that the devices cannot share evenly."""
        if size % self.count:
            near = max(1, size // self.count) * self.count
            raise UserError(
                f"{name} = {size} does not divide over {self.count} devices; {near} would"
            )

    def replicate(self, tree: Any) -> Any:
        """A copy of every leaf on every device."""
        return jax.device_put(tree, self._everywhere)

    def split(self, array: np.ndarray, axis: int = 0) -> np.ndarray:
        """`[…, B, …]` -> `[devices, …, B / devices, …]`: shard d has the d-th block."""
        shape = array.shape
        blocks = (*shape[:axis], self.count, shape[axis] // self.count, *shape[axis + 1 :])
        return np.moveaxis(array.reshape(blocks), axis, 0)

    def train_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """step(own, peers, data, columns, constants, lr, clock, indices) -> (own, metrics, losses).

        `own` is replicated and donated; `indices` are split; `losses` come back split.
        """
        return jax.pmap(
            step,
            axis_name=AXIS,
            in_axes=(None, None, None, None, None, None, None, 0),
            out_axes=(None, None, 0),
            donate_argnums=(0,),
            devices=self.devices,
        )

    def forward(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """function(nets, data, indices) -> arrays of the examples, split over devices."""
        return jax.pmap(
            function, axis_name=AXIS, in_axes=(None, None, 0), out_axes=0, devices=self.devices
        )


def merge(array: jax.Array) -> np.ndarray:
    """`[devices, b, …]` -> host `[B, …]`, the inverse of `Devices.split` on axis 0."""
    host = np.asarray(array)
    return host.reshape(-1, *host.shape[2:])


def assert_replicated(tree: Any) -> None:
    """Raises AssertionError when a leaf's copies on the devices are not equal bit for bit."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        for copy in copies[1:]:
            if copies[0].tobytes() != copy.tobytes():
                name = jax.tree_util.keystr(path)
                raise AssertionError(f"{name} differs between devices: a pmean is missing")
