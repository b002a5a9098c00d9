"""Measures the work of a review: labels looked at until so many of the wrong ones are mended.

    python -m benchmarks.audit.review_effort [--human=cifar10n.npz] [--seeds=0,1,2] [--only=TEXT]
        [--photos=DIR --truth=FILE] [--cache=DIR] [--out=FILE]

Takes about two hours on two cores. It goes on where it was.
Writes benchmarks/results/audit/review_effort.json, which docs/audit.md shows.

The truth plays the reviewer, on the data sets of `real.py`: a label that is looked at becomes the
true one. Orders: our audit's P(wrong), as the first list has it; the same, audited again after
every 100 decisions, with heads trained anew; cleanlab's (self-confidence); the margin by which
another class is predicted; and chance, which is computed. All begin with the same predictions.
Photographs: those of `accuracy/photos.py`, audited again after every 50 decisions.
"""

import argparse
import json
import pathlib
import tempfile
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from benchmarks import result_file
from benchmarks.accuracy import photos
from benchmarks.audit import components, real
from dull_jax.stats.label_audit import UNDECIDED, audit_labels

CELLS = (
    ("cifar10", "random_label1", 100),
    ("cifar10", "aggre_label", 100),
    ("cifar10", "t2h 0.3", 100),
    ("cifar10", "symmetric 0.2", 100),
    ("cifar100", "t2h 0.3", 100),
)
EVERY = 100  # decisions from one audit to the next
PHOTOS_EVERY = 50
SHARES = (0.5, 0.8, 0.9)  # of the wrong labels
AGAIN = 20  # steps of a regression that starts from the last one


class Heads:
    """Out-of-fold logistic regressions, which begin where they were when labels change."""

    def __init__(self, drawn: real.Drawn, seed: int):
        features = drawn.features - drawn.features.mean(0)
        self.inputs = components.scaled(features, min(real.COMPONENTS, len(drawn.true) // 2))
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        self.folds = list(folds.split(self.inputs, drawn.given))
        self.models = [LogisticRegression(max_iter=150, warm_start=True) for _ in self.folds]
        self.num_classes = drawn.num_classes

    def predict(self, labels: np.ndarray) -> np.ndarray:
        """`[N, K]`, each row by a model that has not seen it."""
        probs = np.zeros((len(labels), self.num_classes))
        for model, (train, test) in zip(self.models, self.folds, strict=True):
            if hasattr(model, "classes_") and len(np.unique(labels[train])) != len(model.classes_):
                model.set_params(warm_start=False)  # a class has come or gone
            model.fit(self.inputs[train], labels[train])
            probs[np.ix_(test, model.classes_)] = model.predict_proba(self.inputs[test])
            model.set_params(max_iter=AGAIN, warm_start=True)
        return probs


def looked_at(found: np.ndarray, most: int) -> dict[str, int]:
    """Labels until each share of the wrong ones is found.

    Args:
      found: bool `[n]` in the order in which labels are looked at: whether they are wrong.
      most: how many are wrong of all.
    """
    total = np.cumsum(found)
    needed = {share: int(np.ceil(share * most)) for share in SHARES}
    return {f"{share:g}": int(np.searchsorted(total, n)) + 1 for share, n in needed.items()}


def again(drawn: real.Drawn, seed: int, every: int) -> np.ndarray:
    """The order of a review that audits again after so many decisions; rows `[n]`."""
    heads, labels = Heads(drawn, seed), drawn.given.copy()
    known, order = np.full(len(labels), UNDECIDED), []
    wanted = np.ceil(max(SHARES) * drawn.wrong.sum())
    while drawn.wrong[order].sum() < wanted:
        audit = audit_labels(
            heads.predict(labels), drawn.given, features=drawn.features, known=known
        )
        doubt = np.where(audit.decided, -1, audit.wrong)
        rows = np.argsort(-doubt, kind="stable")[:every]
        labels[rows] = known[rows] = drawn.true[rows]
        order += rows.tolist()
    return np.array(order)


def measure(drawn: real.Drawn, seed: int, every: int) -> dict:
    rankings = {
        "ours": audit_labels(drawn.probs, drawn.given, features=drawn.features).wrong,
        "cleanlab": 1 - drawn.probs[np.arange(len(drawn.given)), drawn.given],
        "margin": real.margin(drawn.probs, drawn.given),
    }
    orders = {name: np.argsort(-score, kind="stable") for name, score in rankings.items()}
    orders["ours, audited again"] = again(drawn, seed, every)
    wrong, most = drawn.wrong, drawn.wrong.sum()
    result = {name: looked_at(wrong[order], most) for name, order in orders.items()}
    result["chance"] = {f"{share:g}": round(share * len(wrong)) for share in SHARES}
    curves = {
        name: (100 * np.cumsum(wrong[order])[every - 1 :: every] / most).round(1).tolist()
        for name, order in orders.items()
    }
    about = {"labels": len(wrong), "wrong": int(most), "every": every, "looked_at": result}
    return about | {"curves": curves}


def photographs(args: argparse.Namespace, seed: int) -> real.Drawn:
    """Photographs of `accuracy/photos.py`, predicted as there; the seed draws the folds."""
    dataset, train, _ = photos.vectors_of(args)
    true, given = photos.true_labels(args.truth, dataset), dataset.train.given
    probs = photos.out_of_fold(train, given, seed)
    return real.Drawn(train - train.mean(0), true, given.astype(np.int64), probs)


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--human", type=pathlib.Path)
    parser.add_argument("--photos", dest="data", type=pathlib.Path)
    parser.add_argument("--truth", type=pathlib.Path, help="of the photographs")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="", help="measures cells whose name has this in it")
    parser.add_argument("--cache", type=pathlib.Path, help="a folder for embeddings")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # the next audit goes on
    known = json.loads(args.out.read_text()) if args.out and args.out.exists() else {}
    cells, images = known.get("cells", {}), {}

    def keep(cell: str, seed: str, make: Callable[[], real.Drawn], every: int) -> None:
        if args.only not in cell or seed in cells.get(cell, {}):
            return
        cells.setdefault(cell, {})[seed] = measure(make(), int(seed), every)
        print(cell, seed, cells[cell][seed]["looked_at"], flush=True)
        result_file.save(args.out, {"cells": cells})

    def drawn(name: str, labels: str, factor: int, seed: str) -> real.Drawn:
        if name not in images:
            images.clear()
            images[name] = real.load(name, args.cache, args.human)
        return real.draw(images[name], labels, factor, int(seed))

    with tempfile.TemporaryDirectory() as folder:
        args.cache = args.cache or pathlib.Path(folder)
        for seed in args.seeds.split(","):
            if args.data:
                keep("photographs", seed, partial(photographs, args, int(seed)), PHOTOS_EVERY)
            for name, labels, factor in CELLS:
                if labels in real.HUMAN and not args.human:
                    continue
                make = partial(drawn, name, labels, factor, seed)
                keep(f"{name}, IF {factor}, {labels}", seed, make, EVERY)


if __name__ == "__main__":
    main()
