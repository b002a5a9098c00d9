"""All of pmap: state replicated, batches split over devices, gradients and statistics averaged.

What is kept of every sample is divided: each device has a block of its rows.

With several processes (`hosts`) the devices of all form one axis, process after process. What goes
in and comes out is each process's own part: state is whole on each, of a batch each has its shards.

A step is a pure function for one device that uses the axis `AXIS`; here it becomes a program for
all of them. State goes in and out with axis None and is donated. Two traps, both silent, have a
guard each: a forgotten `pmean` leaves the replicas different while the array calls itself
replicated (`assert_replicated`), and state that is not yet replicated at the first step compiles
it twice (`replicate`).
"""

import contextlib
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dull_jax import machine
from dull_jax.errors import UserError
from dull_jax.models.axis import AXIS
from dull_jax.train import hosts
from dull_jax.train.state import NetState
from dull_jax.train.step import PhaseInputs, StepInputs, StepOutputs

# Axes of a network's state in a mapped step: its samples are divided, all else is replicated.
_OWN = NetState(**dict.fromkeys(f.name for f in dataclasses.fields(NetState)) | {"samples": 0})


def cpu_devices(wanted: int) -> None:
    """Lets JAX see the CPU as `wanted` devices, no more than it has cores.

    Before anything else of JAX. XLA keeps its cores busier with one shard each. Without effect
    where JAX finds an accelerator or XLA_FLAGS has already divided the CPU.
    """
    divided = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if 1 < wanted <= os.cpu_count() and not divided:
        jax.config.update("jax_num_cpu_devices", wanted)


class Devices:
    """The accelerators of a run: of each process the first `wanted` (0: all) of a platform.

    Args:
      platform: None is JAX's own choice.

    Attributes:
      seconds: spent in dispatches and waiting for them; the rest is the host's own (`timed`).
    """

    def __init__(self, wanted: int = 0, platform: str | None = None):
        available = machine.devices(platform)
        if wanted > len(available):
            kind = available[0].platform
            raise UserError(f"config.train.devices = {wanted}: there are {len(available)} ({kind})")
        by_process: dict[int, list[jax.Device]] = {}
        for device in jax.devices(platform):
            by_process.setdefault(device.process_index, []).append(device)
        shares = {p: by_process[p][: wanted or None] for p in sorted(by_process)}
        self.devices = [device for share in shares.values() for device in share]
        own = shares[jax.process_index()]
        self._first, self._own = self.devices.index(own[0]), len(own)
        self.seconds = 0.0
        mesh = Mesh(np.array(own), (AXIS,))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._divided = NamedSharding(mesh, PartitionSpec(AXIS))

    @property
    def count(self) -> int:
        """Of all processes."""
        return len(self.devices)

    @property
    def own_count(self) -> int:
        """Of this process."""
        return self._own

    @property
    def platform(self) -> str:
        return self.devices[0].platform

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """What happens within it counts as time of the devices."""
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began

    def check_batch(self, name: str, size: int) -> None:
        """Raises UserError for a global batch that the devices cannot share evenly."""
        if size % self.count:
            near = max(1, size // self.count) * self.count
            raise UserError(
                f"{name} = {size} does not divide over {self.count} devices; {near} would"
            )

    def replicate(self, tree: Any) -> Any:
        """A copy of every leaf on every device of this process."""
        return jax.device_put(tree, self._everywhere)

    def split(self, array: np.ndarray, axis: int = 0) -> np.ndarray:
        """`[…, B, …]` -> `[d, …, B / devices, …]`: the blocks of this process's d devices."""
        shape = array.shape
        blocks = (*shape[:axis], self.count, shape[axis] // self.count, *shape[axis + 1 :])
        return np.moveaxis(array.reshape(blocks), axis, 0)[self._first : self._first + self._own]

    def divide(self, tree: Any) -> Any:
        """Arrays `[N, …]` of all samples -> `[d, ceil(N / devices), …]`, a block on each device.

        The last block is filled up with zeros.
        """

        def divided(array: np.ndarray) -> jax.Array:
            missing = -len(array) % self.count
            array = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
            return jax.device_put(self.split(array), self._divided)

        return jax.tree.map(divided, tree)

    def whole(self, tree: Any, size: int) -> Any:
        """The inverse of `divide` for `size` samples, on the host; all processes get all of it."""
        return jax.tree.map(lambda array: array[:size], self.merge([tree]))

    def each(self, number: int) -> np.ndarray:
        """int32 `[d]`: a number that this process brings along, on each of its d devices."""
        return np.full(self._own, number, np.int32)

    def merge(self, parts: Sequence[Any]) -> Any:
        """Trees of `[d, b, …]`, one a batch -> a host tree `[batches · devices · b, …]`.

        The inverse of `split` on axis 0; all processes get all of it.
        """

        def merged(*batches: jax.Array) -> np.ndarray:
            own = np.stack([np.asarray(a).reshape(-1, *a.shape[2:]) for a in batches])
            every = np.moveaxis(hosts.gathered(own), 0, 1)  # [batches, processes, d · b, …]
            return every.reshape(-1, *own.shape[2:])

        return jax.tree.map(merged, *parts)

    def train_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """step(own, peers, `PhaseInputs`, `StepInputs`) -> (own, `StepOutputs`), on all devices.

        `own` is replicated, but for its samples, and donated. Of a phase's inputs the columns are
        divided; of a step's the rows and the stop signal are split; of the outputs the losses.
        """
        phase = PhaseInputs(data=None, columns=0, constants=None, lr=None)
        inputs = StepInputs(clock=None, rows=0, stop_signal=0)
        outputs = StepOutputs(metrics=None, not_finite=None, stop_signal=None, losses=0)
        return jax.pmap(
            step,
            axis_name=AXIS,
            in_axes=(_OWN, None, phase, inputs),
            out_axes=(_OWN, outputs),
            donate_argnums=(0,),
            devices=self.devices,
        )

    def forward(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """function(nets, data, rows) -> arrays of the examples, split over devices."""
        return jax.pmap(
            function, axis_name=AXIS, in_axes=(None, None, 0), out_axes=0, devices=self.devices
        )

    def own_forward(self, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """function(variables, x) -> arrays, on this process's devices: x `[d, b, …]`.

        No other process has to call it too.
        """
        own = self.devices[self._first : self._first + self._own]
        return jax.pmap(function, in_axes=(None, 0), out_axes=0, devices=own)


def assert_replicated(tree: Any) -> None:
    """Raises AssertionError when a leaf's copies on the devices are not equal bit for bit.

    Those of one process are compared leaf by leaf, those of several by a digest of all leaves.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        shards = (
            [s.data for s in leaf.addressable_shards] if isinstance(leaf, jax.Array) else [leaf]
        )
        copies = [np.asarray(shard) for shard in shards]
        for copy in copies[1:]:
            if copies[0].tobytes() != copy.tobytes():
                name = jax.tree_util.keystr(path)
                raise AssertionError(f"{name} differs between devices: a pmean is missing")
    if hosts.several():
        digest = hashlib.sha256(
            b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))
        )
        digests = hosts.gathered(np.frombuffer(digest.digest(), np.uint8))
        if (digests != digests[0]).any():
            raise AssertionError("the state differs between processes: a pmean is missing")
