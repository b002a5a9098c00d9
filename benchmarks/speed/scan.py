"""Measures seconds to scan a folder of small JPEGs, and to start again when nothing has changed.

    python -m benchmarks.speed.scan [--files=100000] [--side=96] [--out=FILE]

Takes about a minute on two cores, most of it to write the files into a temporary folder.
Writes benchmarks/results/own/scan.json, which docs/audit.md shows.

The first scan reads, hashes and decodes every file in as many processes as there are cores; the
second looks at sizes and times of change. The files lie in the system's page cache, having just
been written: this is the time of the processor, not of a disk.
"""

import json
import os
import pathlib
import tempfile

import numpy as np
import PIL
from PIL import Image

from benchmarks import result_file, timing
from dull_jax.data.own import scan
from dull_jax.data.sources import folder as image_folder

CLASSES = 20


def write_photos(root: pathlib.Path, count: int, side: int) -> float:
    """Writes different JPEGs into class folders; returns megabytes."""
    rng, size = np.random.default_rng(0), 0
    for k in range(CLASSES):
        (root / f"class {k:02}").mkdir(parents=True)
    for n in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        path = root / f"class {n % CLASSES:02}" / f"{n:06}.jpg"
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)
        size += path.stat().st_size
    return size / 1e6


def timed_scan(root: pathlib.Path, cache: pathlib.Path) -> dict[str, float]:
    """Seconds to list and to scan a folder."""
    index, listed = timing.once(lambda: image_folder.read(root))
    scanned, opened = timing.once(lambda: scan.scan(index, _print, cache=cache))
    seconds = listed + opened
    return {
        "files": len(scanned.ids),
        "seconds": round(seconds, 2),
        "seconds_listing": round(listed, 2),
        "files_per_second": round(len(scanned.ids) / seconds),
    }


def _print(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=96)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, cache = pathlib.Path(folder, "images"), pathlib.Path(folder, "cache")
        megabytes = write_photos(root, args.files, args.side)
        measured = {
            "load_before": round(os.getloadavg()[0], 1),
            "pillow": PIL.__version__,
            "side": args.side,
            "megabytes": round(megabytes, 1),
            "first": timed_scan(root, cache),
            "again": timed_scan(root, cache),
        }
    print(json.dumps(measured, indent=1))
    result_file.save(args.out, measured)


if __name__ == "__main__":
    main()
