"""A training step or an epoch of the real trainer on made-up images of CIFAR's size, timed."""

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from configs import base
from dull_jax.data import sources
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.methods.base import Phase
from dull_jax.train import parallel
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.learner import Learner
from dull_jax.train.train_phase import MetricAccumulator


def recipe(method: str, network: str, batch_size: int, **fields) -> ConfigDict:
    config = base.get_config()
    config.method, config.model.name, config.train.batch_size = method, network, batch_size
    config.optim.ema = 0.999 if method == "dull" else 0.0
    config.optim.lr = 0.01
    config.dull.warmup = 0.0
    config.update_from_flattened_dict(fields)
    return config


def made_up(size: int, num_classes: int = 10, seed: int = 0) -> Dataset:
    """Random pixels and labels; nothing is learnt from them."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, num_classes, size).astype(np.int32)
    ids = np.array([f"train_{i}" for i in range(size)])
    names = tuple(f"class {k}" for k in range(num_classes))
    train, nothing = (TrainSet(images[:n], labels[:n], ids[:n], names) for n in (size, 0))
    test = sources.Split(images[:500], labels[:500], ids[:500])
    groups = {"head": [0], "medium": [1], "tail": [2]}
    return Dataset(train, labels, nothing, test, groups, {}, {})


class Stand:
    """What an `EpochRun` needs of a trainer: a learner and the method's memory."""

    def __init__(self, learner: Learner):
        self.config, self.learner = learner.config, learner
        self.dataset, self.memory = learner.dataset, learner.method.init_memory()


class Bench(Stand):
    """One recipe on made-up images, able to run steps or an epoch again and again."""

    def __init__(self, config: ConfigDict, size: int, platform: str | None = None):
        devices = parallel.Devices(config.train.devices, platform)
        super().__init__(Learner.build(config, made_up(size), devices))

    def phase(self) -> Phase:
        """The main phase, as the method makes it in an epoch after its warm-up."""
        return list(self.learner.method.epoch(EpochRun(self, self.config.train.epochs - 1)))[-1]

    def steps(self, count: int, phase: Phase) -> float:
        """Seconds of `count` steps, the last one finished."""
        began = time.perf_counter()
        for done in self.learner.phases.train_phase(phase, 1, 0, 0.01, MetricAccumulator()):
            if done >= count:
                break
        self.learner.phases.drain()
        jax.block_until_ready(self.learner.networks.states)
        return time.perf_counter() - began

    def epoch(self) -> dict[str, float]:
        """A whole epoch: images/s, share of the time that is the host's, seconds of the pass."""
        used, began = self.learner.devices.seconds, time.perf_counter()
        run, images = EpochRun(self, self.config.train.epochs - 1), 0
        for phase in self.learner.method.epoch(run):
            for _ in self.learner.phases.train_phase(phase, 1, 0, 0.01, MetricAccumulator()):
                pass
            main = next(iter(phase.streams.values()))
            images += self.learner.phases.steps(phase) * main.batch_size
        seconds = time.perf_counter() - began
        host_share = 1 - (self.learner.devices.seconds - used) / seconds
        self.learner.passes.observe()  # Compiles; the next one must not be the one remembered.
        self.steps(1, self.phase())
        began = time.perf_counter()
        self.learner.passes.observe()
        return {
            "images_per_second": images / seconds,
            "host_share": host_share,
            "pass_seconds_per_1000_images": (time.perf_counter() - began)
            / len(self.dataset.train.given)
            * 1000,
        }

    def flops(self, phase: Phase) -> float:
        """Of one compiled step, by XLA's own count, over all devices."""
        compiled = self.learner.phases.lowered(phase).compile()
        return float(compiled.cost_analysis()["flops"]) * self.learner.devices.count


def matmul_rate(size: int = 2048, dtype=jnp.float32) -> float:
    """FLOP/s of the best of eight square matrix products: what the machine can do."""
    a = jnp.ones((size, size), dtype)
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    return 2 * size**3 / min(timed(lambda: product(a).block_until_ready()) for _ in range(8))


def timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def alternating(*functions: Callable[[], float], rounds: int = 5) -> list[float]:
    """Median seconds of each function, run in turn: a machine that drifts drifts for all."""
    times = [[] for _ in functions]
    for _ in range(rounds):
        for mine, function in zip(times, functions, strict=True):
            mine.append(function())
    return [statistics.median(mine) for mine in times]
