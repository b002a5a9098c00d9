"""Measures audits of CIFAR on pretrained features: human labels, simulated ones, drawn noise.

    python -m benchmarks.audit.real [--human=cifar10n.npz] [--seeds=0,1,2] [--only=TEXT]
        [--cache=DIR] [--out=FILE]

Takes two and a half hours of one core, and six minutes to embed both sets of 50,000 images once.
Writes benchmarks/results/audit/real.json, which docs/audit.md shows. It goes on where it was.

Human labels are those of CIFAR-N (Wei et al., ICLR 2022): `--human` is an .npz with clean_label,
random_label1 and aggre_label of CIFAR-10's 50,000 train images in official order; without it the
others alone are measured. Two more labels are simulated for `worst_of_three`, and the people who
label CIFAR-100 (`simulated_people`). A seed draws the long tail (by true class), the noise, and the
folds. Features: EfficientNet-Lite0 at 112 pixels. Predictions: a 5-fold logistic regression on
their first 256 principal components. All methods read the same predictions, and those that look at
neighbours the same features:

  cleanlab: find_label_issues at its defaults; confident: its filter_by="confident_learning".
  disagreement: another class is predicted.
  neighbours: another class has most of the labels of the ten nearest (SimiFeat-V, Zhu et al. 2022).

F1 is of the flags at the defaults. Budget: share of the wrong labels among the first of a ranking,
as many as there are wrong labels; cleanlab's ranking is self-confidence, those of the others are
margins. Clean tail: share of the right labels of tail classes that are flagged.
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from ml_collections import ConfigDict
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks import result_file
from benchmarks.audit import components, simulated_people, worst_of_three
from benchmarks.audit.gaussian import cleanlab_version, reliability
from dull_jax import config as recipe
from dull_jax.data import prepare
from dull_jax.data.groups import class_groups
from dull_jax.data.longtail import class_counts
from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.embed.dataset import embedded
from dull_jax.stats import neighbour_graph
from dull_jax.stats.label_audit import LabelAudit, audit_labels
from dull_jax.train.parallel import Devices

COMPONENTS, VOTERS = 256, 10
WORST = "worst of three"
HUMAN = ("random_label1", "aggre_label", WORST)
SIMULATED = {"simulated people 0.4": 0.4}  # share of wrong labels
DRAWN = {
    "t2h 0.3": {"name": "t2h", "rate": 0.3},
    "t2h 0.4, cap 0.9": {"name": "t2h", "rate": 0.4, "cap": 0.9},
    "t2h 0.3, similar": {"name": "t2h", "rate": 0.3, "destination": "similar"},
    "t2h 0.15, similar, even": {"name": "t2h", "rate": 0.15, "destination": "similar"}
    | {"profile": "uniform"},
    "asymmetric 0.4": {"name": "asymmetric", "rate": 0.4},
    "asymmetric 0.2": {"name": "asymmetric", "rate": 0.2},
    "symmetric 0.4": {"name": "symmetric", "rate": 0.4},
    "symmetric 0.2": {"name": "symmetric", "rate": 0.2},
    "joint 0.3": {"name": "joint", "rate": 0.3},
    "none": {"name": "none", "rate": 0.0},
}
Cell = tuple[str, str, int]  # data set, labels, imbalance factor
CELLS: list[Cell] = [("cifar10", labels, factor) for labels in HUMAN for factor in (1, 20, 100)]
CELLS += [("cifar100", labels, factor) for labels in SIMULATED for factor in (1, 20, 100)]
CELLS += [(name, labels, 100) for name in ("cifar10", "cifar100") for labels in DRAWN]


@dataclasses.dataclass(frozen=True)
class Images:
    """A data set before anything is drawn, its 50,000 train images in official order."""

    name: str
    features: np.ndarray  # float32 [N, D]
    true: np.ndarray  # int64 [N]
    pixels: np.ndarray  # uint8 [N, 32, 32, 3]
    human: Mapping[str, np.ndarray]  # labels [N] of people, by their name in CIFAR-N; may be empty

    @functools.cached_property
    def people(self) -> np.ndarray:
        """`[N, K]`, what a simulated person makes of the images."""
        return simulated_people.scores(self.pixels, self.features, self.true)

    @functools.cached_property
    def next_labels(self) -> np.ndarray:
        """`[N, K]`, how likely people who are asked again give an image each label."""
        return worst_of_three.label_probs(self.features, self.true, self.human[HUMAN[0]])

    def given_by_people(self, labels: str, seed: int) -> np.ndarray:
        """int64 `[N]`, `labels` of `HUMAN`."""
        if labels != WORST:
            return self.human[labels]
        first, majority = (self.human[name] for name in HUMAN[:2])
        return worst_of_three.labels(self.next_labels, self.true, first, majority, seed)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One data set: features `[N, D]`, true and given labels `[N]`, predictions `[N, K]`."""

    features: np.ndarray
    true: np.ndarray
    given: np.ndarray
    probs: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.true != self.given

    @property
    def num_classes(self) -> int:
        return self.probs.shape[1]

    def group(self, name: str) -> np.ndarray:
        """`[N]`, whether the true class is in a group; of balanced sets nothing is in the tail."""
        counts = np.bincount(self.true, minlength=self.num_classes)
        if counts.min() == counts.max():
            return np.full(len(self.true), name == "head")
        return np.isin(self.true, class_groups(counts)[0][name])


