"""Measures ways to learn from photographs with wrong labels, by the accuracy on clean ones.

    python -m benchmarks.accuracy.photos --data=DIR [--truth=truth.csv] [--seeds=3]
        [--only=NAME …] [--cache=DIR] [--out=FILE]

Takes some ten minutes on two cores for 1,500 photographs without `fine-tuned` and `scratch`, which
take hours at full size and are shortened here (see ARMS). Needs cleanlab (extra [bench]).
Writes benchmarks/results/own/methods.json, which docs/audit.md shows.

"labels corrected": labels that the audit calls wrong are replaced by what it suggests, as --apply
does; it reads the class-weighted regression's cross-validated predictions and the vectors. "without
the audit's", "without cleanlab's": what is flagged at the defaults is left out.

DIR holds train/<given class>/* and test/<true class>/*. truth.csv (columns path, true) names the
true classes of the train part; only the arm "true labels" and the counts of the audits read it.
Nothing is chosen here: every arm has the recipe's settings, and the logistic regressions those of
scikit-learn.
"""

import csv
import json
import pathlib
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks import result_file
from configs import folder
from dull_jax.data.prepare import prepare
from dull_jax.embed.dataset import embedded
from dull_jax.files import parsed
from dull_jax.stats.label_audit import LabelAudit, audit_labels
from dull_jax.train import parallel, trainer

# What is trained -> fields in which it differs from configs/folder.py.
ARMS: Mapping[str, Mapping[str, Any]] = {
    "Cross-entropy": {"method": "ce"},
    "Logit adjustment": {"method": "la"},
    "Two-stage": {"method": "two_stage"},
    "DULL": {"method": "dull"},
    "DULL, fine-tuned": {"method": "dull", "model.frozen": False, "data.size": 112}
    | {"train.epochs": 5, "augment.magnitude": 5},
    "DULL, from scratch": {"method": "dull", "model.pretrained": "none", "data.size": 64}
    | {"train.epochs": 60},
}


def recipe(args: Any, seed: int, fields: Mapping[str, Any]) -> Any:
    config = folder.get_config(f"seed={seed}")
    config.data.dir, config.model.cache = str(args.data), str(args.cache or "")
    config.update_from_flattened_dict(dict(fields))
    return config


