"""What a method does between the training steps of an epoch, and what it keeps of each sample.

Its own code runs on random predictions; the networks and the passes are left out, and so are DULL's
neighbours, which `benchmarks.speed.neighbours` measures. A part of `benchmarks.speed.scaling`.
"""

import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import timing
from benchmarks.speed import synthetic
from dull_jax import methods, models
from dull_jax.data import pipeline
from dull_jax.methods.base import Phase
from dull_jax.models.axis import AXIS
from dull_jax.train.epoch_run import EpochRun


def measure(name: str, samples: int, num_classes: int) -> dict[str, float]:
    """Seconds of a method's own work in an epoch, bytes a sample, passes over the train set."""
    fields = {"model.stem": "imagenet", "dull.neighbours": False}
    config = synthetic.recipe(name, "resnet50", 256, **fields)
    train = synthetic.dataset(samples, num_classes).train
    kind = methods.module(name).Method
    network = models.build(config.model, num_classes, AXIS, kind.head_of(config))
    method = kind(config, network, train)
    observation = random_observation(method, network, samples)
    memory, observed = method.init_memory(), set()

    def observe(network: int = 0, averaged: bool = False) -> dict[str, np.ndarray]:
        observed.add(network)
        return observation

    learner = types.SimpleNamespace(passes=types.SimpleNamespace(observe=observe))
    data = types.SimpleNamespace(train=train)
    stub = types.SimpleNamespace(config=config, dataset=data, learner=learner, memory=memory)
    late = config.train.epochs - 2
    list(method.epoch(EpochRun(stub, late)))  # compiles, and fills the memory
    phases, seconds = timing.once(lambda: list(method.epoch(EpochRun(stub, late + 1))))
    on_devices = num_bytes(method.init_samples()) + max(num_bytes(columns(p)) for p in phases)
    return {
        "seconds": seconds,
        "kept_bytes": sum(a.nbytes for a in memory.values() if samples in a.shape) / samples,
        "device_bytes": on_devices / samples,
        "seen_bytes": len(observed) * num_bytes(observation) / samples,
        "passes": len(observed),
    }


def columns(phase: Phase) -> dict[int, np.ndarray]:
    """The arrays of every sample that a phase takes to the devices; streams may share them."""
    gathered = [pipeline.columns_of(stream.columns) for stream in phase.streams.values()]
    return {id(array): array for stream in gathered for array in stream.values()}


def num_bytes(arrays: Mapping[Any, np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays.values())


def random_observation(method, network, samples: int) -> dict[str, np.ndarray]:
    """Random arrays of the shapes of `Method.forward`; logits agree with a label now and then."""
    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)

    def forward(images):
        variables = network.init(jax.random.key(0), images, train=False)
        net = types.SimpleNamespace(
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            extra=jax.eval_shape(lambda: method.init_extra(jax.random.key(0))),
        )
        return method.forward(net, images)

    rng = np.random.default_rng(0)
    return {
        key: rng.standard_normal((samples, *shape.shape[1:]), dtype=np.float32)
        for key, shape in jax.eval_shape(forward, images).items()
    }
