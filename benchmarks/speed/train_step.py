"""Measures images/s of the training step: beside its floor, the host's share, and PyTorch.

    python -m benchmarks.speed.train_step [--quick] [--devices=N] [--only=NAME] [--out=FILE]

Takes about three minutes on two idle cores; --quick half of it.
Writes benchmarks/results/speed/NAME.json, which docs/speed.md shows.

The floor is the step's FLOPs over the machine's rate in a large matrix product: no program that
does these FLOPs can be faster. PyTorch (optional) makes the same step without augmentation,
on images that are ready; ours is timed in turn with it, in the same process.
"""

import contextlib
import functools
from collections.abc import Iterator

import jax

from benchmarks import result_file, timing
from benchmarks.speed import flops, synthetic
from dull_jax.train import parallel

CASES = (
    ("ce", "small_cnn", 32),
    ("ce", "small_cnn", 128),
    ("la", "small_cnn", 128),
    ("dull", "small_cnn", 128),
    ("ce", "resnet_small", 128),
    ("ce", "preact_resnet18", 64),
)

Row = dict[str, object]


def measure(method: str, network: str, batch_size: int, steps: int, **fields: object) -> Row:
    """One case; every key in SI units. `fields`: further ones of the recipe."""
    config = synthetic.recipe(method, network, batch_size, **fields)
    trainer = synthetic.SyntheticTrainer(config, size=(steps + 2) * batch_size)
    phase = trainer.phase()
    first = timing.once(lambda: trainer.run_steps(1, phase)).seconds
    with compilations() as compiled:
        seconds = timing.best(lambda: trainer.run_steps(steps, phase), 3, warm_up=0) / steps
    if compiled:
        raise AssertionError(f"{method} {network}: {len(compiled)} compilations after step 1")
    row = {
        "method": method,
        "network": network,
        "batch_size": batch_size,
        "images_per_second": batch_size / seconds,
        "first_step_seconds": first,
        "compilations_after_the_first_step": len(compiled),
        "flops_per_step": trainer.flops(phase),
        **{f"epoch_{k}": v for k, v in trainer.epoch().items()},
    }
    return row | _against_torch(method, network, batch_size, steps)


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """The events of XLA's compiler while the block runs."""
    events: list[str] = []

    def listen(name: str, seconds: float, **_: object) -> None:
        if "backend_compile" in name:
            events.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _against_torch(method: str, network: str, batch_size: int, steps: int) -> Row:
    try:
        from benchmarks.speed import torch_networks
    except ImportError:
        return {}
    if method != "ce" or network not in torch_networks.NETWORKS:
        return {}
    config = synthetic.recipe(method, network, batch_size, **{"train.view": "plain"})
    trainer = synthetic.SyntheticTrainer(config, size=(steps + 2) * batch_size)
    step = torch_networks.train_step(network, batch_size)
    ours, theirs = timing.medians_in_turn(
        functools.partial(trainer.run_steps, steps, trainer.phase()),
        lambda: [step() for _ in range(steps)],
    )
    return {
        "torch_images_per_second": steps * batch_size / theirs,
        "ratio_to_torch": theirs / ours,
    }


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps of each: noisy")
    parser.add_argument("--devices", type=int, default=0, help="see config.train.devices")
    parser.add_argument("--only", default="", help="cases whose network or method has this name")
    args = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    parallel.cpu_devices(args.devices)
    rate, rows = flops.matmul_rate(), []
    print(f"matrix product: {rate / 1e9:.0f} GFLOP/s")
    for method, network, batch_size in CASES:
        if args.only not in (method, network, ""):
            continue
        steps = 3 if args.quick else max(4, (256 if "preact" in network else 2560) // batch_size)
        row = measure(method, network, batch_size, steps)
        row["floor_images_per_second"] = batch_size * rate / row["flops_per_step"]
        row["ratio_to_floor"] = row["images_per_second"] / row["floor_images_per_second"]
        rows.append(row)
        print(_line(row), flush=True)
    result_file.save(args.out, {"matmul_flops_per_second": rate, "cases": rows})


def _line(row: Row) -> str:
    parts = [
        f"{row['method']:5} {row['network']:16} batch {row['batch_size']:4}",
        f"{row['images_per_second']:8,.0f} images/s",
        f"{100 * row['ratio_to_floor']:4.0f} % of the floor",
        f"host {100 * row['epoch_host_share']:4.1f} %",
        f"first step {row['first_step_seconds']:5.1f} s",
        f"pass {row['epoch_pass_seconds_per_1000_images']:.2f} s/1000",
    ]
    if "ratio_to_torch" in row:
        parts.append(f"{row['ratio_to_torch']:.2f} of PyTorch")
    return "  ".join(parts)


if __name__ == "__main__":
    main()
