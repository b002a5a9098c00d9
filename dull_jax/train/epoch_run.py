"""What a method sees of the trainer in one epoch, and the journal of what it saw.

The journal makes an epoch repeatable: replayed with it and with the memory of its start, the
method's generator yields the same phases again, though the networks have moved on.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data import draws
from dull_jax.data.dataset import Dataset
from dull_jax.train.learner import Learner

Observation = dict[str, np.ndarray]  # of `Method.forward`, arrays [N, …]


class Trainer(Protocol):
    """What an epoch needs: a trainer, or a benchmark's stand-in for one."""

    config: ConfigDict
    dataset: Dataset
    learner: Learner
    memory: dict[str, np.ndarray]


class EpochRun:
    """`methods.base.Run`. `journal`: what `observe` shall return, call by call, before it looks."""

    def __init__(self, trainer: Trainer, epoch: int, journal: Sequence[Observation] = ()):
        self.epoch, self.memory, self.train = epoch, trainer.memory, trainer.dataset.train
        self.rng = draws.generator(trainer.config.seed, f"method, epoch {epoch}")
        self.journal: list[Observation] = []
        self.logged: dict[str, float] = {}
        self._observe, self._replay = trainer.learner.passes.observe, list(journal)

    def observe(self, network: int = 0, averaged: bool = False) -> Observation:
        seen = self._replay.pop(0) if self._replay else self._observe(network, averaged)
        self.journal.append(seen)
        return seen

    def log(self, values: Mapping[str, float]) -> None:
        self.logged.update(values)
