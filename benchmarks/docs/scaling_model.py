"""Predicted step and epoch times on 1 to 256 accelerators, and memory of large sets.

`benchmarks.speed.scaling` measures the constants that a CPU can measure; `ACCELERATOR` has those
that it cannot, from the vendor's data sheet and one assumption, and says so. The equations are in
docs/scaling.md, whose tables are made here.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from dull_jax import methods
from dull_jax.methods.semisup import CoTraining

DEVICES = (1, 4, 16, 64, 256)


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """A chip and its host: FLOP/s reached, bytes/s and seconds of the links, cores for input."""

    name: str
    flops: float
    bandwidth: float
    latency: float
    cores: float  # of the host, per chip
    per_host: int


# TPU v5e by its data sheet: 197 TFLOP/s (bf16), 400 GB/s between chips (both directions), 112 cores
# to 4 chips. Not measured: the share of its FLOP/s that is reached (0.35), and the latency.
ACCELERATOR = Accelerator("TPU v5e", 0.35 * 197e12, 200e9, 1e-6, 28.0, 4)


@dataclasses.dataclass(frozen=True)
class Task:
    """A recipe: its images, its batch, which of the measured networks."""

    title: str
    network: str
    images: int
    batch: int


TASKS = (
    Task("Clothing1M, ResNet-50", "clothing1m", 1_000_000, 256),
    Task("WebVision-50, ResNet-18", "webvision50", 65_944, 256),
)


def step(measured: Mapping[str, Any], task: Task, method: str, devices: int) -> dict[str, float]:
    """Seconds of a training step: its compute, its all-reduce, its input; and all of it."""
    chip, network = ACCELERATOR, measured["networks"][task.network]
    module = methods.module(method)
    forward, both = module.COST
    per_image = forward * network["forward"] + both * network["both"]
    compute = per_image * task.batch / devices / chip.flops
    hops = 2 * (devices - 1)
    reduce = hops / devices * 1e6 * network["megabytes"] / chip.bandwidth + hops * chip.latency
    views = forward + both if issubclass(module.Method, CoTraining) else both
    rate = measured["decoded_per_second_and_core"] * chip.cores * devices
    read = max(1.0, math.ceil(views)) * task.batch / rate
    return {
        "compute": compute,
        "all-reduce": reduce if devices > 1 else 0.0,
        "input": read,
        "step": max(compute + (reduce if devices > 1 else 0.0), read),
    }


def epoch(measured: Mapping[str, Any], task: Task, method: str, devices: int) -> dict[str, float]:
    """Seconds of an epoch: steps, passes over the train set, and what the host does between."""
    once = measured["once_an_epoch"][method]
    each = step(measured, task, method, devices)
    networks = methods.module(method).Method.num_networks
    steps = networks * each["step"] * task.images / task.batch
    forward = measured["networks"][task.network]["forward"] / ACCELERATOR.flops
    rate = measured["decoded_per_second_and_core"] * ACCELERATOR.cores
    passes = once["passes"] * task.images * max(forward, 1 / rate) / devices
    return {
        "steps": steps,
        "passes": passes,
        "host": once["seconds"] / measured["samples"] * task.images,
    }


# Tables ------------------------------------------------------------------------------------------


def measured_table(measured: Mapping[str, Any]) -> str:
    """Devices that share the CPU, and means over processes."""
    seconds = measured["step_seconds"]
    lines = ["| devices on two cores | step | against one |", "|--:|--:|--:|"]
    for n, value in seconds.items():
        lines.append(f"| {n} | {1000 * value:.0f} ms | {seconds['1'] / value:.2f} |")
    sizes = list(measured["all_reduce_seconds"]["2"])
    names = " | ".join(f"{float(size):g} MB" for size in sizes)
    lines += ["", f"| processes | {names} |", "|--:|" + "--:|" * len(sizes)]
    for n, row in measured["all_reduce_seconds"].items():
        lines.append(f"| {n} | {' | '.join(f'{1000 * row[s]:.1f} ms' for s in sizes)} |")
    networks = measured["networks"]
    lines += ["", "| of an image of 224 x 224 | forward | and backward | weights |"]
    lines.append("|---|--:|--:|--:|")
    for task in TASKS:
        row = networks[task.network]
        lines.append(
            f"| {task.title.split(', ')[1]} | {row['forward'] / 1e9:.1f} GFLOP "
            f"| {row['both'] / 1e9:.1f} GFLOP | {row['megabytes']:.0f} MB |"
        )
    rate, machine = measured["decoded_per_second_and_core"], measured["environment"]
    lines += ["", f"Decoded: {rate:.0f} JPEGs a second and core (341 x 256, cut to 224 x 224)."]
    lines.append(f"{machine['cpu']}; jax {machine['versions']['jax']}; {machine['started'][:10]}.")
    return "\n".join(lines)


def predicted_table(measured: Mapping[str, Any], methods: tuple[str, ...] = ("ce", "dull", "dasc")):
    """Step times of two recipes, 1 to 256 chips."""
    lines = [
        "| recipe | method | chips | compute | all-reduce | input | images/s | efficiency | by |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for task in TASKS:
        for method in methods:
            alone = step(measured, task, method, 1)["step"]
            for n in DEVICES:
                s = step(measured, task, method, n)
                bound = "input" if s["input"] >= s["step"] else "compute"
                bound = "all-reduce" if s["all-reduce"] > max(s["compute"], s["input"]) else bound
                times = " | ".join(
                    f"{1000 * s[k]:.2f} ms" for k in ("compute", "all-reduce", "input")
                )
                lines.append(
                    f"| {task.title} | {method} | {n} | {times} | {task.batch / s['step']:,.0f} "
                    f"| {100 * alone / s['step'] / n:.0f} % | {bound} |"
                )
    return "\n".join(lines)


def methods_table(measured: Mapping[str, Any]) -> str:
    """Once an epoch: seconds at a million images, and memory at one and ten million."""
    lines = [
        "| method | passes | host, 1 M images | of an epoch on 16 chips | kept a sample "
        "| seen a sample | a host, 1 M | a host, 10 M | divided over devices |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, once in sorted(measured["once_an_epoch"].items()):
        task = TASKS[0]
        parts = epoch(measured, task, name, 16)
        share = 100 * parts["host"] / sum(parts.values())
        every = once["kept_bytes"] + once["seen_bytes"]
        lines.append(
            f"| {name} | {once['passes']} | {parts['host']:.1f} s | {share:.0f} % "
            f"| {once['kept_bytes']:.0f} B | {once['seen_bytes']:,.0f} B "
            f"| {every / 1e3:,.2f} GB | {every / 1e2:,.1f} GB | {once['device_bytes']:.0f} B |"
        )
    return "\n".join(lines)
