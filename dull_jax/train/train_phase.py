"""Trains through a phase: its programs, the dispatches under way, and the metrics they bring."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from dull_jax.data import pipeline
from dull_jax.data.pipeline import Rows
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.vectors import VectorSpec
from dull_jax.errors import UserError
from dull_jax.methods.base import Phase
from dull_jax.train import step
from dull_jax.train.image_store import ImageStore
from dull_jax.train.networks import Networks
from dull_jax.train.step import PhaseInputs, StepInputs, StepOutputs, StepSpec

# Dispatches that may be under way: enough to keep a device busy, few enough to notice a NaN.
_AHEAD = 4


@dataclasses.dataclass
class MetricAccumulator:
    """Metrics of an epoch as sums and counts; float64 on the host, added in step order."""

    values: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    def add(self, metrics: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Adds name -> (sums `[S]`, counts `[S]`) of S steps."""
        for name, (sums, counts) in metrics.items():
            total = self.values.setdefault(name, [0.0, 0.0])
            for value, count in zip(np.atleast_1d(sums), np.atleast_1d(counts), strict=True):
                total[0] += float(value)
                total[1] += float(count)

    def means(self) -> dict[str, float]:
        """Name -> mean, of what was counted at all."""
        return {name: total / count for name, (total, count) in self.values.items() if count}


@dataclasses.dataclass
class _Plan:
    """A phase made ready: its program, every stream's batches `[steps, B]`, what is on devices."""

    phase: Phase
    seed: tuple[int, int, int]  # run seed, epoch, number of the phase
    program: Callable[..., Any]
    batches: dict[str, np.ndarray]
    inputs: PhaseInputs

    def indices(self, first: int, count: int) -> dict[str, np.ndarray]:
        """`[count, B]` of the steps first, …, first+count-1, stream by stream."""
        return {name: batches[first : first + count] for name, batches in self.batches.items()}


@dataclasses.dataclass
class _Dispatch:
    """A program under way: the first of its S steps, and the main stream's indices `[S, B]`."""

    epoch: int
    first: int
    indices: np.ndarray
    outputs: StepOutputs
    metrics: MetricAccumulator


