"""Who accuses the tail: our audit and cleanlab on the same cross-validated probabilities.

    python -m benchmarks.audit_gaussian [--seeds=0,1,2,3] [--out=FILE]

20 Gaussian classes in 24 dimensions, 1000 to 10 samples (exponential), 30 % wrong labels
(tail-to-head, symmetric), 5-fold logistic regression. cleanlab is optional (`pip install
cleanlab`): without it only ours runs. Nothing was tuned on seeds 0 to 3: the defaults of the audit
were chosen on seeds 100 to 105.

Head, medium and tail: the 30 % most frequent, 40 % and 30 % rarest classes by true counts. Clean
flagged: share of the rightly labelled samples of a group that are flagged. Equal precision: labels
taken from the top of a ranking for as long as precision is no less than that of cleanlab's flags.
"""

import argparse
import importlib.metadata
import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from dull_jax.data.longtail import class_counts
from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.machine import environment
from dull_jax.stats import metrics
from dull_jax.stats.label_audit import audit_labels

SIZE, DIMENSIONS, MOST, RATIO, RATE = 20, 24, 1000, 100, 0.3
NOISES = ("t2h", "symmetric")
GROUPS = {"head": range(6), "medium": range(6, 14), "tail": range(14, 20)}
RANKINGS = ("self_confidence", "normalized_margin")


def drawn(noise: str, seed: int) -> dict[str, np.ndarray]:
    """Clean labels, given labels and p(given | x) of one world."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(SIZE, DIMENSIONS))
    clean = np.repeat(np.arange(SIZE), class_counts("exponential", MOST, RATIO, SIZE))
    x = centres[clean] + rng.normal(size=(len(clean), DIMENSIONS))
    given = corrupt(NoiseSpec(noise, RATE, seed), clean, SIZE).given
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegression(max_iter=500)
    probs = cross_val_predict(model, x, given, cv=folds, method="predict_proba")
    return {"clean": clean, "given": given, "probs": probs}


def cleanlab_says(world: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Its flags at its defaults and its rankings (larger: more likely wrong); None without it."""
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return None
    given, probs = world["given"], world["probs"]
    said = {"flagged": find_label_issues(given, probs, n_jobs=1)}
    for method in RANKINGS:
        said[method] = 1 - get_label_quality_scores(given, probs, method=method)
    return said


def cleanlab_version() -> str | None:
    try:
        return importlib.metadata.version("cleanlab")
    except importlib.metadata.PackageNotFoundError:
        return None


def shares(flagged: np.ndarray, world: dict[str, np.ndarray]) -> dict[str, float]:
    """Precision and recall of the flags, and the clean samples flagged by group, in percent."""
    clean, given = world["clean"], world["given"]
    wrong = clean != given
    found = {"precision": _percent(wrong, flagged), "recall": _percent(flagged, wrong)}
    for group, ids in GROUPS.items():
        found[f"clean_{group}_flagged"] = _percent(flagged, ~wrong & np.isin(clean, ids))
    return found


def top(score: np.ndarray, wrong: np.ndarray, precision: float) -> np.ndarray:
    """Flags `[N]`: the most from the top of `score` whose precision (percent) is no less."""
    order = np.argsort(-score, kind="stable")
    reached = 100 * np.cumsum(wrong[order]) / np.arange(1, len(order) + 1) >= precision
    flagged = np.zeros(len(order), bool)
    flagged[order[: np.flatnonzero(reached).max(initial=-1) + 1]] = True
    return flagged


def reliability(wrong: np.ndarray, chance: np.ndarray) -> tuple[list[dict], float]:
    """Ten bins of P(wrong): number, mean, share that is wrong; and the ECE in percent."""
    bins = np.minimum((chance * 10).astype(int), 9)
    table, gap = [], 0.0
    for k in range(10):
        inside = bins == k
        if inside.any():
            mean, share = float(chance[inside].mean()), float(wrong[inside].mean())
            gap += abs(mean - share) * inside.mean()
            table.append({"labels": int(inside.sum()), "mean": mean, "wrong": share})
        else:
            table.append({"labels": 0, "mean": None, "wrong": None})
    return table, 100 * float(gap)


def judged(world: dict[str, np.ndarray], said: dict[str, np.ndarray] | None) -> dict:
    """Everything about one world."""
    given, wrong = world["given"], world["clean"] != world["given"]
    audit = audit_labels(world["probs"], given)
    table, error = reliability(wrong, audit.wrong)
    auroc = metrics.wrong_labels(audit.wrong, given, world["clean"], {})["auroc"]
    found = {
        "noise_found": audit.noise,
        "ours": shares(audit.flagged, world) | {"auroc": 100 * auroc, "ece": error},
        "reliability": table,
    }
    if said is None:
        return found
    found["cleanlab"] = shares(said["flagged"], world)
    precision = found["cleanlab"]["precision"]
    tail = np.isin(given, audit.groups["tail"])
    rankings = {
        "our ranking": audit.wrong,
        "our ranking, tail guarded": np.where(tail & ~audit.flagged, -1.0, audit.wrong),
    } | {f"cleanlab's {name}": said[name] for name in RANKINGS}
    found["at_cleanlab_precision"] = {
        name: shares(top(score, wrong, precision), world) for name, score in rankings.items()
    }
    return found


def averaged(found: list) -> object:
    """The mean over worlds of every number; text and gaps only where they agree."""
    first = found[0]
    if isinstance(first, dict):
        return {key: averaged([one[key] for one in found]) for key in first}
    if isinstance(first, list):
        return [averaged(list(parts)) for parts in zip(*found, strict=True)]
    numbers = [one for one in found if isinstance(one, int | float)]
    return round(float(np.mean(numbers)), 4) if numbers else None


def _percent(what: np.ndarray, among: np.ndarray) -> float:
    return 100 * float(what[among].mean()) if among.any() else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="0,1,2,3")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    seeds, worlds = [int(seed) for seed in args.seeds.split(",")], {}
    for noise in NOISES:
        worlds[noise] = []
        for seed in seeds:
            world = drawn(noise, seed)
            worlds[noise].append(judged(world, cleanlab_says(world)))
            print(noise, seed, worlds[noise][-1]["noise_found"], flush=True)
    mean = {noise: averaged(found) for noise, found in worlds.items()}
    for noise, found in mean.items():
        rows = {who: found[who] for who in ("ours", "cleanlab") if who in found}
        for who, numbers in (rows | found.get("at_cleanlab_precision", {})).items():
            text = ", ".join(f"{name} {value:.1f}" for name, value in numbers.items())
            print(f"{noise}: {who}{'' if who in rows else ' at that precision'}: {text}")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        record = {"environment": environment(), "cleanlab": cleanlab_version(), "seeds": seeds}
        record |= {"mean": mean, "worlds": worlds}
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
