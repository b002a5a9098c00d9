"""Measures a machine with a GPU: numerics against the CPU, speed, a stretch of training.

    python -m benchmarks.speed.accelerator --export=cifar100.npz   # where the data set is prepared
    python -m benchmarks.speed.accelerator --data=cifar100.npz --out=FILE
    python -m benchmarks.speed.accelerator --data=cifar100.npz --rehearse   # reduced, on a CPU

Takes at most eight minutes: the training part ends in time, whatever the machine.
Writes FILE; none is committed, since no accelerator has been at hand.

Without --data, only numerics and speed. The exported file holds the recipe's long-tailed images
and labels, so that the machine needs neither the data set nor TFDS.
"""

import json
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from benchmarks import result_file, timing
from benchmarks.speed import flops, synthetic, train_step
from configs import cifar100_t2h
from dull_jax.data import dataset as data
from dull_jax.data import sources
from dull_jax.optim import learning_rate
from dull_jax.stats import metrics
from dull_jax.train import parallel
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.learner import Learner
from dull_jax.train.train_phase import MetricAccumulator

CASES = (
    ("ce", "small_cnn", 512),
    ("ce", "preact_resnet18", 128),
    ("dull", "preact_resnet18", 128),
    ("dull", "preact_resnet18", 512),
)


def numerics(steps: int = 3) -> dict[str, float]:
    """Largest relative difference of the weights after a few float32 steps, to the CPU's."""
    differences = {}
    for method, network in (("ce", "small_cnn"), ("dull", "small_cnn"), ("ce", "preact_resnet18")):
        weights = [_weights_after(steps, method, network, platform) for platform in (None, "cpu")]
        gaps = jax.tree.map(lambda a, b: np.abs(a - b).max() / np.abs(b).max(), *weights)
        differences[f"{method} {network}"] = float(max(jax.tree.leaves(gaps)))
    return differences


def _weights_after(steps: int, method: str, network: str, platform: str | None) -> Any:
    with jax.default_matmul_precision("highest"):
        config = synthetic.recipe(method, network, 16)
        trainer = synthetic.SyntheticTrainer(config, 64, platform)
        trainer.run_steps(steps, trainer.phase())
    return jax.device_get(trainer.learner.networks.states[0].params)


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
    """What `export` wrote, as a data set."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    names = tuple(map(str, arrays["class_names"]))
    train = data.TrainSet(arrays["images"], arrays["given"], arrays["ids"], names)
    empty = data.TrainSet(arrays["images"][:0], arrays["given"][:0], arrays["ids"][:0], names)
    ids = np.array([f"test_{i}" for i in range(len(arrays["test_labels"]))])
    test = sources.Split(arrays["test_images"], arrays["test_labels"], ids)
    groups = json.loads(str(arrays["groups"]))
    return data.Dataset(train, arrays["clean"], empty, test, groups, {}, {})


def train(config: ConfigDict, dataset: data.Dataset, until: float) -> dict[str, Any]:
    """Trains until the clock says stop, in the middle of an epoch if need be; what it reached."""
    learner = Learner.build(config, dataset, parallel.Devices())
    trainer = synthetic.TrainerStub(learner)
    (losses, images), seconds = timing.once(lambda: _epochs_until(trainer, until))
    predicted = learner.passes.test_logits().argmax(1)
    return {
        "epochs_begun": len(losses),
        "of": config.train.epochs,
        "seconds": seconds,
        "images_per_second": images / seconds,
        "loss": losses,
        "accuracy": metrics.accuracy(
            predicted, dataset.test.labels, dataset.train.num_classes, dataset.groups
        ),
    }


def _epochs_until(trainer: synthetic.TrainerStub, until: float) -> tuple[list[float], int]:
    """The mean loss of each epoch that was begun, and how many images their steps took in."""
    config, learner, losses, images = trainer.config, trainer.learner, [], 0
    while len(losses) < config.train.epochs and time.perf_counter() < until:
        epoch, sums = len(losses), MetricAccumulator()
        for number, phase in enumerate(learner.method.epoch(EpochRun(trainer, epoch))):
            size, seen = next(iter(phase.streams.values())).batch_size, 0
            for done in learner.phases.train_phase(
                phase, epoch, number, learning_rate(config, epoch), sums
            ):
                seen = done * size
                if time.perf_counter() > until:
                    break
            images += seen
        learner.phases.drain()
        losses.append(sums.means()["loss"])
    return losses, images


def speed(rehearse: bool, until: float) -> dict[str, Any]:
    """FLOP/s of matrix products, and the cases for which there is time."""
    measured: dict[str, Any] = {}
    for dtype in (jnp.float32, jnp.bfloat16):
        rate = flops.matmul_rate(8192 if jax.default_backend() != "cpu" else 1024, dtype)
        measured[f"matmul_flops_per_second_{jnp.dtype(dtype).name}"] = rate
    measured["cases"] = []
    dtype, steps = ("float32", 2) if rehearse else ("bfloat16", 32)
    for case in CASES[:1] if rehearse else CASES:
        if time.perf_counter() < until:
            row = train_step.measure(*case, steps=steps, **{"model.dtype": dtype})
            measured["cases"].append(row)
            print(row, flush=True)
    return measured


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--export", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--minutes", type=float, default=7.5)
    args = parser.parse_args()
    if args.export:
        export(args.export)
        return
    until = time.perf_counter() + 60 * args.minutes
    measured: dict[str, Any] = {"numerics": numerics()}
    print("largest relative difference to the CPU:", measured["numerics"], flush=True)
    measured |= speed(args.rehearse, until - 120 * args.minutes / 7.5)
    if args.data:
        config = cifar100_t2h.get_config("preset=cpu" if args.rehearse else None)
        measured["training"] = train(config, load(args.data), until)
        print({k: v for k, v in measured["training"].items() if k != "loss"}, flush=True)
    result_file.save(args.out, measured)


if __name__ == "__main__":
    main()