def trained(args: Any, seed: int, fields: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy and balanced accuracy of a run's last epoch, percent, and its seconds."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as workdir:
        trainer.train(recipe(args, seed, fields), workdir, print)
        outputs = np.load(pathlib.Path(workdir, "outputs.npz"), allow_pickle=False)
        scored = score(outputs["test_probs"].argmax(1), outputs["test_labels"])
    return scored | {"seconds": time.perf_counter() - began}


def score(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    right = predicted == labels
    by_class = [right[labels == k].mean() for k in np.unique(labels)]
    return {"accuracy": 100 * float(right.mean()), "balanced": 100 * float(np.mean(by_class))}


def vectors_of(args: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """(the dataset, train vectors, test vectors) that the frozen arms are trained on."""
    config = recipe(args, 0, {"model.views": 1})
    config, dataset = prepare(config, print)
    folder = parsed(tempfile.mkdtemp())
    dataset = embedded(config, dataset, parallel.Devices(), folder, print)
    plain = (part.images[:, 0].astype(np.float32) for part in (dataset.train, dataset.test))
    return dataset, *plain


def true_labels(path: pathlib.Path, dataset: Any) -> np.ndarray:
    with path.open(newline="") as file:
        truth = {row["path"]: row["true"] for row in csv.DictReader(file)}
    paths = dict(zip(dataset.manifest.ids, dataset.manifest.paths, strict=True))
    names = dataset.train.class_names
    return np.array([names.index(truth[paths[key]]) for key in dataset.train.ids])


def logistic(args: Any) -> dict[str, list[dict[str, float]]]:
    """Logistic regressions on the same vectors; they have no seed but the folds'."""
    from cleanlab.filter import find_label_issues

    dataset, train, test = vectors_of(args)
    given, wanted = dataset.train.given, dataset.test.labels

    def regression(weight: str | None) -> Any:
        return LogisticRegression(class_weight=weight, max_iter=2000)

    def fitted(weight: str | None, rows: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        began = time.perf_counter()
        predicted = regression(weight).fit(train[rows], labels[rows]).predict(test)
        return score(predicted, wanted) | {"seconds": time.perf_counter() - began}

    clean = true_labels(args.truth, dataset) if args.truth else None
    everything = np.arange(len(given))
    measured = {"as given": [fitted(None, everything, given)]}
    measured["class-weighted"] = [fitted("balanced", everything, given)]
    for seed in range(args.seeds):
        probs = out_of_fold(train, given, seed)
        audit, theirs = audited(train, given, probs), find_label_issues(given, probs)
        as_many = np.zeros(len(given), bool)
        as_many[np.argsort(-audit.wrong, kind="stable")[: theirs.sum()]] = True
        for name, flagged in (
            ("cleanlab's", theirs),
            ("the audit's", audit.flagged),
            ("the audit's first, as many as cleanlab's", as_many),
        ):
            run = fitted("balanced", np.flatnonzero(~flagged), given)
            run |= counted(flagged, given, clean) if args.truth else {}
            measured.setdefault(f"class-weighted, without {name}", []).append(run)
    if args.truth:
        measured["true labels"] = [fitted("balanced", everything, clean)]
    return {f"Logistic regression, {name}": rows for name, rows in measured.items()}


def out_of_fold(train: np.ndarray, given: np.ndarray, seed: int) -> np.ndarray:
    """`[N, K]` of a class-weighted logistic regression."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegression(class_weight="balanced", max_iter=2000)
    return cross_val_predict(model, train, given, cv=folds, method="predict_proba")


def audited(train: np.ndarray, given: np.ndarray, probs: np.ndarray) -> LabelAudit:
    return audit_labels(probs, given, features=train - train.mean(0))


def counted(flagged: np.ndarray, given: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """What flags are worth, percent; the tail is the rarest third of the true classes."""
    wrong, counts = given != clean, np.bincount(clean)
    tail = np.isin(clean, np.argsort(counts)[: max(len(counts) // 3, 1)]) & ~wrong
    return {
        "flagged": int(flagged.sum()),
        "precision": 100 * float(wrong[flagged].mean()),
        "recall": 100 * float(flagged[wrong].mean()),
        "clean_tail_flagged": 100 * float(flagged[tail].mean()),
    }


def with_labels(
    args: Any, dataset: Any, labels: np.ndarray, method: str, seed: int
) -> dict[str, float]:
    """A run with these labels `[N]` in the place of the given ones."""
    names = dataset.train.class_names
    rows = zip(dataset.train.ids, (names[k] for k in labels), strict=True)
    with tempfile.TemporaryDirectory() as place:
        table = pathlib.Path(place, "labels.csv")
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "label"), *rows])
        fields = {"method": method, "noise.name": "file", "noise.file": str(table)}
        return trained(args, seed, fields)


def ceiling(args: Any) -> list[dict[str, float]]:
    """Logit adjustment with the true labels: what the same head could reach."""
    dataset, _, _ = vectors_of(args)
    true = true_labels(args.truth, dataset)
    return [with_labels(args, dataset, true, "la", seed) for seed in range(args.seeds)]


def corrected(args: Any, method: str) -> list[dict[str, float]]:
    """A method after the audit's --apply; a seed draws the folds, too."""
    dataset, train, _ = vectors_of(args)
    given, runs = dataset.train.given, []
    for seed in range(args.seeds):
        audit = audited(train, given, out_of_fold(train, given, seed))
        labels = np.where(audit.replaceable, audit.suggested, given)
        runs.append(with_labels(args, dataset, labels, method, seed))
    return runs


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="train/ and test/ folders")
    parser.add_argument("--truth", type=pathlib.Path, help="true classes of the train part")
    parser.add_argument("--cache", type=pathlib.Path, help="where vectors are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of arms; 'Logistic regression' for those")
    args = parser.parse_args()
    before = json.loads(args.out.read_text()) if args.out and args.out.exists() else {}
    measured = before.get("arms", {})
    jobs: dict[str, Callable[[], Any]] = {
        name: lambda fields=fields: [trained(args, s, fields) for s in range(args.seeds)]
        for name, fields in ARMS.items()
    }
    for name in ("Cross-entropy", "Logit adjustment", "DULL"):
        method = ARMS[name]["method"]
        jobs[f"{name}, labels corrected"] = lambda method=method: corrected(args, method)
    if args.truth:
        jobs["Logit adjustment, true labels"] = lambda: ceiling(args)
    for name, job in jobs.items():
        if not args.only or name in args.only:
            measured[name] = job()
            result_file.save(args.out, {"arms": measured})
    if not args.only or "Logistic regression" in args.only:
        measured |= logistic(args)
    result_file.save(args.out, {"arms": measured})
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
