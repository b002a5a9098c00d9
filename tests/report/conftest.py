"""Run folders as training would leave them, with simulated numbers."""

import json
import pathlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dull_jax.data.groups import class_groups
from dull_jax.stats.calibration import expected_calibration_error
from dull_jax.stats.metrics import accuracy, wrong_labels


def make_run(
    path: pathlib.Path,
    num_classes: int = 10,
    compare: tuple[str, ...] = ("ce", "la"),
    seed: int = 0,
) -> pathlib.Path:
    """Writes a whole run folder: digits for 10 classes, coloured noise 32x32 for more."""
    rng = np.random.default_rng(seed)
    largest, factor, rate = (140, 20, 0.3) if num_classes == 10 else (500, 100, 0.4)
    counts = (largest * factor ** (-np.arange(num_classes) / (num_classes - 1))).astype(int)
    clean = np.repeat(np.arange(num_classes), counts).astype(np.int32)
    given = _towards_head(clean, counts, rate, rng)
    names = [f"digit {k}" if num_classes == 10 else f"class {k:03d}" for k in range(num_classes)]
    groups, rule = class_groups(counts)
    wrong = given != clean
    by_class = [float(wrong[clean == k].mean()) for k in range(num_classes)]
    data = {
        "dataset": "digits" if num_classes == 10 else "cifar100", "class_names": names,
        "num_train": len(clean), "num_test": 100 * num_classes,
        "image_shape": [8, 8, 1] if num_classes == 10 else [32, 32, 3], "profile": "exponential",
        "imbalance_factor": factor, "counts_true": counts.tolist(),
        "counts_given": np.bincount(given, minlength=num_classes).tolist(),
        "noise": {"name": "t2h", "rate": rate, "seed": 0, "options": {"cap": 0.6}, "version": 1,
                  "realised": float(wrong.mean()), "realised_by_class": by_class},
        "transition": _shares(clean, given, num_classes).tolist(), "groups": groups,
        "group_rule": rule, "data_digest": "5f" * 32, "labels_digest": "c4" * 32,
        "truth_known": True,
    }  # fmt: skip
    arrays = {"given": given, "clean": clean, "ids": [f"train_{i:05d}" for i in range(len(clean))]}
    for k, method in enumerate(("dull", *compare)):
        folder = path if k == 0 else path / "compare" / method
        _write_method(folder, method, k, data, arrays, rng)
    return path


def _towards_head(clean, counts, rate, rng):
    given = clean.copy()
    tailness = np.log(counts.max() / counts) / np.log(counts.max() / counts.min())
    share = np.minimum(0.6, rate * 2 * tailness)
    for i in np.flatnonzero(rng.random(len(clean)) < share[clean]):
        larger = np.flatnonzero(counts > counts[clean[i]])
        given[i] = rng.choice(larger, p=counts[larger] / counts[larger].sum())
    return given


def _shares(rows, columns, size):
    table = np.zeros((size, size))
    np.add.at(table, (rows, columns), 1)
    return table / table.sum(1, keepdims=True)


def _write_method(folder, method, place, data, arrays, rng):
    """Numbers of a method that is the worse, the later its place."""
    folder.mkdir(parents=True, exist_ok=True)
    size, tail = len(data["counts_true"]), np.linspace(0, 1, len(data["counts_true"]))
    test = np.repeat(np.arange(size), 100)
    logits = rng.normal(size=(len(test), size)) + 0.8 * (1 - tail) * (0.4 + 0.5 * place)
    logits[np.arange(len(test)), test] += 3.6 - 0.35 * place - 0.5 * tail[test]
    probs = np.exp(1.4 * logits)
    probs = (probs / probs.sum(1, keepdims=True)).astype(np.float32)
    given, clean = arrays["given"], arrays["clean"]
    wrong = given != clean
    score = 1 / (1 + np.exp(-rng.normal(np.where(wrong, 2.2, -2.6), 1.2 + 0.5 * place)))
    suspects = np.argsort(-score)[:50]
    suggested = np.where(rng.random(len(clean)) < 0.9, clean, given).astype(np.int32)
    outputs = {
        "test_labels": test, "test_probs": probs, "wrongness": score.astype(np.float32),
        "suggested": suggested, "suspects": suspects,
        "thumbnails": _images(clean[suspects], size, rng),
    }  # fmt: skip
    if method == "dull":
        gate = np.minimum(1, rng.random((4 * size, size)) ** 6)
        gate[np.arange(4 * size), rng.permutation(4 * size) % size] = 1
        blur = 0.85 * np.asarray(data["transition"]) + 0.15 / size
        outputs |= {"gate": gate.astype(np.float32), "transition_estimate": blur}
    np.savez_compressed(folder / "outputs.npz", **outputs)
    np.savez_compressed(folder / "labels.npz", **arrays)
    found = accuracy(probs.argmax(1), test, size, data["groups"])
    quality = wrong_labels(score, given, clean, data["groups"])
    _write_json(folder, method, data, found, quality, expected_calibration_error(probs, test))
    _write_metrics(folder, method, found, quality, place, rng)