def _recipe(name: str, cache: pathlib.Path) -> ConfigDict:
    """Of the whole set with its true labels, on features."""
    config = recipe.defaults()
    config.data.name, config.data.profile, config.noise.name = name, "none", "none"
    config.model.name, config.model.frozen = "efficientnet_lite0", True
    config.model.input_size, config.model.views, config.model.cache = 112, 1, str(cache)
    return config


def load(name: str, cache: pathlib.Path, human: pathlib.Path | None) -> Images:
    """The train images of a set, embedded once; those of CIFAR-10 with `human` labels."""
    config, dataset = prepare.prepare(_recipe(name, cache))
    pixels = dataset.train.images
    dataset = embedded(config, dataset, Devices(0), cache)
    order = np.argsort([int(str(key).rsplit("_", 1)[-1]) for key in dataset.train.ids])
    features = dataset.train.images[order, 0].astype(np.float32)
    true, called = dataset.clean[order].astype(np.int64), {}
    if human and name == "cifar10":
        found = np.load(human)
        assert (found["clean_label"] == true).all(), "human labels are of other images"
        called = {key: found[key].astype(np.int64) for key in HUMAN[:2]}
    return Images(name, features, true, pixels[order], called)


def embed(pixels: np.ndarray, cache: pathlib.Path) -> np.ndarray:
    """uint8 `[n, 32, 32, 3]` -> features `[n, D]`, as those of `load`."""
    config, dataset = prepare.prepare(_recipe("cifar10", cache))
    ids, given = np.arange(len(pixels)).astype(str), np.zeros(len(pixels), np.int32)
    train = dataclasses.replace(dataset.train, images=pixels, given=given, ids=ids)
    dataset = embedded(config, dataclasses.replace(dataset, train=train), Devices(0), cache)
    return dataset.train.images[:, 0].astype(np.float32)


def draw(images: Images, labels: str, factor: int, seed: int) -> Drawn:
    """One data set of a cell."""
    true, rows = images.true, long_tail(images.true, factor, seed)
    size = int(true.max()) + 1
    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # 150 steps do as well as more
    features, clean = images.features[rows] - images.features[rows].mean(0), true[rows]
    if labels in HUMAN:
        given = images.given_by_people(labels, seed)[rows]
    elif labels in SIMULATED:
        rate = SIMULATED[labels]
        given = simulated_people.labels(images.people, images.features, true, rate, seed)[rows]
    else:
        spec = NoiseSpec(seed=seed, dataset=images.name, **DRAWN[labels])
        given = corrupt(spec, clean, size, features=lambda: features).given
    return Drawn(features, clean, given, cross_validated(features, given, seed))


def long_tail(true: np.ndarray, factor: int, seed: int) -> np.ndarray:
    """The rows that are left, in order."""
    size = int(true.max()) + 1
    counts = class_counts("exponential", int(np.bincount(true).max()), factor, size)
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(true == k))[: counts[k]] for k in range(size)]
    return np.sort(np.concatenate(chosen))


