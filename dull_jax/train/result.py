"""What a finished run leaves: result.json for tables, outputs.npz for the report."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import files, machine
from dull_jax.data.dataset import Dataset
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.files import Path
from dull_jax.run_dir import layout
from dull_jax.run_dir.seal import sealed
from dull_jax.train import embedding_map, run_lock, writer

_SUSPECTS = 50
LAST = 10  # epochs whose mean accuracy is reported beside the last one's


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One evaluation: numbers, and the arrays behind them."""

    test: dict[str, float]  # accuracy, head, medium, tail, ece: percent
    labels: dict[str, float]  # metrics.wrong_labels; empty where nobody knows the true labels
    by_class: np.ndarray  # [K] test accuracy, percent
    probs: np.ndarray  # [M, K] of the test set
    score: np.ndarray  # [N] how likely a given label is wrong
    suggested: np.ndarray  # [N]


@dataclasses.dataclass(frozen=True)
class Effort:
    """What a run took: seconds in all and of them on the devices; images of the main streams."""

    seconds: float
    on_device: float
    images: int


def write(
    folder: Path,
    config: ConfigDict,
    dataset: Dataset,
    seen: Evaluation,
    diagnostics: Mapping[str, np.ndarray],
    embeddings: np.ndarray | VectorFiles | None,
    effort: Effort,
    rows: Sequence[writer.Row],
) -> dict[str, Any]:
    """Writes outputs.npz, then result.json, which says that the run is finished.

    Args:
      embeddings: `[N, V, D]` of the train set, where there are any.
      rows: of metrics.jsonl, all of them.
    """
    run_lock.check_held(folder)
    with files.whole(folder / layout.OUTPUTS) as file:
        np.savez_compressed(file, **_outputs(dataset, seen, embeddings), **diagnostics)
    result = defined(_result(config, dataset.description, seen, effort, rows))
    result = sealed(folder, result)
    files.write_text(folder / layout.RESULT, json.dumps(result, indent=1))
    return result


def _outputs(
    dataset: Dataset, seen: Evaluation, embeddings: np.ndarray | VectorFiles | None
) -> dict[str, np.ndarray]:
    suspects = np.argsort(-seen.score, kind="stable")[:_SUSPECTS]
    shown = {} if dataset.pictures is None else {"thumbnails": dataset.pictures[suspects]}
    if embeddings is not None:
        shown |= embedding_map.arrays(embeddings, dataset.pictures, suspects)
    return {
        "test_labels": dataset.test.labels,
        "test_probs": seen.probs.astype(np.float32),
        "wrongness": seen.score.astype(np.float32),
        "suggested": seen.suggested.astype(np.int32),
        "suspects": suspects,
        **shown,
    }


def _result(
    config: ConfigDict,
    about: Mapping[str, Any],
    seen: Evaluation,
    effort: Effort,
    rows: Sequence[writer.Row],
) -> dict[str, Any]:
    groups = about["groups"]
    curve = {r["epoch"]: r["test/accuracy"] for r in rows if "test/accuracy" in r}
    last = [value for epoch, value in curve.items() if epoch > config.train.epochs - LAST]
    environment, features = machine.environment(), about.get("embeddings")
    return {
        "method": config.method,
        "variant": config.variant,
        "dataset": about["dataset"],
        "imbalance_factor": about["imbalance_factor"],
        "noise": {
            k: v for k in ("name", "rate", "realised") if (v := about["noise"][k]) is not None
        },
        "seed": config.seed,
        "epochs": config.train.epochs,
        "num_train": about["num_train"],
        "num_classes": len(about["class_names"]),
        "network": config.model.name,
        "features": features,
        "head": config.model.probe if features else None,
        "accuracy": {
            "last": seen.test["accuracy"],
            "mean_last_10": float(np.mean(last)),
            "best_on_test": max(curve.values()),
            **{group: seen.test[group] for group in groups},
            "by_class": seen.by_class.tolist(),
        },
        "calibration": {"ece": seen.test["ece"]},
        "wrong_labels": _wrong_labels(seen.labels, groups),
        "seconds": effort.seconds,
        "images_per_second": effort.images / max(effort.seconds, 1e-9),
        "host_share": 1 - effort.on_device / max(effort.seconds, 1e-9),
        "hardware": {"cpu": environment["cpu"], "devices": environment["devices"]},
        "versions": environment["versions"] | {"python": environment["python"]},
        "command": environment["command"],
        "config_fingerprint": recipe.fingerprint(config),
        "data_digest": about["data_digest"],
        "labels_digest": about["labels_digest"],
    }


def _wrong_labels(scores: Mapping[str, float], groups: Mapping[str, Any]) -> dict[str, Any]:
    if not scores:
        return {}
    by_group = ("false_alarm", "precision_by_given", "recall_by_true", "auroc_by_given")
    return {name: scores[name] for name in ("precision", "recall", "auroc")} | {
        what: {group: scores[f"{what}_{group}"] for group in groups} for what in by_group
    }


def defined(value: Any) -> Any:
    """Without what is undefined (nan): absent means unknown, never 0."""
    if isinstance(value, dict):
        return {k: v for k, x in value.items() if (v := defined(x)) is not None}
    if isinstance(value, list):
        return [defined(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