class PhaseRunner:
    """Runs phases, with one compiled program for each loss, set of views and frozen part."""

    def __init__(self, networks: Networks, images: ImageStore, augment: AugmentSpec | VectorSpec):
        self.networks, self.config, self.devices = networks, networks.config, networks.devices
        self._images, self._augment = images, augment
        self._programs: dict[Any, Callable[..., Any]] = {}
        self._pending: collections.deque[_Dispatch] = collections.deque()
        self.stop_signal = 0  # the greatest that any process brought to a drained dispatch

    @property
    def steps_per_dispatch(self) -> int:
        on_cpu = self.devices.platform == "cpu"
        return self.config.train.steps_per_dispatch or (1 if on_cpu else 16)

    def steps(self, phase: Phase) -> int:
        main = next(iter(phase.streams.values()))
        return pipeline.num_steps(len(main.indices), main.batch_size)

    def train_phase(
        self,
        phase: Phase,
        epoch: int,
        number: int,
        lr: float,
        metrics: MetricAccumulator,
        start: int = 0,
        stop_signal: Callable[[], int] = lambda: 0,
    ) -> Iterator[int]:
        """Trains through a phase; yields the steps done, at each boundary where it may stop.

        Metrics arrive late; `drain` completes them.

        Args:
          number: of the phase in its epoch.
          metrics: receives the metrics.
          start: the step to begin with.
          stop_signal: that came to this process, or 0, asked before each dispatch; all processes
            find it in `self.stop_signal`, a few dispatches later.

        Raises:
          UserError: a loss is not finite.
        """
        if phase.fresh_optimizer and not start:
            self.networks.restart_optimizer(phase.network)
        plan = self._plan(phase, epoch, number, lr)
        chunks = list(_chunks(start, self.steps(phase), self.steps_per_dispatch))
        requests = [plan.indices(first, count) for first, count in chunks]
        loaded = zip(chunks, requests, self._images.rows(requests, 1), strict=True)
        for (first, count), indices, rows in loaded:
            outputs = self._dispatch(plan, first, rows, stop_signal())
            main = next(iter(indices.values()))
            self._pending.append(_Dispatch(epoch, first, main, outputs, metrics))
            self.drain(_AHEAD)
            yield first + count
        self.drain()

    def drain(self, ahead: int = 0) -> None:
        """Waits until at most `ahead` dispatches are under way, and counts the others' metrics."""
        while len(self._pending) > ahead:
            dispatch = self._pending.popleft()
            with self.devices.timed():
                outputs = jax.device_get(dispatch.outputs._replace(losses=None))
            sums = [total for total, _ in outputs.metrics.values()]
            if outputs.not_finite or not all(np.isfinite(total).all() for total in sums):
                raise self._not_finite(dispatch)
            self.stop_signal = max(self.stop_signal, int(outputs.stop_signal))
            dispatch.metrics.add(outputs.metrics)

    # A plan ------------------------------------------------------------------------------------

    def _plan(self, phase: Phase, epoch: int, number: int, lr: float) -> _Plan:
        steps, seed = self.steps(phase), (self.config.seed, epoch, number)
        batches = {
            name: pipeline.batches(s.indices, s.batch_size, steps, seed, name)
            for name, s in phase.streams.items()
        }
        constants, rate = self.devices.replicate((dict(phase.constants), np.float32(lr)))
        inputs = PhaseInputs(self._images.data, self._columns(phase), constants, rate)
        return _Plan(phase, seed, self._program(phase), batches, inputs)

    def _columns(self, phase: Phase) -> dict[str, dict[str, jax.Array]]:
        """Every stream's columns on the devices; an array that several have is there once."""
        columns = {n: pipeline.columns_of(s.columns) for n, s in phase.streams.items()}
        arrays = {id(a): a for stream in columns.values() for a in stream.values()}
        blocks = self.devices.divide(arrays)
        return {
            name: {column: blocks[id(a)] for column, a in stream.items()}
            for name, stream in columns.items()
        }

    def _program(self, phase: Phase) -> Callable[..., Any]:
        views = {name: stream.views for name, stream in phase.streams.items()}
        key = (phase.loss, phase.frozen, *sorted(views.items()))
        if key not in self._programs:
            spec = StepSpec(
                method=self.networks.method,
                loss_fn=self.networks.method.losses[phase.loss],
                views=views,
                augment=self._augment,
                optimizer=self.networks.optimizer,
                ema=self.config.optim.ema,
                frozen=phase.frozen,
            )
            one_device = functools.partial(step.train_step, spec=spec)
            self._programs[key] = self.devices.train_step(one_device)
        return self._programs[key]

    # A dispatch --------------------------------------------------------------------------------

    def _dispatch(
        self, plan: _Plan, first: int, rows: Mapping[str, Rows], stop_signal: int
    ) -> StepOutputs:
        arguments = self._arguments(plan, first, rows, stop_signal)
        with self.devices.timed():
            own, outputs = plan.program(*arguments)
        self.networks.update(plan.phase.network, own)
        return outputs

    def _arguments(
        self, plan: _Plan, first: int, rows: Mapping[str, Rows], stop_signal: int = 0
    ) -> tuple[Any, ...]:
        """What the program is called with for `rows`, step `first` and on."""
        n, clock = plan.phase.network, np.array([*plan.seed, first], np.int32)
        inputs = StepInputs(clock, rows, self.devices.each(stop_signal))
        return self.networks.states[n], self.networks.peers(n), plan.inputs, inputs

    def _not_finite(self, dispatch: _Dispatch) -> UserError:
        """Names the step and the samples; every process comes here, and has some of the losses."""
        jax.block_until_ready([later.outputs for later in self._pending])
        indices = dispatch.indices
        shards = np.swapaxes(dispatch.outputs.losses, 0, 1)  # [S, d, b]
        finite = np.isfinite(self.devices.merge(list(shards)).reshape(indices.shape))
        at = int(np.argmax(~finite.all(1)))
        culprits = indices[at] if finite.all() else indices[at][~finite[at]]
        ids = ", ".join(map(str, self.networks.method.train.ids[culprits[:8]]))
        more = f" and {len(culprits) - 8} more" if len(culprits) > 8 else ""
        return UserError(
            f"the loss is not finite in epoch {dispatch.epoch + 1}, step "
            f"{dispatch.first + at + 1}, samples {ids}{more}; the last good checkpoint is kept; "
            "a smaller config.optim.lr or a config.optim.clip_norm may help"
        )

    def lowered(self, phase: Phase) -> Any:
        """The program of one step of a phase, lowered but not compiled: for benchmarks."""
        plan = self._plan(phase, 0, 0, 0.0)
        (rows,) = self._images.rows([plan.indices(0, 1)], 1)
        return plan.program.lower(*self._arguments(plan, 0, rows))


def _chunks(start: int, steps: int, size: int) -> Iterator[tuple[int, int]]:
    """(first, count): whole dispatches of `size` steps, then single steps: two shapes in all."""
    while steps - start >= size:
        yield start, size
        start += size
    for first in range(start, steps):
        yield first, 1
