"""Seconds to scan a folder of small JPEGs, and to start again when nothing has changed.

    python -m benchmarks.scan [--files=100000] [--side=96] [--out=scan.json]

The first scan reads, hashes and decodes every file in as many processes as there are cores; the
second looks at sizes and times of change. The files lie in the system's page cache, having just
been written: this is the time of the processor, not of a disk.
"""

import argparse
import json
import os
import pathlib
import platform
import tempfile
import time

import numpy as np
import PIL
from PIL import Image

from dull_jax.data.own import scan
from dull_jax.data.sources import folder as image_folder

CLASSES = 20


def make(root: pathlib.Path, count: int, side: int) -> float:
    """Writes different JPEGs into class folders; returns megabytes."""
    rng, size = np.random.default_rng(0), 0
    for k in range(CLASSES):
        (root / f"class {k:02}").mkdir()
    for n in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        path = root / f"class {n % CLASSES:02}" / f"{n:06}.jpg"
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)
        size += path.stat().st_size
    return size / 1e6


def timed_scan(root: pathlib.Path, cache: pathlib.Path) -> dict[str, float]:
    began = time.perf_counter()
    index = image_folder.read(root)
    listed = time.perf_counter() - began
    found = scan.scan(index, lambda text: print(text, flush=True), cache=cache)
    seconds = time.perf_counter() - began
    return {
        "files": len(found.ids),
        "seconds": round(seconds, 2),
        "seconds_listing": round(listed, 2),
        "files_per_second": round(len(found.ids) / seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, cache = pathlib.Path(folder, "images"), pathlib.Path(folder, "cache")
        root.mkdir()
        megabytes = make(root, args.files, args.side)
        found = {
            "cores": len(os.sched_getaffinity(0)),
            "load_before": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "pillow": PIL.__version__,
            "side": args.side,
            "megabytes": round(megabytes, 1),
            "first": timed_scan(root, cache),
            "again": timed_scan(root, cache),
        }
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
