"""Measures the constants of docs/scaling.md: steps, all-reduce, decoding, methods, networks.

    python -m benchmarks.speed.scaling [--only=PART] [--samples=100000] [--out=FILE]

Takes about six minutes on two cores.
Writes benchmarks/results/scaling/NAME.json, from which `benchmarks.docs.scaling_model` predicts.

Steps run on 1, 2 and 4 devices that share the CPU; gradients are averaged between processes; JPEGs
are decoded; each method does what it does once an epoch outside of its training steps
(`benchmarks.speed.once_an_epoch`); FLOPs are those of the large recipes' networks.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from benchmarks import result_file, timing
from benchmarks.speed import flops, once_an_epoch, synthetic
from dull_jax import methods, models
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.models.axis import AXIS
from dull_jax.train import cluster_init, parallel

DEVICES = (1, 2, 4)
MEGABYTES = (0.001, 1, 10, 100)
CLASSES, SIDE = 14, 224  # Clothing1M's
NETWORKS = {"clothing1m": "resnet50", "webvision50": "resnet18"}


# Devices and processes ---------------------------------------------------------------------------


def steps() -> float:
    """Seconds of a step on as many devices as this process has been given."""
    config = synthetic.recipe("ce", "resnet_small", 128)
    trainer = synthetic.SyntheticTrainer(config, size=128 * 12)
    phase = trainer.phase()
    return timing.best(lambda: trainer.run_steps(10, phase), repetitions=3) / 10


def all_reduce() -> dict[str, float]:
    """{megabytes: seconds} of the mean over processes of an array that each has."""
    mean = jax.pmap(lambda a: jax.lax.pmean(a, AXIS), AXIS, devices=parallel.Devices().devices)

    def seconds(size: float) -> float:
        array = jnp.ones((1, round(size * 250_000)), jnp.float32)
        return timing.best(lambda: mean(array).block_until_ready(), repetitions=8)

    return {str(size): seconds(size) for size in MEGABYTES}


IN_PROCESSES: dict[str, Callable[[], object]] = {"steps": steps, "all_reduce": all_reduce}


def in_processes(function: str, processes: int, devices: int = 1) -> object:
    """What the first of `processes` prints when each runs one of `IN_PROCESSES`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-m", "benchmarks.speed.scaling", "--process", function]
    started = [
        subprocess.Popen(
            [*command, f"--cluster=127.0.0.1:{port},{processes},{index}"],
            env=env | {"JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    printed = [process.communicate()[0] for process in started]
    assert not any(process.returncode for process in started)
    return json.loads(printed[0].splitlines()[-1])


# Input, networks, methods ------------------------------------------------------------------------


def decoding(count: int = 256) -> float:
    """Images a second and core: JPEGs of 341 x 256 pixels to 224 x 224."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        smooth = rng.integers(0, 256, (count, 24, 32, 3), dtype=np.uint8)
        for n, pixels in enumerate(smooth):
            Image.fromarray(pixels).resize((341, 256)).save(f"{folder}/{n}.jpg", quality=90)
        files = ImageFiles(folder, [f"{n}.jpg" for n in range(count)], SIDE)
        seconds = timing.best(lambda: files[np.arange(count)], repetitions=3, warm_up=0)
    return count / seconds / os.cpu_count()


def network_cost(name: str) -> dict[str, float]:
    """FLOPs of an image of 224 x 224, forward, and forward and backward; megabytes of weights."""
    config = synthetic.recipe("ce", name, 8, **{"model.stem": "imagenet"})
    network = models.build(config.model, CLASSES)
    forward, both = flops.of_image(network, SIDE, batch_size=8)
    image = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), image)
    weights = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    return {"forward": forward, "both": both, "megabytes": 4 * weights / 1e6}


def of_methods(samples: int) -> dict[str, dict[str, float]]:
    """{method: its work and memory once an epoch}."""
    measured = {}
    for name in methods.names():
        measured[name] = once_an_epoch.measure(name, samples, CLASSES)
        print(name, json.dumps(measured[name]), flush=True)
    return measured


# The result file ---------------------------------------------------------------------------------


def parts(samples: int) -> dict[str, Callable[[], object]]:
    """{key of the result file: what measures it}."""
    return {
        "step_seconds": lambda: {str(n): in_processes("steps", 1, n) for n in DEVICES},
        "all_reduce_seconds": lambda: {str(n): in_processes("all_reduce", n) for n in (2, 4)},
        "decoded_per_second_and_core": decoding,
        "networks": lambda: {name: network_cost(network) for name, network in NETWORKS.items()},
        "once_an_epoch": lambda: of_methods(samples),
    }


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--only", choices=parts(0), help="one key of the result file")
    parser.add_argument("--samples", type=int, default=100_000, help="of the work once an epoch")
    parser.add_argument("--process", choices=IN_PROCESSES, help="this is one of several processes")
    parser.add_argument("--cluster", default="off", help="of --process: address, number, index")
    args = parser.parse_args()
    if args.process:
        cluster_init.initialize(args.cluster, 60)
        print(json.dumps(IN_PROCESSES[args.process]()), flush=True)
        return
    measured = {"samples": args.samples}
    for name, measure in parts(args.samples).items():
        if args.only in (None, name):
            measured[name] = measure()
            print(name, json.dumps(measured[name]), flush=True)
    result_file.save(args.out, measured)


if __name__ == "__main__":
    main()
