"""Measures images/s of a frozen EfficientNet-Lite0: beside its floor, and PyTorch.

    python -m benchmarks.speed.embedding [--quick] [--devices=N] [--out=FILE]

Takes about two minutes on two idle cores; --quick half of it.
Writes benchmarks/results/speed/embedding.json, which docs/speed.md shows.

What is timed is the network alone, on images that are ready: evaluation mode, global average
included. PyTorch (optional) has the same network, channels last, with and without batch
normalisation folded into the convolutions; ours is timed in turn with both, in one process. The
floor is the network's FLOPs over the machine's rate in a large matrix product.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np

from benchmarks import result_file, timing
from benchmarks.speed import flops
from configs import folder
from dull_jax.embed import encoder
from dull_jax.models.backbones import efficientnet
from dull_jax.train import parallel

SIDES = (112, 224)

Row = dict[str, object]


def measure(side: int, rounds: int) -> Row:
    """One size of images; every key in SI units."""
    config = folder.get_config("method=ce")
    config.model.name = "efficientnet_lite0"
    made, devices = encoder.load(config), parallel.Devices(0)
    network, size = made.network(devices)
    images = np.random.default_rng(0).normal(size=(size, side, side, 3)).astype(np.float32)
    ours = functools.partial(network, images)
    seconds, *others = timing.medians_in_turn(ours, *_torch(images), rounds=rounds)
    row = {
        "side": side,
        "batch_size": size,
        "devices": devices.own_count,
        "images_per_second": size / seconds,
        "flops_per_image": flops_per_image(side),
    }
    for name, theirs in zip(("torch", "torch_folded"), others, strict=False):
        row |= {f"{name}_images_per_second": size / theirs, f"ratio_to_{name}": theirs / seconds}
    return row


def _torch(images: np.ndarray) -> list[Callable[[], object]]:
    """The same batch through PyTorch, plain and folded; nothing where it is not installed."""
    try:
        from benchmarks.speed import torch_networks
    except ImportError:
        return []
    return [
        torch_networks.forward("efficientnet_lite0", images, folded) for folded in (False, True)
    ]


def flops_per_image(side: int) -> int:
    """Two for each multiply-add of the convolutions."""
    height, channels = -(-side // 2), efficientnet.STEM
    total = height**2 * 9 * 3 * channels
    network = efficientnet.EfficientNetLite(conv=None, norm=None)
    for expansion, kernel, stride, features in network.blocks():
        inner = expansion * channels
        total += height**2 * channels * inner * (expansion > 1)
        height = -(-height // stride)
        total += height**2 * inner * (kernel**2 + features)
        channels = features
    return 2 * (total + height**2 * channels * efficientnet.HEAD)


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: noisy")
    parser.add_argument("--devices", type=int, default=2, help="the CPU is divided into")
    args = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    parallel.cpu_devices(args.devices)
    rate, rows = flops.matmul_rate(), []
    print(f"matrix product: {rate / 1e9:.0f} GFLOP/s")
    for side in SIDES:
        row = measure(side, rounds=3 if args.quick else 11)
        row["floor_images_per_second"] = rate / row["flops_per_image"]
        row["ratio_to_floor"] = row["images_per_second"] / row["floor_images_per_second"]
        rows.append(row)
        print(_line(row), flush=True)
    result_file.save(args.out, {"matmul_flops_per_second": rate, "cases": rows})


def _line(row: Row) -> str:
    parts = [
        f"{row['side']:4} px  batch {row['batch_size']:4}",
        f"{row['images_per_second']:7,.1f} images/s",
        f"{100 * row['ratio_to_floor']:4.0f} % of the floor",
    ]
    for name in ("torch", "torch_folded"):
        if f"ratio_to_{name}" in row:
            parts.append(f"{row[f'ratio_to_{name}']:.2f} of {name}")
    return "  ".join(parts)


if __name__ == "__main__":
    main()
