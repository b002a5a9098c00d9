"""Speed of the training step: images/s, the floor, the host's share, PyTorch beside it.

    python -m benchmarks.speed [--out=benchmarks/results/speed/NAME.json] [--devices=N] [--quick]
    python -m benchmarks.speed --table=benchmarks/results/speed/NAME.json

The floor is the step's FLOPs over the machine's rate in a large matrix product: no program that
does these FLOPs can be faster. PyTorch (optional) makes the same step without augmentation,
on images that are ready; ours is timed in turn with it, in the same process.
"""

import argparse
import json
import pathlib
import time

import jax

from benchmarks import timed
from dull_jax.machine import environment
from dull_jax.train import parallel

CASES = (
    ("ce", "small_cnn", 32),
    ("ce", "small_cnn", 128),
    ("la", "small_cnn", 128),
    ("dull", "small_cnn", 128),
    ("ce", "resnet_small", 128),
    ("ce", "preact_resnet18", 64),
)


def measure(
    method: str, network: str, batch_size: int, steps: int, **fields: object
) -> dict[str, object]:
    """One case; every key in SI units. `fields`: further ones of the recipe."""
    config = timed.recipe(method, network, batch_size, **fields)
    bench = timed.Bench(config, size=(steps + 2) * batch_size)
    phase = bench.phase()
    first = bench.steps(1, phase)
    compilations: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **__: compilations.append(name) if "backend_compile" in name else None
    )
    seconds = min(bench.steps(steps, phase) for _ in range(3)) / steps
    after_first = len(compilations)
    row = {
        "method": method,
        "network": network,
        "batch_size": batch_size,
        "images_per_second": batch_size / seconds,
        "first_step_seconds": first,
        "compilations_after_the_first_step": after_first,
        "flops_per_step": bench.flops(phase),
        **{f"epoch_{k}": v for k, v in bench.epoch().items()},
    }
    if after_first:
        raise AssertionError(f"{method} {network}: {after_first} compilations after the first step")
    return row | _against_torch(method, network, batch_size, steps)


def _against_torch(method: str, network: str, batch_size: int, steps: int) -> dict[str, object]:
    try:
        from benchmarks import torch_networks
    except ImportError:
        return {}
    if method != "ce" or network not in torch_networks.NETWORKS:
        return {}
    config = timed.recipe(method, network, batch_size, **{"train.view": "plain"})
    bench = timed.Bench(config, size=(steps + 2) * batch_size)
    phase, step = bench.phase(), torch_networks.train_step(network, batch_size)
    bench.steps(1, phase), step(), step()

    def theirs() -> float:
        return timed.timed(lambda: [step() for _ in range(steps)])

    ours, torch_seconds = timed.alternating(lambda: bench.steps(steps, phase), theirs)
    return {
        "torch_images_per_second": steps * batch_size / torch_seconds,
        "ratio_to_torch": torch_seconds / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="a few steps of each: seconds, noisy")
    parser.add_argument("--table", type=pathlib.Path, help="print a result file as Markdown")
    parser.add_argument("--devices", type=int, default=0, help="see config.train.devices")
    parser.add_argument("--only", default="", help="cases whose network or method has this name")
    args = parser.parse_args()
    if args.table:
        print(markdown(json.loads(args.table.read_text())["cases"]))
        return
    jax.config.update("jax_enable_compilation_cache", False)
    parallel.cpu_devices(args.devices)
    rate, rows = timed.matmul_rate(), []
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
    if args.out:
        found = {"environment": environment(), "matmul_flops_per_second": rate, "cases": rows}
        found["written"] = time.strftime("%Y-%m-%d")
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found, indent=1) + "\n")


def markdown(cases: list[dict[str, object]]) -> str:
    head = "method|network|batch|images/s|of the floor|first step|pass, 1000 images|of PyTorch"
    lines = [head, "---|---|--:|--:|--:|--:|--:|--:"]
    for c in cases:
        torch_ratio = f"{c['ratio_to_torch']:.2f}" if "ratio_to_torch" in c else ""
        lines.append(
            f"{c['method']}|{c['network']}|{c['batch_size']}|{c['images_per_second']:,.0f}|"
            f"{100 * c['ratio_to_floor']:.0f} %|{c['first_step_seconds']:.1f} s|"
            f"{c['epoch_pass_seconds_per_1000_images']:.2f} s|{torch_ratio}"
        )
    return "\n".join("| " + line.replace("|", " | ") + " |" for line in lines)


def _line(row: dict[str, object]) -> str:
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
