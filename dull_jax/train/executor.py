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
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.errors import UserError
from dull_jax.methods.base import Method, Phase
from dull_jax.models import pretrained
from dull_jax.models.axis import AXIS
from dull_jax.train import initial, parallel, step
from dull_jax.train.pool import Pool
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

    def places(self, first: int, count: int) -> dict[str, np.ndarray]:
        """Positions `[count, B]` of the steps first, …, first+count-1, stream by stream."""
        return {name: order[first : first + count] for name, order in self.orders.items()}


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
        method = method_class(config.method)
        self.network = models.build(config.model, dataset.train.num_classes, AXIS, method.head)
        self.method: Method = method(config, self.network, dataset.train)
        self.augment = augment_spec(config, dataset.train)
        self.seconds_on_device = (
            0.0  # in dispatches and waiting for them; the rest is the host's own
        )
        train = dataset.train
        self._train = Pool(train.images, devices, given=train.given)
        self._test = Pool(dataset.test.images, devices)
        self._holdout = Pool(dataset.holdout.images, devices)
        self._optimizer = optimizer(config)
        self._programs: dict[Any, Callable[..., Any]] = {}
        self._pending: collections.deque[_Dispatch] = collections.deque()
        self._observed: dict[tuple[int, bool], dict[str, np.ndarray]] = {}
        self.heard = 0  # the greatest number that a process has said in a dispatch that is settled
        for stream, size in self.method.batch_sizes().items():
            devices.check_batch(f"the batch of stream {stream!r}", size)
        self.nets: tuple[NetState, ...]
        self.start_over()

    @property
    def steps_per_dispatch(self) -> int:
        on_cpu = self.devices.platform == "cpu"
        return self.config.train.steps_per_dispatch or (1 if on_cpu else 16)

    def _fresh(self) -> tuple[NetState, ...]:
        """Newly initialised networks; the weights depend on the seed and the network's number."""
        shape = (2, *self.dataset.train.images.shape[1:])
        return tuple(
            self._init(jax.random.fold_in(jax.random.key(self.config.seed), n), shape)
            for n in range(self.method.num_networks)
        )

    def _init(self, key: jax.Array, shape: tuple[int, ...]) -> NetState:
        if "init" not in self._programs:
            self._programs["init"] = jax.jit(
                lambda key: self.network.init(key, jnp.zeros(shape), train=False)
            )
        variables = self._programs["init"](key)
        batch_stats = variables.get("batch_stats", {})
        params = self.method.project(variables["params"])
        average = {"params": params, "batch_stats": batch_stats} if self.config.optim.ema else {}
        return NetState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=batch_stats,
            opt=self._optimizer.init(params),
            average=jax.tree.map(jnp.copy, average),
            extra=self.method.init_extra(jax.random.fold_in(key, 1)),
            samples=self.method.init_samples(),
        )

    def start_over(self) -> None:
        """Newly initialised networks in place of those there are."""
        self.place(self._fresh())
        self._observed.clear()

    def place(self, nets: tuple[NetState, ...]) -> None:
        """Takes these networks, as `whole_nets` gives them, onto the devices."""
        self.nets = tuple(
            self.devices.replicate(net.without_samples()).replace(
                samples=self.devices.divide(net.samples)
            )
            for net in nets
        )

    def whole_nets(self) -> tuple[NetState, ...]:
        """The networks with their states of all samples, `[N, …]`: what a checkpoint holds."""
        size = len(self.dataset.train.given)
        return tuple(
            net.replace(samples=self.devices.whole(net.samples, size)) for net in self.nets
        )

    def begin(self, say: Callable[[str], None]) -> None:
        """Starts with somebody else's backbone, where the recipe names one."""
        config = self.config
        if config.init:
            backbone, step = initial.backbone(config.init)
            self.start_from(backbone)
            say(f"starting from the backbone of {config.init}, checkpoint {step}")
        if config.model.pretrained:
            weights = pretrained.load(config.model.pretrained, config.model.name)
            self.start_from(weights, "config.model.pretrained")
            say(f"starting from the weights of {config.model.pretrained}")

    def start_from(self, backbone: initial.Leaves, field: str = "config.init") -> None:
        """Gives every network the backbone of another run, or of the file that `field` names."""
        self.place(initial.with_backbone(self.whole_nets(), backbone, field))

    # A phase -----------------------------------------------------------------------------------

    def steps(self, phase: Phase) -> int:
        main = next(iter(phase.streams.values()))
        return pipeline.num_steps(len(main.indices), main.batch_size)

    def sweep(
        self,
        phase: Phase,
        epoch: int,
        number: int,
        lr: float,
        sums: Sums,
        start: int = 0,
        say: Callable[[], int] = lambda: 0,
    ) -> Iterator[int]:
        """Trains through a phase; yields the steps done, at each boundary where it may stop.

        Metrics arrive late; `settle` completes them.

        Args:
          number: of the phase in its epoch.
          sums: receives the metrics.
          start: the step to begin with.
          say: a number for all processes, asked before each dispatch; `heard` of it comes late.

        Raises:
          UserError: a loss is not finite.
        """
        plan = self._plan(phase, epoch, number, lr)
        chunks = list(_chunks(start, self.steps(phase), self.steps_per_dispatch))
        requests = [plan.places(first, count) for first, count in chunks]
        for (first, count), rows in zip(chunks, self._train.rows(requests, 1), strict=True):
            out = self._dispatch(plan, phase.network, first, rows, say())
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
        given = self.devices.replicate((dict(phase.constants), np.float32(lr)))
        given = (self._train.data, self._columns(phase), *given)
        return _Plan(self._train_program(phase), seed, orders, given)

    def _columns(self, phase: Phase) -> dict[str, dict[str, jax.Array]]:
        """Every stream's columns on the devices; an array that several have is there once."""
        columns = {n: pipeline.columns_of(s.columns) for n, s in phase.streams.items()}
        arrays = {id(a): a for stream in columns.values() for a in stream.values()}
        blocks = self.devices.divide(arrays)
        return {
            name: {column: blocks[id(a)] for column, a in stream.items()}
            for name, stream in columns.items()
        }

    def _arguments(
        self, plan: "_Plan", n: int, first: int, rows: Any, said: int = 0
    ) -> tuple[Any, ...]:
        """What the program of network `n` is called with for `rows`, step `first` and on."""
        clock = np.array([*plan.seed, first], np.int32)
        peers = tuple(net.without_samples() for net in self.nets[:n] + self.nets[n + 1 :])
        return self.nets[n], peers, *plan.given, clock, rows, self.devices.each(said)

    def lowered(self, phase: Phase) -> Any:
        """The program of one step of a phase, lowered but not compiled: for benchmarks."""
        plan = self._plan(phase, 0, 0, 0.0)
        (rows,) = self._train.rows([plan.places(0, 1)], 1)
        return plan.program.lower(*self._arguments(plan, phase.network, 0, rows))

    def _dispatch(self, plan: "_Plan", n: int, first: int, rows: Any, said: int) -> Any:
        arguments = self._arguments(plan, n, first, rows, said)
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
            metrics, news = jax.device_get(dispatch.out[:2])
            self.seconds_on_device += time.perf_counter() - began
            if news["not_finite"] or not all(np.isfinite(s).all() for s, _ in metrics.values()):
                raise self._not_finite(dispatch)
            self.heard = max(self.heard, int(news["said"]))
            dispatch.sums.add(metrics)

    def _not_finite(self, dispatch: "_Dispatch") -> UserError:
        """Names the step and the samples; every process comes here, and has some of the losses."""
        jax.block_until_ready([later.out for later in self._pending])
        shards = np.swapaxes(dispatch.out[2], 0, 1)  # [S, d, b]
        finite = np.isfinite(self.devices.merge(list(shards)).reshape(dispatch.places.shape))
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
            nets = (net.averaged() if averaged else net).without_samples()
            self._observed[network, averaged] = self._pass(
                "observe",
                self.method.forward,
                nets,
                self._train,
                np.arange(len(self.dataset.train.given)),
            )
        return self._observed[network, averaged]

    def test_logits(self) -> np.ndarray:
        """`[M, K]`: what is scored on the test set, from averaged weights where there are any."""
        return self._predict(self._test, len(self.dataset.test.labels))

    def holdout_logits(self) -> np.ndarray:
        """The same for the held-out part of the train set."""
        return self._predict(self._holdout, len(self.dataset.holdout.given))

    def train_logits(self, positions: np.ndarray) -> np.ndarray:
        """The same for `positions` `[n]` of the train set."""
        nets = tuple(net.averaged().without_samples() for net in self.nets)
        return self._pass("predict", self.method.predict, nets, self._train, positions)

    def _predict(self, pool: Pool, size: int) -> np.ndarray:
        nets = tuple(net.averaged().without_samples() for net in self.nets)
        return self._pass("predict", self.method.predict, nets, pool, np.arange(size))

    def _pass(
        self, name: str, function: Callable, nets: Any, pool: Pool, positions: np.ndarray
    ) -> Any:
        if name not in self._programs:
            self._programs[name] = self.devices.forward(step.forward_pass(function, self.augment))
        batch_size = (
            -(-self.config.train.eval_batch_size // self.devices.count) * self.devices.count
        )
        order = pipeline.padded(positions, batch_size)
        began = time.perf_counter()
        requests = [{"rows": batch} for batch in order]
        program, data = self._programs[name], pool.data
        parts = [program(nets, data, rows["rows"]) for rows in pool.rows(requests)]
        whole = self.devices.merge(parts)
        self.seconds_on_device += time.perf_counter() - began
        return jax.tree.map(lambda leaf: leaf[: len(positions)], whole)


def method_class(name: str) -> type[Method]:
    return importlib.import_module(f"dull_jax.methods.{name}").Method


def augment_spec(config: ConfigDict, train: TrainSet) -> AugmentSpec:
    """The recipe's augmentation; normalises as pretrained weights want it, or by the images."""
    if config.model.pretrained:
        mean, std = pretrained.MEAN, pretrained.STD
    else:
        mean, std = train.channel_statistics
    return AugmentSpec(mean=mean, std=std, **config.augment.to_dict())


def _chunks(start: int, steps: int, size: int) -> Iterator[tuple[int, int]]:
    """(first, count): whole dispatches of `size` steps, then single steps: two shapes in all."""
    while steps - start >= size:
        yield start, size
        start += size
    for first in range(start, steps):
        yield first, 1
