"""Measures the review page in a real browser: 100,000 suspects of a million labels.

    python -m benchmarks.audit.review_page [--labels=1000000] [--suspects=100000] [--out=FILE]

Takes a minute on two cores; needs playwright and Chromium.
Writes benchmarks/results/audit/review_page.json, which docs/own_data.md shows.

The audit is made here, at random, a thousand classes; its images are sixty JPEG files of six
megapixels, whose thumbnails are made when they are first shown. First paint is the browser's own
`first-contentful-paint`; the suspect is seen when its photograph is decoded. Decisions are timed
from the key to the next suspect, on disk in between.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from benchmarks import result_file
from dull_jax.audit import saved
from dull_jax.run_dir import layout

CLASSES, FILES, SIZE = 1_000, 60, (3000, 2000)
DECISIONS = 20
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def write_audit(folder: pathlib.Path, size: int, suspects: int) -> None:
    """What `saved.read` reads, at random."""
    rng = np.random.default_rng(0)
    places = []
    for number in range(FILES):
        coarse = rng.integers(0, 255, (SIZE[1] // 100, SIZE[0] // 100, 3), dtype=np.uint8)
        places.append(str(folder / f"{number}.jpg"))
        Image.fromarray(coarse).resize(SIZE, Image.BICUBIC).save(places[-1], quality=90)
    given, suggested = rng.integers(0, CLASSES, (2, size), dtype=np.int32)
    listed = np.sort(rng.choice(size, suspects, replace=False)).astype(np.int32)
    wrong = rng.random(size, np.float32)
    arrays = {
        "ids": np.arange(size).astype(str),
        "paths": np.arange(size).astype(str),
        "files": np.array(places)[np.arange(size) % FILES],
        "given": given,
        "suggested": suggested,
        "p_wrong": wrong,
        "flagged": np.isin(np.arange(size), listed),
        "groups": np.full(size, "head"),
        "candidates": rng.integers(0, CLASSES, (size, saved.CANDIDATES), dtype=np.int32),
        "neighbours": rng.integers(0, size, (size, saved.NEIGHBOURS), dtype=np.int32),
        "examples": rng.integers(0, size, (CLASSES, saved.EXAMPLES), dtype=np.int32),
        "listed": listed,
        "verdicts": np.full(suspects, "wrong"),
        "twins": np.full(suspects, saved.ABSENT, np.int32),
        "twin_files": np.full(suspects, ""),
    }
    np.savez(folder / layout.AUDIT_ARRAYS, **arrays)
    groups = {"head": list(range(CLASSES)), "medium": [], "tail": []}
    about = {"class_names": [f"class {k}" for k in range(CLASSES)], "groups": groups}
    about["estimated"] = {"all": {"precision": 0.6}}
    (folder / layout.AUDIT_SUMMARY).write_text(json.dumps(about))


def measure(folder: pathlib.Path) -> dict[str, float]:
    """Seconds of the command, milliseconds of the page."""
    from playwright.sync_api import sync_playwright

    began = time.perf_counter()
    command = [sys.executable, "-m", "dull_jax.review", f"--audit={folder}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = next(line.split()[1] for line in server.stdout if line.startswith("review:"))
        seconds = time.perf_counter() - began
        chromium = next(filter(None, map(shutil.which, _CHROMIUM)))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            found = timed(page, address)
            browser.close()
        server.terminate()
        server.communicate()
    return {"seconds_to_start": round(seconds, 2)} | found


def timed(page, address: str) -> dict[str, float]:
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#item[aria-busy=false]")
    seen = 1000 * (time.perf_counter() - began)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    steps = []
    for _ in range(DECISIONS):
        row = page.get_attribute("#item", "data-row")
        began = time.perf_counter()
        page.keyboard.press("a")
        page.wait_for_selector(f"#item[aria-busy=false]:not([data-row='{row}'])")
        steps.append(1000 * (time.perf_counter() - began))
    return {
        "first_paint_ms": round(paint),
        "suspect_seen_ms": round(seen),
        "decision_ms": round(float(np.median(steps))),
        "slowest_decision_ms": round(max(steps)),
    }


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--suspects", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_audit(pathlib.Path(folder), args.labels, args.suspects)
        found = {"labels": args.labels, "suspects": args.suspects} | measure(pathlib.Path(folder))
    print(json.dumps(found, indent=1))
    result_file.save(args.out, found)


if __name__ == "__main__":
    main()
