"""From photographs with wrong labels to the list of them, by the commands that a user types.

    python -m benchmarks.own_photos [--epochs=30] [--out=FILE] [--keep=DIR]

Class folders are made of CIFAR-10 (TFDS_DATA_DIR), with tail-to-head noise in them: an image lies
in the folder of the class that it was mistaken for. Then training and audit run as processes of
their own on what anybody would see; here, and nowhere else, the true classes are held against what
the audit says of its own precision, false alarms and recall.

  three: 1,500 ships, 500 frogs, 150 automobiles, an 8 % rate: a network learns them well.
  ten: all classes, 600 to 30 images, a 30 % rate: a small network hardly tells them apart. In it
    lie a text file, a broken image and two copies of a dog, one of them among the cats.
"""

import argparse
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

from dull_jax import T2HNoise
from dull_jax.data import sources
from dull_jax.data.longtail import class_counts
from dull_jax.report.numbers import percent
from dull_jax.train.machine import environment

WORLDS = {
    "three": (T2HNoise(rate=0.08, cap=0.5), {"ship": 1500, "frog": 500, "automobile": 150}),
    "ten": (T2HNoise(rate=0.3), None),
}

Truth = dict[str, str]  # path -> true class


def make(root: pathlib.Path, world: str) -> Truth:
    """Writes the photographs below `root`, each in the folder of the class it is given."""
    noise, counts = WORLDS[world]
    source = sources.load("cifar10")
    if counts is None:
        tail = class_counts("exponential", 600, 20, 10).tolist()
        counts = dict(zip(source.class_names, tail, strict=True))
    kinds, labels = list(counts), source.train.labels
    rows = [np.flatnonzero(labels == source.class_names.index(k))[: counts[k]] for k in kinds]
    true = np.repeat(np.arange(len(kinds)), list(counts.values()))
    order = np.random.default_rng(0).permutation(len(true))
    given, rows, truth = noise(true).given, np.concatenate(rows), Truth()
    for number, n in enumerate(order):
        path = f"{kinds[given[n]]}/img_{number:05}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.train.images[rows[n]]).save(root / path)
        truth[path] = kinds[true[n]]
    return truth | (trouble(root) if world == "ten" else {})


def trouble(root: pathlib.Path) -> Truth:
    """What else lies in folders of photographs."""
    (root / "cat" / "notes.txt").write_text("to be sorted\n")
    (root / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    dog = min((root / "dog").glob("*.png")).read_bytes()
    copies = ("cat/copy of dog.png", "dog/copy of dog.png")
    for copy in copies:
        (root / copy).write_bytes(dog)
    return dict.fromkeys(copies, "dog")


def said_by(*command: str) -> list[str]:
    """What a door prints; ends this program where it fails."""
    print("python -m", shlex.join(command), flush=True)
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True
    ) as door:
        for line in door.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if door.returncode:
        sys.exit(door.returncode)
    return lines


def measured(folder: pathlib.Path, world: str, epochs: int) -> dict:
    """Photographs, a run on them and its audit, all below `folder`."""
    photos, run = folder / "photos", folder / "run"
    truth = make(photos, world)
    recipe = ["--config=configs/folder.py", f"--config.data.dir={photos}", f"--workdir={run}"]
    trained = said_by("dull_jax.main", *recipe, f"--config.train.epochs={epochs}")
    audited = said_by("dull_jax.audit", f"--run={run}")
    summary = json.loads((run / "audit" / "audit.json").read_text())
    begun = next(n for n, line in enumerate(trained) if line.startswith("dull on "))
    table = next(n for n, line in enumerate(audited) if "the noise looks like" in line)
    end = next(n for n, line in enumerate(audited) if line.startswith("(estimated"))
    return {
        "images": len(truth),
        "epochs": epochs,
        "scan": trained[:begun],
        "console": audited[table : end + 1],
        "named": named(audited),
        "estimated": summary["estimated"],
        "counted": counted(run, truth, summary),
    }


def named(lines: list[str]) -> float:
    """Share of the labels that the cross-validated predictions name, from lines of progress."""
    folds = [re.match(r"fold .*: ([\d,]+) labels predicted, ([\d.]+) % as", line) for line in lines]
    sizes, shares = zip(*((f[1].replace(",", ""), f[2]) for f in folds if f), strict=True)
    return float(np.average(np.array(shares, float), weights=np.array(sizes, float))) / 100


def counted(run: pathlib.Path, truth: Truth, summary: dict) -> dict[str, dict[str, float]]:
    """Against the true classes, what the audit estimates: by the group of the given class."""
    with (run / "manifest.csv").open(newline="") as file:
        paths = {row["id"]: row["path"] for row in csv.DictReader(file)}
    with np.load(run / "audit" / "audit.npz", allow_pickle=False) as found:
        ids, given, flagged = found["ids"], found["given"], found["flagged"]
        suggested = found["suggested"]
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


def markdown(found: dict) -> str:
    """What was estimated beside what is true, by group."""
    pairs = {"precision": "precision", "false_alarm": "false alarms", "recall": "recall"}
    head = " | ".join(f"{name}, estimated | counted" for name in pairs.values())
    lines = [f"| classes | group | labels | {head} |", "|---|---|" + "--:|" * 7]
    for world in WORLDS:
        for group, said in found[world]["estimated"].items():
            true = found[world]["counted"][group]
            cells = [percent(side.get(key)) for key in pairs for side in (said, true)]
            lines.append(f"| {world} | {group} | {said['labels']:,} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(_told(found[world], world) for world in WORLDS)])


def _told(seen: dict, world: str) -> str:
    true = seen["counted"]["all"]
    return (
        f"Of the {world} classes' labels {percent(true['wrong'] / true['labels'])} are wrong; the "
        f"predictions name {percent(seen['named'])} of the labels; of what is suggested for wrong "
        f"ones {percent(true['suggestions_right'])} is right."
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30, help="of the run and of each fold")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for photographs and runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = args.keep or pathlib.Path(folder)
        found = {world: measured(root / world, world, args.epochs) for world in WORLDS}
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps({"environment": environment(), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
