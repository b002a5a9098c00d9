"""Sentences follow the numbers: who is ahead, by how much, and what is left unsaid."""

import json

import numpy as np
import pytest

from dull_jax.report.run import read
from dull_jax.report.summary import best_peer, summary


def _run(path, own: dict, *peers: dict, data: dict | None = None):
    path.mkdir(exist_ok=True)
    (path / "data.json").write_text(json.dumps({"num_test": 10000} | (data or {})))
    for folder, method, accuracy in [
        (path, "dull", own),
        *((path / "compare" / m, m, a) for m, a in zip(("ce", "la"), peers, strict=False)),
    ]:
        folder.mkdir(parents=True, exist_ok=True)
        result = {"method": method, "accuracy": accuracy}
        (folder / "result.json").write_text(json.dumps(result))
    return read(path)


@pytest.mark.parametrize(
    ("own", "expected"),
    [(80.0, "9.7 points more than"), (60.0, "10.3 points fewer than"), (70.32, "as many as")],
)
def test_the_difference_has_the_right_sign(tmp_path, own, expected):
    run = _run(tmp_path, {"last": own}, {"last": 70.3}, {"last": 65.0})
    said = dict(summary(run))["Accuracy"]
    assert expected in said and "Cross-entropy (70.3\u00a0%)" in said
    assert best_peer(run).method == "ce"


def test_the_best_peer_is_chosen_for_each_number(tmp_path):
    run = _run(
        tmp_path, {"last": 80, "tail": 50}, {"last": 79, "tail": 20}, {"last": 70, "tail": 60}
    )
    said = dict(summary(run))
    assert "Cross-entropy" in said["Accuracy"] and "Logit adjustment" in said["Rare classes"]
    assert "10.0 points fewer" in said["Rare classes"]


def test_chance_is_the_binomial_interval_of_a_difference(tmp_path):
    run = _run(tmp_path, {"last": 50.0}, {"last": 49.0})
    # 1.96 * sqrt(2 * 0.25 / 10000) = 1.386 points
    assert "below about 1.4 points" in dict(summary(run))["Accuracy"]


def test_nothing_is_said_about_unknown_numbers(tmp_path):
    assert summary(_run(tmp_path, {}, {"last": 70.0})) == []


def test_no_peer_no_comparison(tmp_path):
    said = dict(summary(_run(tmp_path, {"last": 80.0})))["Accuracy"]
    assert said == "DULL names the right class for 80.0\u00a0% of all test images."


def test_confidence_is_held_against_accuracy(tmp_path):
    run = _run(tmp_path, {"last": 50.0})
    probs = np.array([[0.9, 0.1], [0.9, 0.1]], np.float32)
    np.savez(tmp_path / "outputs.npz", test_probs=probs, test_labels=np.array([0, 1]))
    run = read(tmp_path)
    assert (
        "90.0\u00a0%, 40.0 points above its accuracy: it is overconfident"
        in dict(summary(run))["Confidence"]
    )
