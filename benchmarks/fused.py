"""Two networks' steps in one program against two programs in turn: does fusing pay?

    python -m benchmarks.fused [--out=benchmarks/results/speed/fused.json]

Both networks learn from batches of their own, as those of DivideMix, SFA, TABASCO and DaSC do.
"separate" is what the trainer does; "fused" has both updates in one program that may interleave
them. (`jax.vmap` over the networks makes grouped convolutions of them, which a CPU does so slowly
that they were not waited for.)
"""

import argparse
import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import timed
from dull_jax.machine import environment
from dull_jax.train import parallel, step

MINI = {"model.width": 8, "model.stages": 5}
CASES = (
    ("mini", "small_cnn", 64, MINI),
    ("small_cnn", "small_cnn", 128, {}),
    ("resnet_small", "resnet_small", 128, {}),
)


def measure(network: str, batch_size: int, steps: int, **fields: object) -> dict[str, float]:
    """Seconds of a step of both networks, both ways, timed in turn."""
    config = timed.recipe("co_teaching", network, batch_size, **fields)
    bench = timed.Bench(config, size=4 * batch_size)
    executor, phase = bench.executor, bench.phase()
    one = functools.partial(
        step.train_step,
        method=executor.method,
        loss_fn=executor.method.losses[phase.loss],
        views={"main": (config.train.view,)},
        augment=executor.augment,
        optimizer=executor._optimizer,
        ema=config.optim.ema,
        frozen=(),
    )

    def both(nets, peers, data, columns, constants, lr, clock, rows, said):
        halves = [
            one(net, (peer,), data, columns, constants, lr, clock, {"main": mine}, said)
            for net, peer, mine in zip(nets, peers, (rows["a"], rows["b"]), strict=True)
        ]
        own, metrics, news, losses = zip(*halves, strict=True)
        return own, metrics, news, jnp.stack(losses, axis=1)

    devices, plan = executor.devices, executor._plan(phase, 1, 0, 0.01)
    fused = devices.train_step(both, (parallel.OWN,) * 2)
    start = jax.tree.map(np.asarray, executor.nets)
    nets, peers = devices.replicate((start, start[::-1]))
    clock = np.array([*plan.seed, 0], np.int32)
    (rows,) = executor._train.rows([plan.places(0, 1)], 1)
    said = devices.each(0)  # no signal came

    def separate() -> float:
        def run():
            for _ in range(steps):
                for network in (0, 1):
                    executor._dispatch(plan, network, 0, rows, 0)
            jax.block_until_ready(executor.nets)

        return timed.timed(run)

    def together() -> float:
        nonlocal nets

        def run():
            nonlocal nets
            for _ in range(steps):
                both_rows = {"a": rows["main"], "b": rows["main"]}
                nets, *_ = fused(nets, peers, *plan.given, clock, both_rows, said)
            jax.block_until_ready(nets)

        return timed.timed(run)

    separate(), together()
    seconds = timed.alternating(separate, together)
    return {name: s / steps for name, s in zip(("separate", "fused"), seconds, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--devices", type=int, default=0, help="see config.train.devices")
    args = parser.parse_args()
    parallel.cpu_devices(args.devices)
    rows = []
    for name, network, batch_size, fields in CASES:
        row = {"case": name, "batch_size": batch_size, "devices": args.devices or 1}
        row |= measure(network, batch_size, steps=max(4, 1280 // batch_size), **fields)
        rows.append(row)
        print(row, flush=True)
    if args.out:
        found = {"environment": environment(), "cases": rows}
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
