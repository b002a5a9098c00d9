"""The constants of docs/scaling.md, measured on this machine.

    python -m benchmarks.scaling [--out=benchmarks/results/scaling/NAME.json]

Steps on 1, 2 and 4 devices that share the CPU; gradients averaged between processes; images
decoded; what each method does once an epoch outside of its training steps, and what it keeps of
each sample; FLOPs of the large recipes' networks. `scaling_model` predicts from these.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from benchmarks import cost, timed
from dull_jax import config as recipe
from dull_jax import models
from dull_jax.data import pipeline
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.machine import environment
from dull_jax.methods.base import Phase
from dull_jax.models.axis import AXIS
from dull_jax.train import parallel, rendezvous
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.executor import method_class

DEVICES = (1, 2, 4)
MEGABYTES = (0.001, 1, 10, 100)
SAMPLES = 100_000  # of which once-an-epoch work is measured
CLASSES, SIDE = 14, 224  # Clothing1M's
NETWORKS = {"clothing1m": ("resnet50", 256), "webvision50": ("resnet18", 256)}


# Devices and processes ---------------------------------------------------------------------------


def steps() -> float:
    """Seconds of a step on as many devices as this process has been given."""
    bench = timed.Bench(timed.recipe("ce", "resnet_small", 128), size=128 * 12)
    phase = bench.phase()
    bench.steps(1, phase)
    return min(bench.steps(10, phase) for _ in range(3)) / 10


def all_reduce() -> dict[str, float]:
    """{megabytes: seconds} of the mean over processes of an array that each has."""
    devices, found = parallel.Devices(), {}
    mean = jax.pmap(lambda a: jax.lax.pmean(a, AXIS), AXIS, devices=devices.devices)
    for size in MEGABYTES:
        array = jnp.ones((1, round(size * 250_000)), jnp.float32)
        mean(array).block_until_ready()
        found[str(size)] = min(
            timed.timed(lambda array=array: mean(array).block_until_ready()) for _ in range(8)
        )
    return found


def together(part: str, processes: int, devices: int = 1) -> object:
    """What the first of `processes` prints when each runs `part` of this file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-m", "benchmarks.scaling", "--part", part, "--place"]
    started = [
        subprocess.Popen(
            [*command, f"127.0.0.1:{port},{processes},{index}"],
            env=env | {"JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    said = [process.communicate()[0] for process in started]
    assert not any(process.returncode for process in started)
    return json.loads(said[0].splitlines()[-1])


# Input -------------------------------------------------------------------------------------------


def decoding(count: int = 256) -> float:
    """Images a second and core: JPEGs of 341 x 256 pixels to 224 x 224."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        smooth = rng.integers(0, 256, (count, 24, 32, 3), dtype=np.uint8)
        for n, pixels in enumerate(smooth):
            Image.fromarray(pixels).resize((341, 256)).save(f"{folder}/{n}.jpg", quality=90)
        files = ImageFiles(folder, [f"{n}.jpg" for n in range(count)], SIDE)
        seconds = min(timed.timed(lambda: files[np.arange(count)]) for _ in range(3))
    return count / seconds / os.cpu_count()


# Once an epoch -----------------------------------------------------------------------------------


def once_an_epoch(name: str, samples: int) -> dict[str, float]:
    """Seconds between the training steps of an epoch, and bytes a sample, of a method.

    Its own code runs on predictions that are made up; the networks and the passes are left out.
    """
    config = timed.recipe(name, "resnet50", 256, **{"model.stem": "imagenet"})
    train = timed.made_up(samples, CLASSES).train
    kind = method_class(name)
    network = models.build(config.model, CLASSES, AXIS, kind.head)
    method = kind(config, network, train)
    seen = made_up_observation(method, network, samples)
    memory, looked = method.init_memory(), set()

    def observe(network: int = 0, averaged: bool = False) -> dict[str, np.ndarray]:
        looked.add(network)
        return seen

    executor = types.SimpleNamespace(observe=observe)
    stand = types.SimpleNamespace(
        config=config, dataset=types.SimpleNamespace(train=train), executor=executor, memory=memory
    )
    late = config.train.epochs - 2
    list(method.epoch(EpochRun(stand, late)))  # compiles, and fills the memory
    phases = []
    seconds = timed.timed(lambda: phases.extend(method.epoch(EpochRun(stand, late + 1))))
    stands = [method.init_samples(), *map(brought, phases)]
    held = sum(a.nbytes for a in memory.values() if samples in a.shape)
    observed = sum(a.nbytes for a in seen.values())
    return {
        "seconds": seconds,
        "kept_bytes": held / samples,
        "device_bytes": (size_of(stands[0]) + max(map(size_of, stands[1:]))) / samples,
        "seen_bytes": len(looked) * observed / samples,
        "passes": len(looked),
    }


def brought(phase: Phase) -> dict[int, np.ndarray]:
    """What a phase brings to the devices of every sample; streams may share it."""
    columns = [pipeline.columns_of(stream.columns) for stream in phase.streams.values()]
    return {id(array): array for stream in columns for array in stream.values()}


def size_of(arrays: Mapping[Any, np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays.values())


def made_up_observation(method, network, samples: int) -> dict[str, np.ndarray]:
    """Random arrays of the shapes of `Method.forward`; logits agree with a label now and then."""
    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)

    def forward(images):
        state = network.init(jax.random.key(0), images, train=False)
        net = types.SimpleNamespace(batch_stats=state.get("batch_stats", {}), **state_of(state))
        return method.forward(net, images)

    def state_of(state):
        extra = jax.eval_shape(lambda: method.init_extra(jax.random.key(0)))
        return {"params": state["params"], "extra": extra}

    rng = np.random.default_rng(0)
    return {
        key: rng.standard_normal((samples, *shape.shape[1:]), dtype=np.float32)
        for key, shape in jax.eval_shape(forward, images).items()
    }


# FLOPs -------------------------------------------------------------------------------------------


def network_cost(name: str) -> dict[str, float]:
    """FLOPs of an image of 224 x 224, forward, and forward and backward; megabytes of weights."""
    config = timed.recipe("ce", name, 8, **{"model.stem": "imagenet"})
    network = models.build(config.model, CLASSES)
    images = jnp.zeros((8, SIDE, SIDE, 3))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))

    def loss(params, stats):
        seen, _ = network.apply(
            {"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"]
        )
        return jax.nn.logsumexp(seen["logits"], axis=1).mean()

    arguments = variables["params"], variables["batch_stats"]
    weights = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    return {
        "forward": cost.flops_of(loss, *arguments) / 8,
        "both": cost.flops_of(jax.grad(loss), *arguments) / 8,
        "megabytes": 4 * weights / 1e6,
    }


PARTS: dict[str, Callable[[], object]] = {"steps": steps, "all_reduce": all_reduce}


def measured() -> Iterator[tuple[str, object]]:
    yield "step_seconds", {str(n): together("steps", 1, n) for n in DEVICES}
    yield "all_reduce_seconds", {str(n): together("all_reduce", n) for n in (2, 4)}
    yield "decoded_per_second_and_core", decoding()
    yield "networks", {name: network_cost(net) for name, (net, _) in NETWORKS.items()}
    methods = {}
    for name in recipe.method_names():
        print(name, flush=True)
        methods[name] = once_an_epoch(name, SAMPLES)
    yield "samples", SAMPLES
    yield "once_an_epoch", methods


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--place", default="off")
    args = parser.parse_args()
    if args.part:
        rendezvous.start(args.place, 60)
        print(json.dumps(PARTS[args.part]()), flush=True)
        return
    found = {}
    for name, value in measured():
        found[name] = value
        print(name, json.dumps(value), flush=True)
    about = environment()
    found |= {"hardware": about["cpu"], "versions": about["versions"]}
    found["date"] = time.strftime("%Y-%m-%d")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
