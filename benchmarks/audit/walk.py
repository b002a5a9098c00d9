"""Measures the whole way: photographs, suspects, review, corrected labels, a better classifier.

    python -m benchmarks.audit.walk [--seeds=3] [--looks=300] [--keep=DIR] [--out=FILE]

Takes about ten minutes on two cores; needs CIFAR-10 in TFDS_DATA_DIR.
Writes benchmarks/results/own/walk.json, which docs/own_data.md shows.

The photographs are the task "ten" of `audit/photos.py`, and 2,000 of CIFAR-10's test images as a
test part. All is done by the commands that a user types; only the decisions are made here, by the
truth: the first `--looks` of the list, and as many again of the list that is audited afterwards.
Each method is trained on the labels as given, as the audit alone corrects them (`--apply`), and as
the review does (`--decisions --apply`); a seed is one of training. Accuracy on the clean test part,
last epoch.
"""

import csv
import json
import pathlib
import tempfile

import numpy as np
from PIL import Image

from benchmarks import result_file
from benchmarks.audit import photos
from benchmarks.audit.photos import Truth, output_of
from dull_jax.audit import saved
from dull_jax.data.sources import tfds
from dull_jax.review.session import Session
from dull_jax.run_dir import layout

METHODS = ("ce", "la", "dull")
TEST = 2000


def write(root: pathlib.Path) -> Truth:
    """The photographs below `root`, train and test; the true classes of the train part."""
    truth = photos.write_photos(root / "train", "ten")
    source = tfds.read("cifar10")
    for number, label in enumerate(source.test.labels[:TEST]):
        path = root / "test" / source.class_names[label] / f"test_{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.test.images[number]).save(path)
    return {f"train/{path}": name for path, name in truth.items()}


def review(folder: pathlib.Path, truth: Truth, looks: int) -> dict[str, int]:
    """Decides the first suspects of the audit in `folder`, as the page's key A or C would."""
    audit = saved.read(folder)
    session = Session(audit, folder / layout.DECISIONS)
    rows = [row for row in audit.listed.tolist() if not session.state().labels[row] >= 0][:looks]
    wrong = 0
    for row in rows:
        label = audit.class_names.index(truth[str(audit.paths[row])])
        wrong += label != audit.given[row]
        session.decide(row, label)
    return {"looked_at": len(rows), "wrong": int(wrong)}


def still_wrong(table: pathlib.Path, truth: Truth) -> dict[str, int]:
    """Of the train part of a corrected table: labels that differ from the truth."""
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["path"] in truth]
    return {
        name: sum(truth[row["path"]] != row[name] for row in rows) for name in ("given", "label")
    }


def accuracy(workdir: pathlib.Path, source: list[str], method: str, seed: int) -> dict:
    fields = [f"--config.method={method}", f"--config.seed={seed}", f"--workdir={workdir}"]
    output_of("dull_jax.main", *source, *fields)
    result = json.loads((workdir / layout.RESULT).read_text())["accuracy"]
    return {name: result[name] for name in ("last", "head", "medium", "tail")}


def measure(folder: pathlib.Path, seeds: int, looks: int) -> dict:
    images, run, cache = folder / "photos", folder / "run", folder / "vectors"
    truth = write(images)
    shared = [f"--config.model.cache={cache}", f"--config.data.dir={images}"]
    recipe = ["--config=configs/folder.py", *shared]
    output_of("dull_jax.main", *recipe, f"--workdir={run}")
    output_of("dull_jax.audit", f"--run={run}", f"--apply={folder / 'audit.csv'}")
    decided = run / layout.AUDIT / layout.DECISIONS
    reviews = []
    for _ in range(2):
        reviews.append(review(run / layout.AUDIT, truth, looks))
        known = [f"--run={run}", f"--decisions={decided}"]
        output_of("dull_jax.audit", *known, f"--apply={folder / 'review.csv'}")
    tables = {"audit": folder / "audit.csv", "review": folder / "review.csv"}
    sources = {"as given": recipe}
    for name, table in tables.items():
        sources[name] = ["--config=configs/csv.py", *shared, f"--config.data.file={table}"]
    runs: dict[str, dict[str, list[dict]]] = {}
    for seed in range(seeds):
        for method in METHODS:
            for name, source in sources.items():
                workdir = folder / f"{method}-{name.replace(' ', '-')}-{seed}"
                found = accuracy(workdir, source, method, seed)
                runs.setdefault(method, {}).setdefault(name, []).append(found)
    wrong = {name: still_wrong(table, truth) for name, table in tables.items()}
    return {"photographs": len(truth), "reviews": reviews, "wrong": wrong, "runs": runs}


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--looks", type=int, default=300, help="decisions of each of two reviews")
    parser.add_argument("--keep", type=pathlib.Path, help="an empty folder for all of it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.keep or pathlib.Path(folder), args.seeds, args.looks)
    for method, arms in found["runs"].items():
        means = {
            name: round(float(np.mean([r["last"] for r in rows])), 1) for name, rows in arms.items()
        }
        print(method, means)
    result_file.save(args.out, found)


if __name__ == "__main__":
    main()
