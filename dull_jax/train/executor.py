"""Runs phases and passes on the devices; keeps the networks, and one program per loss."""

import collections
import dataclasses
import functools
import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from dull_jax import models
from dull_jax.data import pipeline
from dull_jax.data.augment import AugmentSpec
from dull_jax.data.dataset import Dataset
from dull_jax.errors import UserError
from dull_jax.methods.base import Method, Phase
from dull_jax.models.axis import AXIS
from dull_jax.train import initial, parallel, step
from dull_jax.train.state import NetState, optimizer

# Dispatches that may be under way: enough to keep a device busy, few enough to notice a NaN.
_AHEAD = 4


@dataclasses.dataclass
class _Plan:
    """A phase made ready: its program, every stream's batches `[steps, B]`, what is on devices."""

    program: Callable[..., Any]
    seed: tuple[int, int, int]
    orders: dict[str, np.ndarray]
    given: tuple[Any, ...]  # data, columns, constants, learning rate

    @property
    def main(self) -> np.ndarray:
        return next(iter(self.orders.values()))


@dataclasses.dataclass
class _Dispatch:
    """A program under way: where it stands, and the main stream's positions `[S, B]`."""

    epoch: int
    first: int
    places: np.ndarray
    out: Any
    sums: "Sums"


@dataclasses.dataclass
class Sums:
    """Metrics of an epoch as sums and counts; float64 on the host, added in step order."""

    values: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    def add(self, metrics: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        for name, (sums, counts) in metrics.items():
            total = self.values.setdefault(name, [0.0, 0.0])
            for value, count in zip(np.atleast_1d(sums), np.atleast_1d(counts), strict=True):
                total[0] += float(value)
                total[1] += float(count)

    def means(self) -> dict[str, float]:
        return {name: s / n for name, (s, n) in self.values.items() if n}


class Executor:
    """Networks on devices, and everything that is compiled for them."""

    def __init__(self, config: ConfigDict, dataset: Dataset, devices: parallel.Devices):
        self.config, self.dataset, self.devices = config, dataset, devices
        method = _method_class(config.method)
        self.network = models.build(config.model, dataset.train.num_classes, AXIS, method.head)
        self.method: Method = method(config, self.network, dataset.train)
        self.augment = augment_spec(config, dataset.train.images)
        self.seconds_on_device = (
            0.0  # in dispatches and waiting for them; the rest is the host's own
        )
        train = dataset.train
        self._data = devices.replicate({"images": train.images, "given": train.given})
        self._test = devices.replicate({"images": dataset.test.images})
        self._holdout = devices.replicate({"images": dataset.holdout.images})
        self._optimizer = optimizer(config)
        self._programs: dict[Any, Callable[..., Any]] = {}
        self._pending: collections.deque[_Dispatch] = collections.deque()
        self._observed: dict[tuple[int, bool], dict[str, np.ndarray]] = {}
        for stream, size in self.method.batch_sizes().items():
            devices.check_batch(f"the batch of stream {stream!r}", size)
        self.nets: tuple[NetState, ...] = devices.replicate(self._fresh())

    @property
    def steps_per_dispatch(self) -> int:
        on_cpu = self.devices.platform == "cpu"
        return self.config.train.steps_per_dispatch or (1 if on_cpu else 16)

    def _fresh(self) -> tuple[NetState, ...]:
        """Newly initialised networks; the weights depend on the seed and the network's number."""
        shape = (2, *self.dataset.train.images.shape[1:])
        return tuple(
            _init(self, jax.random.fold_in(jax.random.key(self.config.seed), n), shape)
            for n in range(self.method.num_networks)
        )

    def start_from(self, backbone: initial.Leaves) -> None:
        """Gives every network the backbone of another run."""
        self.nets = self.devices.replicate(initial.with_backbone(self.nets, backbone))

    # A phase -----------------------------------------------------------------------------------

    def steps(self, phase: Phase) -> int:
        main = next(iter(phase.streams.values()))
        return pipeline.num_steps(len(main.indices), main.batch_size)

    def sweep(
        self, phase: Phase, epoch: int, number: int, lr: float, sums: Sums, start: int = 0
    ) -> Iterator[int]:
        """Trains through a phase; yields the steps done, at each boundary where it may stop.

        Metrics arrive late; `settle` completes them.

        Args:
          number: of the phase in its epoch.
          sums: receives the metrics.
          start: the step to begin with.

        Raises:
          UserError: a loss is not finite.
        """
        plan = self._plan(phase, epoch, number, lr)
        for first, count in _chunks(start, self.steps(phase), self.steps_per_dispatch):
            out = self._dispatch(plan, phase.network, first, count)
            places = plan.main[first : first + count]
            self._pending.append(_Dispatch(epoch, first, places, out, sums))
            self.settle(_AHEAD)
            yield first + count
        self.settle()

    def _plan(self, phase: Phase, epoch: int, number: int, lr: float) -> "_Plan":
        steps, seed = self.steps(phase), (self.config.seed, epoch, number)
        orders = {
            name: pipeline.batches(s.indices, s.batch_size, steps, seed, name)
            for name, s in phase.streams.items()
        }
        columns = {n: pipeline.columns_of(s.columns) for n, s in phase.streams.items()}
        given = (self._data, columns, dict(phase.constants), np.float32(lr))
        return _Plan(self._train_program(phase), seed, orders, self.devices.replicate(given))

    def _arguments(self, plan: "_Plan", n: int, first: int, count: int) -> tuple[Any, ...]:
        """What the program of network `n` is called with for the steps first, …, first+count-1."""
        orders = {name: order[first : first + count] for name, order in plan.orders.items()}
        places = {name: self.devices.split(order, 1) for name, order in orders.items()}
        clock = np.array([*plan.seed, first], np.int32)
        peers = self.nets[:n] + self.nets[n + 1 :]
        return self.nets[n], peers, *plan.given, clock, places

    def lowered(self, phase: Phase) -> Any:
        """The program of one step of a phase, lowered but not compiled: for benchmarks."""
        plan = self._plan(phase, 0, 0, 0.0)
        return plan.program.lower(*self._arguments(plan, phase.network, 0, 1))

    def _dispatch(self, plan: "_Plan", n: int, first: int, count: int) -> Any:
        arguments = self._arguments(plan, n, first, count)
        began = time.perf_counter()
        own, *out = plan.program(*arguments)
        self.seconds_on_device += time.perf_counter() - began
        self.nets = (*self.nets[:n], own, *self.nets[n + 1 :])
        self._observed.clear()
        return out

    def settle(self, ahead: int = 0) -> None:
        """Waits until at most `ahead` dispatches are under way, and counts the others' metrics."""
        while len(self._pending) > ahead:
            dispatch = self._pending.popleft()
            began = time.perf_counter()
            metrics, losses = jax.device_get(dispatch.out)
            self.seconds_on_device += time.perf_counter() - began
            finite = np.isfinite(np.moveaxis(losses, 0, 1).reshape(dispatch.places.shape))
            if not (finite.all() and all(np.isfinite(s).all() for s, _ in metrics.values())):
                raise self._not_finite(dispatch, finite)
            dispatch.sums.add(metrics)

    def _not_finite(self, dispatch: "_Dispatch", finite: np.ndarray) -> UserError:
        at = int(np.argmax(~finite.all(1)))
        culprits = dispatch.places[at][~finite[at]] if not finite.all() else dispatch.places[at]
        ids = ", ".join(map(str, self.dataset.train.ids[culprits[:8]]))
        more = f" and {len(culprits) - 8} more" if len(culprits) > 8 else ""
        return UserError(
            f"the loss is not finite in epoch {dispatch.epoch + 1}, step "
            f"{dispatch.first + at + 1}, samples {ids}{more}; the last good checkpoint is kept; "
            "a smaller config.optim.lr or a config.optim.clip_norm may help"
        )

    def exchange(self) -> None:
        """The method's exchange of extra states between networks, once an epoch."""
        extras = self.method.exchange(tuple(net.extra for net in self.nets))
        self.nets = tuple(
            net.replace(extra=extra) for net, extra in zip(self.nets, extras, strict=True)
        )

    def _train_program(self, phase: Phase) -> Callable[..., Any]:
        views = {name: stream.views for name, stream in phase.streams.items()}
        key = (phase.loss, phase.frozen, *sorted(views.items()))
        if key not in self._programs:
            one_device = functools.partial(
                step.train_step,
                method=self.method,
                loss_fn=self.method.losses[phase.loss],
                views=views,
                augment=self.augment,
                optimizer=self._optimizer,
                ema=self.config.optim.ema,
                frozen=phase.frozen,
            )
            self._programs[key] = self.devices.train_step(one_device)
        return self._programs[key]

    # Passes ------------------------------------------------------------------------------------

    def observe(self, network: int = 0, averaged: bool = False) -> dict[str, np.ndarray]:
        """`Method.forward` over the train set; cached until a network is trained again."""
        if (network, averaged) not in self._observed:
            net = self.nets[network]
            nets = net.averaged() if averaged else net
            self._observed[network, averaged] = self._pass(
                "observe", self.method.forward, nets, self._data, len(self.dataset.train.given)
            )
        return self._observed[network, averaged]

    def test_logits(self) -> np.ndarray:
        """`[M, K]`: what is scored on the test set, from averaged weights where there are any."""
        return self._predict(self._test, len(self.dataset.test.labels))

    def holdout_logits(self) -> np.ndarray:
        """The same for the held-out part of the train set."""
        return self._predict(self._holdout, len(self.dataset.holdout.given))

    def _predict(self, data: dict[str, jax.Array], size: int) -> np.ndarray:
        nets = tuple(net.averaged() for net in self.nets)
        return self._pass("predict", self.method.predict, nets, data, size)

    def _pass(self, name, function, nets, data, size) -> Any:
        if name not in self._programs:
            self._programs[name] = self.devices.forward(step.forward_pass(function, self.augment))
        batch_size = (
            -(-self.config.train.eval_batch_size // self.devices.count) * self.devices.count
        )
        order = pipeline.padded(size, batch_size)
        began = time.perf_counter()
        parts = [self._programs[name](nets, data, self.devices.split(batch)) for batch in order]
        hosts = [jax.tree.map(parallel.merge, part) for part in parts]
        self.seconds_on_device += time.perf_counter() - began
        return jax.tree.map(lambda *batches: np.concatenate(batches)[:size], *hosts)


def _init(executor: Executor, key: jax.Array, shape: tuple[int, ...]) -> NetState:
    init = jax.jit(lambda k: executor.network.init(k, jnp.zeros(shape), train=False))
    variables = init(key)
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    params = executor.method.project(params)
    average = {"params": params, "batch_stats": batch_stats} if executor.config.optim.ema else {}
    return NetState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt=executor._optimizer.init(params),
        average=jax.tree.map(jnp.copy, average),
        extra=executor.method.init_extra(jax.random.fold_in(key, 1)),
    )


def _method_class(name: str) -> type[Method]:
    return importlib.import_module(f"dull_jax.methods.{name}").Method


def augment_spec(config: ConfigDict, images: np.ndarray) -> AugmentSpec:
    """The recipe's augmentation, normalising by the statistics of the train images."""
    mean, std = pipeline.channel_statistics(images)
    return AugmentSpec(mean=mean, std=std, **config.augment.to_dict())


def _chunks(start: int, steps: int, size: int) -> Iterator[tuple[int, int]]:
    """(first, count): whole dispatches of `size` steps, then single steps: two shapes in all."""
    while steps - start >= size:
        yield start, size
        start += size
    for first in range(start, steps):
        yield first, 1