def _write_json(folder, method, data, found, quality, ece):
    noise = {key: data["noise"][key] for key in ("name", "rate", "realised")}
    groups = ("head", "medium", "tail")
    result = {
        "method": method, "variant": "", "dataset": data["dataset"],
        "imbalance_factor": data["imbalance_factor"],
        "noise": noise, "seed": 0, "epochs": 30, "num_train": data["num_train"],
        "num_classes": len(data["class_names"]), "network": "small_cnn",
        "accuracy": {"last": found["accuracy"], "mean_last_10": found["accuracy"] - 0.4,
                     "best_on_test": found["accuracy"] + 1, **{g: found[g] for g in groups}},
        "calibration": {"ece": ece},
        "wrong_labels": {k: quality[k] for k in ("precision", "recall", "auroc")}
        | {"false_alarm": {g: quality[f"false_alarm_{g}"] for g in groups}},
        "seconds": 41.7, "images_per_second": 1712.3, "host_share": 0.04, "hardware": "2 CPU cores",
        "versions": {"jax": "0.10.2", "flax": "0.12.8"}, "command": "python -m dull_jax.main",
        "config_fingerprint": "9b1d2c3e4f5a6b7c", "data_digest": data["data_digest"],
        "labels_digest": data["labels_digest"],
    }  # fmt: skip
    env = {
        "command": "python -m dull_jax.main --config=configs/digits.py --workdir=runs/digits",
        "python": "3.11.9", "versions": {"jax": "0.10.2", "flax": "0.12.8", "numpy": "2.3.1"},
        "platform": "Linux-6.1-x86_64", "cpu": "x86_64, 2 cores", "devices": ["CpuDevice(id=0)"],
        "started": "2026-11-21T03:42:00+00:00",
    }  # fmt: skip
    config = {
        "method": method, "seed": 0, "compare": ["ce", "la"],
        "optim": {"name": "sgd", "lr": 0.1, "weight_decay": 5e-4, "milestones": [0.5, 0.75]},
        "dull": {"tau": 1.0, "unlearn": 0.5, "candidate_mass": [0.5, 0.95]},
        "train": {"epochs": 30},
    }  # fmt: skip
    for name, value in (("result", result), ("data", data), ("env", env), ("config", config)):
        (folder / f"{name}.json").write_text(json.dumps(value))


def _write_metrics(folder, method, found, quality, place, rng):
    lines = []
    for epoch in range(1, 31):
        grown = 1 - np.exp(-epoch / (5 + place))
        loss = float(2.3 * np.exp(-epoch / 9) + 0.1 + 0.03 * rng.random())
        line = {"epoch": epoch, "train/loss": loss, "lr": 0.1, "labels/recall": quality["recall"],
                "labels/precision": quality["precision"] * grown,
                "labels/auroc": 0.5 + (quality["auroc"] - 0.5) * grown, "time/seconds": 1.4,
                "time/images_per_second": 1700.0}  # fmt: skip
        if epoch % 2 == 0:
            line |= {
                f"test/{key}": float(found[key] * grown + rng.normal())
                for key in ("accuracy", "head", "medium", "tail")
            } | {"test/ece": 9.0}
        if method == "dull":
            line |= {
                "dull/specificity": 0.2 + 0.6 * grown,
                "dull/candidates": 1 + 0.8 * (1 - grown),
            }
        lines.append(json.dumps(line))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def _images(classes, size, rng):
    if size == 10:
        digits = load_digits()
        pick = [rng.choice(np.flatnonzero(digits.target == k)) for k in classes]
        return (digits.images[pick, :, :, None] / 16 * 255).astype(np.uint8)
    coarse = rng.random((len(classes), 5, 5, 3))
    fine = np.kron(coarse, np.ones((1, 7, 7, 1)))[:, :32, :32]
    return np.clip(255 * fine + rng.normal(0, 12, fine.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def ten_classes(tmp_path_factory) -> pathlib.Path:
    return make_run(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def hundred_classes(tmp_path_factory) -> pathlib.Path:
    return make_run(tmp_path_factory.mktemp("cifar100"), num_classes=100)


@pytest.fixture
def make():
    """The maker itself, for tests that then damage the folder."""
    return make_run
