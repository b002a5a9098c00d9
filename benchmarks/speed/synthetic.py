"""The real trainer's steps and epochs on random images of CIFAR's size."""

import jax
import numpy as np
from ml_collections import ConfigDict

from benchmarks import timing
from configs import base
from dull_jax.data import sources
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.methods.base import Phase
from dull_jax.train import parallel
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.learner import Learner
from dull_jax.train.train_phase import MetricAccumulator


def recipe(method: str, network: str, batch_size: int, **fields) -> ConfigDict:
    """The base recipe past its warm-up; `fields` are further ones, by dotted name."""
    config = base.get_config()
    config.method, config.model.name, config.train.batch_size = method, network, batch_size
    config.optim.ema = 0.999 if method == "dull" else 0.0
    config.optim.lr = 0.01
    config.dull.warmup = 0.0
    config.update_from_flattened_dict(fields)
    return config


def dataset(size: int, num_classes: int = 10, seed: int = 0) -> Dataset:
    """Random pixels and labels; nothing can be learnt from them."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, num_classes, size).astype(np.int32)
    ids = np.array([f"train_{i}" for i in range(size)])
    names = tuple(f"class {k}" for k in range(num_classes))
    train, empty = (TrainSet(images[:n], labels[:n], ids[:n], names) for n in (size, 0))
    test = sources.Split(images[:500], labels[:500], ids[:500])
    groups = {"head": [0], "medium": [1], "tail": [2]}
    return Dataset(train, labels, empty, test, groups, {}, {})


class TrainerStub:
    """What an `EpochRun` needs of a trainer: a learner and the method's memory."""

    def __init__(self, learner: Learner):
        self.config, self.learner = learner.config, learner
        self.dataset, self.memory = learner.dataset, learner.method.init_memory()


class SyntheticTrainer(TrainerStub):
    """One recipe on random images, able to run steps or an epoch again and again."""

    def __init__(self, config: ConfigDict, size: int, platform: str | None = None):
        devices = parallel.Devices(config.train.devices, platform)
        super().__init__(Learner.build(config, dataset(size), devices))

    def phase(self) -> Phase:
        """The main phase, as the method makes it in an epoch after its warm-up."""
        return list(self.learner.method.epoch(EpochRun(self, self.config.train.epochs - 1)))[-1]

    def run_steps(self, count: int, phase: Phase) -> None:
        """Makes `count` steps; returns when the last one is finished."""
        for done in self.learner.phases.train_phase(phase, 1, 0, 0.01, MetricAccumulator()):
            if done >= count:
                break
        self.learner.phases.drain()
        jax.block_until_ready(self.learner.networks.states)

    def run_epoch(self) -> int:
        """Makes the phases of a whole epoch; returns how many images its steps took in."""
        images = 0
        for phase in self.learner.method.epoch(EpochRun(self, self.config.train.epochs - 1)):
            for _ in self.learner.phases.train_phase(phase, 1, 0, 0.01, MetricAccumulator()):
                pass
            main = next(iter(phase.streams.values()))
            images += self.learner.phases.steps(phase) * main.batch_size
        return images

    def epoch(self) -> dict[str, float]:
        """A whole epoch: images/s, share of the time that is the host's, seconds of the pass."""
        used = self.learner.devices.seconds
        images, seconds = timing.once(self.run_epoch)
        host_share = 1 - (self.learner.devices.seconds - used) / seconds
        self.learner.passes.observe()  # compiles; a step after it, or the next pass is cached
        self.run_steps(1, self.phase())
        size = len(self.dataset.train.given)
        return {
            "images_per_second": images / seconds,
            "host_share": host_share,
            "pass_seconds_per_1000_images": 1000
            / size
            * timing.once(self.learner.passes.observe).seconds,
        }

    def flops(self, phase: Phase) -> float:
        """Of one compiled step, by XLA's own count, over all devices."""
        compiled = self.learner.phases.lowered(phase).compile()
        return float(compiled.cost_analysis()["flops"]) * self.learner.devices.count
