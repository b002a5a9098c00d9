"""Measures an audit of photographs with wrong labels, by the commands that a user types.

    python -m benchmarks.audit.photos [--epochs=30] [--keep=DIR] [--out=FILE]

Takes about a minute on two cores; needs CIFAR-10 in TFDS_DATA_DIR.
Writes benchmarks/results/own/photos.json, which docs/own_data.md and docs/audit.md show.

Class folders are made of CIFAR-10, with tail-to-head noise in them: an image lies in the folder of
the class that it was mistaken for. Then training and audit run as processes of their own and see
the folders only; the true classes are compared here with the precision, false alarms and recall
that the audit estimates.

  three: 1,500 ships, 500 frogs, 150 automobiles, an 8 % rate: a network learns them well.
  ten: all classes, 600 to 30 images, a 30 % rate: a small network hardly tells them apart. In it
    lie a text file, a broken image and two copies of a dog, one of them among the cats.
"""

import csv
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from benchmarks import result_file
from dull_jax import T2HNoise
from dull_jax.data.longtail import class_counts
from dull_jax.data.sources import tfds
from dull_jax.run_dir import layout

TASKS = {
    "three": (T2HNoise(rate=0.08, cap=0.5), {"ship": 1500, "frog": 500, "automobile": 150}),
    "ten": (T2HNoise(rate=0.3), None),
}

Truth = dict[str, str]  # path -> true class


def write_photos(root: pathlib.Path, task: str) -> Truth:
    """Writes the photographs below `root`, each in the folder of the class it is given."""
    noise, counts = TASKS[task]
    source = tfds.read("cifar10")
    if counts is None:
        tail = class_counts("exponential", 600, 20, 10).tolist()
        counts = dict(zip(source.class_names, tail, strict=True))
    names, labels = list(counts), source.train.labels
    rows = [np.flatnonzero(labels == source.class_names.index(k))[: counts[k]] for k in names]
    true = np.repeat(np.arange(len(names)), list(counts.values()))
    order = np.random.default_rng(0).permutation(len(true))
    given, rows, truth = noise(true).given, np.concatenate(rows), Truth()
    for number, n in enumerate(order):
        path = f"{names[given[n]]}/img_{number:05}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.train.images[rows[n]]).save(root / path)
        truth[path] = names[true[n]]
    return truth | (write_defects(root) if task == "ten" else {})


def write_defects(root: pathlib.Path) -> Truth:
    """What folders of photographs hold besides: a text, a broken image, copies."""
    (root / "cat" / "notes.txt").write_text("to be sorted\n")
    (root / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    dog = min((root / "dog").glob("*.png")).read_bytes()
    copies = ("cat/copy of dog.png", "dog/copy of dog.png")
    for copy in copies:
        (root / copy).write_bytes(dog)
    return dict.fromkeys(copies, "dog")


def output_of(*command: str) -> list[str]:
    """The lines that a command of the library prints; ends this program where it fails."""
    print("python -m", shlex.join(command), flush=True)
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if process.returncode:
        sys.exit(process.returncode)
    return lines


def measure(folder: pathlib.Path, task: str, epochs: int) -> dict:
    """Photographs, a run on them and its audit, all below `folder`."""
    photos, run = folder / "photos", folder / "run"
    truth = write_photos(photos, task)
    recipe = ["--config=configs/folder.py", f"--config.data.dir={photos}", f"--workdir={run}"]
    trained = output_of("dull_jax.main", *recipe, f"--config.train.epochs={epochs}")
    audited = output_of("dull_jax.audit", f"--run={run}")
    summary = json.loads((run / layout.AUDIT / layout.AUDIT_SUMMARY).read_text())
    scanned = next(n for n, line in enumerate(trained) if line.startswith("dull on "))
    table = next(n for n, line in enumerate(audited) if "the noise looks like" in line)
    end = next(n for n, line in enumerate(audited) if line.startswith("(estimated"))
    return {
        "images": len(truth),
        "epochs": epochs,
        "scan": trained[:scanned],
        "console": audited[table : end + 1],
        "named": agreement(audited),
        "estimated": summary["estimated"],
        "counted": count(run, truth, summary),
    }


def agreement(lines: list[str]) -> float:
    """Share of the labels that the cross-validated predictions name, from lines of progress."""
    folds = [re.match(r"fold .*: ([\d,]+) labels predicted, ([\d.]+) % as", line) for line in lines]
    sizes, shares = zip(*((f[1].replace(",", ""), f[2]) for f in folds if f), strict=True)
    return float(np.average(np.array(shares, float), weights=np.array(sizes, float))) / 100


def count(run: pathlib.Path, truth: Truth, summary: dict) -> dict[str, dict[str, float]]:
    """By the true classes, what the audit estimates, for each group of given classes."""
    with (run / layout.MANIFEST).open(newline="") as file:
        paths = {row["id"]: row["path"] for row in csv.DictReader(file)}
    with np.load(run / layout.AUDIT / layout.AUDIT_ARRAYS, allow_pickle=False) as audit:
        ids, given, flagged = audit["ids"], audit["given"], audit["flagged"]
        suggested = audit["suggested"]
    clean = np.array([summary["class_names"].index(truth[paths[key]]) for key in ids])
    wrong, groups = clean != given, {"all": range(len(summary["class_names"])), **summary["groups"]}
    rows = {}
    for group, classes in groups.items():
        inside = np.isin(given, classes)
        rows[group] = {
            "labels": int(inside.sum()),
            "wrong": int((inside & wrong).sum()),
            "precision": share(wrong, inside & flagged),
            "false_alarm": share(flagged, inside & ~wrong),
            "recall": share(flagged, inside & wrong),
            "suggestions_right": share(suggested == clean, inside & flagged & wrong),
        }
    return rows


def share(of: np.ndarray, among: np.ndarray) -> float | None:
    return float(of[among].mean()) if among.any() else None


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="of the run and of each fold")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for photographs and runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = args.keep or pathlib.Path(folder)
        measured = {task: measure(root / task, task, args.epochs) for task in TASKS}
    print(json.dumps(measured, indent=1))
    result_file.save(args.out, measured)


if __name__ == "__main__":
    main()