def cross_validated(features: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """`[N, K]` of a logistic regression on the first principal components."""
    low = components.scaled(features, min(COMPONENTS, len(labels) // 2))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegression(max_iter=150)
    return cross_val_predict(model, low, labels, cv=folds, method="predict_proba")


def votes(drawn: Drawn) -> np.ndarray:
    """`[N, K]`: shares of the labels of the ten nearest."""
    graph = neighbour_graph.of_same_features(drawn.features, 100)  # as the audit does
    near = drawn.given[graph.indices[:, :VOTERS]]
    return np.stack([(near == k).mean(1) for k in range(drawn.num_classes)], axis=1)


def margin(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Largest probability of another class less that of the given one."""
    rows, others = np.arange(len(given)), probs.copy()
    others[rows, given] = -1
    return others.max(1) - probs[rows, given]


def others_flags(drawn: Drawn) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each method: flags `[N]`, ranking `[N]`."""
    from cleanlab.filter import find_label_issues

    given, probs, shares = drawn.given, drawn.probs, votes(drawn)
    self_confidence = 1 - probs[np.arange(len(given)), given]
    confident = find_label_issues(given, probs, n_jobs=1, filter_by="confident_learning")
    by_margin = margin(probs, given)
    return {
        "cleanlab": (find_label_issues(given, probs, n_jobs=1), self_confidence),
        "confident": (confident, by_margin),
        "disagreement": (probs.argmax(1) != given, by_margin),
        "neighbours": (margin(shares, given) > 0, margin(shares, given)),
    }


def score(drawn: Drawn, flagged: np.ndarray, ranking: np.ndarray) -> dict[str, float | None]:
    """Percent; None where it is of nothing."""
    wrong, right = drawn.wrong, ~drawn.wrong
    caught = (flagged & wrong).sum()
    first = np.argsort(-ranking, kind="stable")[: wrong.sum()]
    return {
        "f1": percent(2 * caught, flagged.sum() + wrong.sum()),
        "precision": percent(caught, flagged.sum()),
        "recall": percent(caught, wrong.sum()),
        "budget": percent(wrong[first].sum(), wrong.sum()),
        "auroc": 100 * float(roc_auc_score(wrong, ranking)) if wrong.any() else None,
        "clean_flagged": percent((flagged & right).sum(), right.sum()),
        "clean_tail_flagged": percent(
            *((part := right & drawn.group("tail"))[flagged].sum(), part.sum())
        ),
    }


def percent(part: float, whole: float) -> float | None:
    return 100 * float(part) / float(whole) if whole else None


def ours(drawn: Drawn, audit: LabelAudit) -> dict:
    """Our scores, and what the audit estimated beside what is true, by group of the given class."""
    wrong, estimates = drawn.wrong, {}
    for name, seen in audit.estimated.items():
        classes = range(drawn.num_classes) if name == "all" else audit.groups[name]
        inside, flagged = np.isin(drawn.given, classes), audit.flagged
        counted = (
            percent((inside & flagged & wrong).sum(), (inside & flagged).sum()),
            percent((inside & flagged & ~wrong).sum(), (inside & ~wrong).sum()),
            percent((inside & flagged & wrong).sum(), (inside & wrong).sum()),
        )
        estimated = [None if np.isnan(x) else 100 * x for x in seen[2:]]
        estimates[name] = {"estimated": estimated, "counted": counted}
    return score(drawn, audit.flagged, audit.wrong) | {
        "noise": audit.noise,
        "rate_true": 100 * float(wrong.mean()),
        "rate_estimated": 100 * float(audit.wrong.mean()),
        "ece": reliability(wrong, audit.wrong)[1],
        "estimates": estimates,
    }


def measure(drawn: Drawn) -> dict:
    """All audits of one data set; ours also from predictions and from features alone."""
    names = [str(k) for k in range(drawn.num_classes)]
    result = {name: score(drawn, *found) for name, found in others_flags(drawn).items()}
    for name, probs, features in (
        ("ours", drawn.probs, drawn.features),
        ("ours, predictions alone", drawn.probs, None),
        ("ours, features alone", None, drawn.features),
    ):
        audit = audit_labels(probs, drawn.given, features=features, class_names=names)
        result[name] = ours(drawn, audit)
    return result


def arguments(doc: str) -> argparse.Namespace:
    """The command line of what is measured on the sets of cells, and `cells`, known so far."""
    parser = result_file.parser(doc)
    parser.add_argument("--human", type=pathlib.Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="", help="measures cells whose name has this in it")
    parser.add_argument("--cache", type=pathlib.Path, help="a folder for embeddings")
    args = parser.parse_args()
    known = json.loads(args.out.read_text()) if args.out and args.out.exists() else {}
    args.cells = known.get("cells", {})
    return args


def named(cell: Cell) -> str:
    """As results have it."""
    return f"{cell[0]}, IF {cell[2]}, {cell[1]}"


def missing(args: argparse.Namespace, cells: Iterable[Cell]) -> Iterator[tuple[str, str, Drawn]]:
    """(cell, seed, its data set) of what `args.cells` does not have."""
    images: dict[str, Images] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, labels, factor in cells:
            cell = named((name, labels, factor))
            if args.only not in cell or (labels in HUMAN and not args.human):
                continue
            for seed in args.seeds.split(","):
                if seed in args.cells.get(cell, {}):
                    continue
                if name not in images:
                    cache = args.cache or pathlib.Path(folder)
                    images = {name: load(name, cache, args.human)}
                yield cell, seed, draw(images[name], labels, factor, int(seed))


def main() -> None:
    args = arguments(__doc__)
    for cell, seed, drawn in missing(args, CELLS):
        args.cells.setdefault(cell, {})[seed] = found = measure(drawn)
        print(cell, seed, _line(found), flush=True)
        cells = {name: args.cells[name] for name in map(named, CELLS) if name in args.cells}
        result_file.save(args.out, {"cleanlab": cleanlab_version(), "cells": cells})


def _line(found: dict) -> str:
    shown = ("ours", "cleanlab", "disagreement", "neighbours", "confident")
    scores = ", ".join(f"{name} {found[name]['f1'] or 0:.1f}" for name in shown)
    rates = f"{found['ours']['rate_true']:.1f} -> {found['ours']['rate_estimated']:.1f} %"
    return f"wrong {rates} ({found['ours']['noise']}); F1 {scores}"


if __name__ == "__main__":
    main()
