"""Benchmarks: what their docstrings promise, how they time, what their result files begin with."""

import ast
import importlib
import json
import pathlib
import re

import numpy as np
import pytest

from benchmarks import result_file, timing
from benchmarks.audit import scale, simulated_people, worst_of_three
from benchmarks.speed import scan

ROOT = pathlib.Path(__file__).parent.parent
COMMANDS = [
    path
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if 'if __name__ == "__main__"' in path.read_text()
]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_benchmark_says_what_it_measures_how_for_how_long_and_where_to(path):
    doc = ast.get_docstring(ast.parse(path.read_text()))
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    promises = ("Measures ", f"python -m {module} ", "\nTakes ", "\nWrites ")
    places = [doc.find(promise) for promise in promises]
    assert places[0] == 0 and -1 not in places and places == sorted(places), places
    for name in re.findall(r"benchmarks/results/([\w./-]+\.json)", doc):
        assert re.search("[A-Z]{4}", name) or (result_file.RESULTS / name).exists(), name


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_benchmark_can_be_imported(path):
    importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def test_the_scan_of_a_few_files(tmp_path, monkeypatch):
    out = tmp_path / "scan.json"
    monkeypatch.setattr("sys.argv", ["scan", "--files=40", "--side=16", f"--out={out}"])
    scan.main()
    measured = json.loads(out.read_text())
    assert measured["first"]["files"] == measured["again"]["files"] == 40


def test_there_are_benchmarks_of_each_purpose():
    assert {path.parent.name for path in COMMANDS} == {"speed", "accuracy", "audit", "docs"}


def test_the_best_is_after_the_warm_up():
    calls = []
    seconds = timing.best(lambda: calls.append(None), repetitions=3, warm_up=2)
    assert len(calls) == 5 and 0 <= seconds < 1


def test_functions_are_timed_in_turn():
    calls = []
    medians = timing.medians_in_turn(lambda: calls.append("a"), lambda: calls.append("b"), rounds=2)
    assert "".join(calls) == "ababab" and len(medians) == 2


def test_once_returns_the_value_too():
    value, seconds = timing.once(lambda: 7)
    assert value == 7 and seconds >= 0


def test_a_result_begins_with_its_machine(tmp_path):
    result_file.save(tmp_path / "new" / "result.json", {"cases": [1]})
    written = json.loads((tmp_path / "new" / "result.json").read_text())
    assert list(written) == ["environment", "cases"]
    assert {"command", "versions", "cpu", "started"} <= set(written["environment"])


def test_without_a_path_nothing_is_written():
    args = result_file.parser("Measures nothing.").parse_args([])
    result_file.save(args.out, {"cases": [1]})


def test_simulated_people_err_as_often_as_asked_and_where_images_are_hard():
    rng = np.random.default_rng(0)
    true, size = np.repeat(np.arange(5), 400), 2000
    features = np.eye(5)[true] + 0.1 * rng.normal(size=(size, 5))
    hard = rng.random(size) < 0.5
    scores = np.log(np.where(hard[:, None], 0.2, 0.96 * np.eye(5)[true] + 0.01)).astype(np.float32)
    given = simulated_people.labels(scores, features, true, 0.3, 0)
    wrong = given != true
    assert abs(wrong.mean() - 0.3) < 0.002 and wrong[hard].mean() > 2 * wrong[~hard].mean()
    assert (given == simulated_people.labels(scores, features, true, 0.3, 0)).all()
    assert (given != simulated_people.labels(scores, features, true, 0.3, 1)).any()


def test_the_worst_of_three_is_wrong_where_any_of_them_is():
    rng = np.random.default_rng(0)
    true, size = np.repeat(np.arange(4), 500), 2000
    features = rng.normal(size=(size, 64)) + 3 * np.eye(4, 64)[true]
    first = np.where(rng.random(size) < 0.2, (true + 1) % 4, true)
    outvoted = (first == true) & (rng.random(size) < 0.05)
    majority = np.where(outvoted, (true + 2) % 4, first)
    seen = worst_of_three.label_probs(features, true, first)
    np.testing.assert_allclose(seen.sum(1), 1, atol=1e-6)
    assert np.average(seen[np.arange(size), (true + 1) % 4]) == pytest.approx(0.2, abs=0.02)
    given = worst_of_three.labels(seen, true, first, majority, 0)
    wrong = given != true
    assert wrong[(first != true) | outvoted].all()
    assert (given[outvoted] == majority[outvoted]).all()
    assert wrong.mean() == pytest.approx(1 - 0.95 * 0.8**3, abs=0.03)
    assert (given != worst_of_three.labels(seen, true, first, majority, 1)).any()


def test_readme_counts_the_sets_on_which_our_audit_is_ahead():
    cells = json.loads((ROOT / "benchmarks/results/audit/real.json").read_text())["cells"]
    wrong = [list(seeds.values()) for cell, seeds in cells.items() if not cell.endswith("none")]
    others = ("cleanlab", "confident", "disagreement", "neighbours")

    def f1(runs, name):
        return np.mean([run[name]["f1"] for run in runs])

    ahead = sum(f1(runs, "ours") > max(f1(runs, name) for name in others) for runs in wrong)
    assert f"on {ahead} of {len(wrong)} sets with" in (ROOT / "README.md").read_text()


def test_labels_of_an_audits_scale_are_drawn_from_their_probabilities():
    rng = np.random.default_rng(0)
    prior = np.array([0.5, 0.3, 0.2])
    clean = rng.choice(3, 6000, p=prior).astype(np.int32)
    other, gap = (clean + 1) % 3, rng.exponential(2, 6000)
    probs = np.empty((6000, 3), np.float32)
    given = scale.by_image(rng, probs, clean, prior, other, gap)
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)
    own = probs[np.arange(6000), given]
    assert abs((probs**2).sum() - own.sum()) < 4 * np.sqrt(6000)  # what is expected of such draws
    assert 0.1 < np.mean(given != clean) < 0.4
    assert (probs[np.arange(6000), other] < probs[np.arange(6000), clean]).all()
