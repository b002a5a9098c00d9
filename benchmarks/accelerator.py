"""One command for a machine with a GPU: numerics against the CPU, speed, and a stretch of training.

    python -m benchmarks.accelerator --export=cifar100.npz       # where the data set is prepared
    python -m benchmarks.accelerator --data=cifar100.npz --out=FILE.json
    python -m benchmarks.accelerator --data=cifar100.npz --rehearse     # in small, on a CPU

At most eight minutes: the training part ends in time, whatever the machine. Without --data, only
numerics and speed. The exported file holds the recipe's long-tailed images and labels, so that
the machine needs neither the data set nor TFDS.
"""

import argparse
import json
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from benchmarks import speed, timed
from configs import cifar100_t2h
from dull_jax.data import dataset as data
from dull_jax.data import sources
from dull_jax.machine import environment
from dull_jax.stats import metrics
from dull_jax.train import parallel
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.executor import Executor, Sums
from dull_jax.train.state import learning_rate

CASES = (
    ("ce", "small_cnn", 512),
    ("ce", "preact_resnet18", 128),
    ("dull", "preact_resnet18", 128),
    ("dull", "preact_resnet18", 512),
)


def numerics(steps: int = 3) -> dict[str, float]:
    """Largest relative difference of the weights after a few float32 steps, to the CPU's."""
    found = {}
    for method, network in (("ce", "small_cnn"), ("dull", "small_cnn"), ("ce", "preact_resnet18")):
        weights = []
        for platform in (None, "cpu"):
            with jax.default_matmul_precision("highest"):
                bench = timed.Bench(timed.recipe(method, network, 16), 64, platform)
                bench.steps(steps, bench.phase())
            weights.append(jax.device_get(bench.executor.nets[0].params))
        gaps = jax.tree.map(lambda a, b: np.abs(a - b).max() / np.abs(b).max(), *weights)
        found[f"{method} {network}"] = float(max(jax.tree.leaves(gaps)))
    return found


def export(path: pathlib.Path) -> None:
    """Writes the recipe's data, with a tenth of the test set's images."""
    built = data.build(cifar100_t2h.get_config())
    few = np.arange(0, len(built.test.labels), 10)
    np.savez_compressed(
        path,
        images=built.train.images,
        given=built.train.given,
        clean=built.clean,
        ids=built.train.ids,
        class_names=np.array(built.train.class_names),
        test_images=built.test.images[few],
        test_labels=built.test.labels[few],
        groups=json.dumps(built.groups),
    )


def load(path: pathlib.Path) -> data.Dataset:
    with np.load(path, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    names = tuple(map(str, held["class_names"]))
    train = data.TrainSet(held["images"], held["given"], held["ids"], names)
    nothing = data.TrainSet(held["images"][:0], held["given"][:0], held["ids"][:0], names)
    ids = np.array([f"test_{i}" for i in range(len(held["test_labels"]))])
    test = sources.Split(held["test_images"], held["test_labels"], ids)
    groups = json.loads(str(held["groups"]))
    return data.Dataset(train, held["clean"], nothing, test, groups, {}, {})


def train(config: ConfigDict, dataset: data.Dataset, until: float) -> dict[str, Any]:
    """Trains until the clock says stop, in the middle of an epoch if need be; what it reached."""
    executor = Executor(config, dataset, parallel.Devices())
    bench = timed.Stand(config, executor)
    began, epoch, loss, images = time.perf_counter(), 0, [], 0
    while epoch < config.train.epochs and time.perf_counter() < until:
        sums, run = Sums(), EpochRun(bench, epoch)
        for number, phase in enumerate(executor.method.epoch(run)):
            size = next(iter(phase.streams.values())).batch_size
            seen = 0
            for done in executor.sweep(phase, epoch, number, learning_rate(config, epoch), sums):
                seen = done * size
                if time.perf_counter() > until:
                    break
            images += seen
        executor.settle()
        loss.append(sums.means()["loss"])
        epoch += 1
    predicted = executor.test_logits().argmax(1)
    found = metrics.accuracy(
        predicted, dataset.test.labels, dataset.train.num_classes, dataset.groups
    )
    seconds = time.perf_counter() - began
    return {
        "epochs_begun": epoch,
        "of": config.train.epochs,
        "seconds": seconds,
        "images_per_second": images / seconds,
        "loss": loss,
        "accuracy": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--export", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--minutes", type=float, default=7.5)
    args = parser.parse_args()
    if args.export:
        export(args.export)
        return
    until = time.perf_counter() + 60 * args.minutes
    found: dict[str, Any] = {"environment": environment(), "numerics": numerics()}
    print("largest relative difference to the CPU:", found["numerics"], flush=True)
    for dtype in (jnp.float32, jnp.bfloat16):
        rate = timed.matmul_rate(8192 if jax.default_backend() != "cpu" else 1024, dtype)
        found[f"matmul_flops_per_second_{jnp.dtype(dtype).name}"] = rate
    found["cases"] = []
    dtype, steps = ("float32", 2) if args.rehearse else ("bfloat16", 32)
    for case in CASES[:1] if args.rehearse else CASES:
        if time.perf_counter() < until - 120 * args.minutes / 7.5:
            row = speed.measure(*case, steps=steps, **{"model.dtype": dtype})
            found["cases"].append(row)
            print(row, flush=True)
    if args.data:
        config = cifar100_t2h.get_config("preset=cpu" if args.rehearse else None)
        found["training"] = train(config, load(args.data), until)
        print({k: v for k, v in found["training"].items() if k != "loss"}, flush=True)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
