"""Trains without a folder: nothing is saved, evaluated or continued. For data that fit in seconds.

The epochs are those of `loop`, and so are the numbers.
"""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data.dataset import Dataset
from dull_jax.optim import learning_rate
from dull_jax.train import feasible
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.learner import Learner
from dull_jax.train.parallel import Devices
from dull_jax.train.train_phase import MetricAccumulator


class _Trainer(NamedTuple):
    """What `EpochRun` needs."""

    config: ConfigDict
    dataset: Dataset
    learner: Learner
    memory: dict[str, np.ndarray]


def train(config: ConfigDict, dataset: Dataset, devices: Devices) -> Learner:
    """The networks after `config.train.epochs` epochs of `config.method`; a valid recipe.

    Raises:
      UserError: a recipe that cannot end well, or a loss that is not finite.
    """
    feasible.check(config, dataset, devices)
    learner = Learner.build(config, dataset, devices)
    trainer = _Trainer(config, dataset, learner, learner.method.init_memory())
    for epoch in range(config.train.epochs):
        rate, run = learning_rate(config, epoch), EpochRun(trainer, epoch)
        for number, phase in enumerate(learner.method.epoch(run)):
            for _ in learner.phases.train_phase(phase, epoch, number, rate, MetricAccumulator()):
                pass
        learner.networks.exchange()
    return learner
