"""Tables from result files: means and deviations against NumPy, nothing counted twice."""

import json
import re

import numpy as np
import pytest
from scipy import stats

from dull_jax.errors import UserError
from dull_jax.report import table


def _result(method="dull", seed=0, last=80.0, **more):
    return {
        "method": method, "variant": "", "dataset": "cifar10", "imbalance_factor": 100,
        "noise": {"name": "t2h", "rate": 0.3, "realised": 0.3}, "seed": seed, "epochs": 200,
        "accuracy": {"last": last, "head": 90.0, "tail": 60.0},
        "wrong_labels": {"precision": 0.8, "recall": 0.7}, "seconds": 10.0,
    } | more  # fmt: skip


def _save(folder, *results):
    folder.mkdir(exist_ok=True, parents=True)
    for i, result in enumerate(results):
        (folder / f"r{i}.json").write_text(json.dumps(result))
    return folder


def _cells(markdown, name):
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_mean_and_sample_deviation(tmp_path):
    values = [80.0, 82.5, 79.0]
    folder = _save(tmp_path / "grid", *(_result(seed=s, last=v) for s, v in enumerate(values)))
    cells = _cells(table.markdown(table.load([folder])), "DULL")
    assert cells[1] == "3"
    assert cells[2] == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    assert cells[6] == "n/a"  # medium is in no file


def test_one_run_has_no_deviation():
    assert table.mean_std([_result()], ("accuracy", "last")) == "80.00 ± n/a"


def test_a_number_that_some_runs_lack_is_over_the_others():
    results = [
        _result(),
        _result(seed=1, last=None),
        _result(seed=2, last=float("nan")),
        _result(seed=3, last=82),
    ]
    assert table.mean_std(results, ("accuracy", "last")) == "81.00 ± 1.41 (n=2)"


def test_groups_methods_variants_and_margin(tmp_path):
    other = {"name": "symmetric", "rate": 0.4}
    folder = _save(
        tmp_path, _result(last=80), _result(last=85, variant="no gate"), _result("ce", last=70),
        _result("la", last=78.5), _result(noise=other), _result(imbalance_factor=10),
    )  # fmt: skip
    text = table.markdown(table.load([folder]))
    assert text.count("### ") == 3 and "### cifar10, IF 100, t2h 0.3" in text
    part = text.split("### ")[3]
    order = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")][1:]
    assert order == ["DULL (no gate)", "DULL", "Logit adjustment", "Cross-entropy"]
    differences = {name: _cells(part, name)[3] for name in order}
    assert differences == {
        "DULL (no gate)": "+6.5",  # to logit adjustment: DULL itself is no other method
        "DULL": "+1.5",
        "Logit adjustment": "-6.5",
        "Cross-entropy": "-15.0",
    }


def test_paired_differences_have_the_interval_of_students_t():
    own, other = [80.0, 83.0, 81.5, 90.0], [79.0, 80.0, 80.5, 84.0]
    results = [_result(seed=s, last=v) for s, v in enumerate(own)] + [_result(seed=9, last=1)]
    others = [_result("la", seed=s, last=v) for s, v in enumerate(other)]
    gaps = np.subtract(own, other)
    expected = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    mean, low, high = re.findall(r"[-+]?\d+\.\d", table.paired_difference(results, others))
    assert float(mean) == pytest.approx(gaps.mean(), abs=0.06)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=0.06)


def test_a_difference_of_next_to_nothing_has_no_minus():
    results = [_result(seed=0, last=80.0), _result(seed=1, last=80.02)]
    others = [_result("la", seed=0, last=80.01), _result("la", seed=1, last=80.02)]
    assert table.paired_difference(results, others) == "+0.0 [-0.1, 0.1]"
    assert table.paired_difference(results[:1], others[:1]) == "+0.0"


def test_without_common_seeds_there_is_no_paired_difference():
    assert table.paired_difference([_result(seed=1)], [_result("la", seed=2)]) == "n/a"


def test_overview_sets_noises_side_by_side():
    other, three = {"name": "symmetric", "rate": 0.4}, range(3)
    results = [_result(seed=s, last=80 + s) for s in three]
    results += [_result("ce", seed=s, last=85 + s, accuracy={"last": 85 + s}) for s in three]
    results += [_result(seed=s, last=30 + s, noise=other) for s in three]
    results += [_result("ce", last=10, noise=other), _result("la", last=1, noise=other)]
    text = table.overview(results)
    assert "n = 3" in text and "| method | symmetric 0.4 | tail | t2h 0.3 | tail |" in text
    assert _cells(text, "DULL")[1:] == ["31.0 ± 1.0", "60.0", "81.0 ± 1.0", "60.0"]
    assert _cells(text, "Cross-entropy")[1:] == ["10.0 ± n/a (n=1)", "60.0", "86.0 ± 1.0", "n/a"]
    assert _cells(text, "Logit adjustment")[3:] == ["n/a", "n/a"]
    order = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert order == ["DULL", "Cross-entropy", "Logit adjustment"]


def test_the_same_result_twice_is_one_run(tmp_path):
    folder = _save(tmp_path / "a", _result())
    _save(tmp_path / "b", _result())
    assert len(table.load([folder, folder, tmp_path / "b"])) == 1


def test_mixtures_are_remarked_on():
    text = table.markdown([_result(), _result(last=81, epochs=30)])
    assert "DULL mixes epochs 200, 30" in text and "seed 0 more than once" in text


def test_other_files_of_a_run_do_not_count(ten_classes, tmp_path):
    found = table.load([ten_classes])
    assert sorted(result["method"] for result in found) == ["ce", "dull", "la"]
    _save(tmp_path, {"images_per_second": 3}, [1, 2] and _result())
    assert len(table.load([tmp_path])) == 1


@pytest.mark.parametrize("text", ["{", "[1]", "\x00\xff"])
def test_unreadable_json_is_named(tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(UserError, match=r"broken\.json"):
        table.load([tmp_path])


def test_main_leaves_with_2_where_the_user_can_mend_it(tmp_path, capsys):
    assert table.main([str(tmp_path / "none")]) == 2 and "no such file" in capsys.readouterr().err
    assert table.main([str(tmp_path)]) == 2 and "no results" in capsys.readouterr().err
    assert table.main([]) == 2
    _save(tmp_path, _result())
    assert table.main([str(tmp_path)]) == 0 and "| DULL | 1 |" in capsys.readouterr().out


def test_pipes_and_newlines_do_not_break_the_table():
    text = table.markdown([_result(variant="a|b\nc<d>")])
    assert "| DULL (a\\|b c&lt;d>) | 1 |" in text


def test_console_is_aligned_and_narrow():
    results = [_result(), _result("ce", last=None), _result("x" * 80, wrong_labels={})]
    lines = table.console(results).splitlines()
    assert len(lines) == 5 and max(map(len, lines)) <= 100
    rows = [line for line in lines[2:]]
    assert len({len(line) for line in rows}) == 1
    assert rows[0].split()[:3] == ["DULL", "80.0", "90.0"] and rows[0].split()[-2:] == [
        "80.0",
        "70.0",
    ]
    assert rows[1].split()[1] == "n/a" and rows[2].endswith("n/a")


def test_console_says_nothing_of_wrong_labels_that_nobody_knows():
    lines = table.console([_result(wrong_labels={})]).splitlines()
    assert "wrong" not in lines[0] and lines[2].split() == ["DULL", "80.0", "90.0", "n/a", "60.0"]
    assert lines[1].split() == ["overall", "head", "medium", "tail"]
    assert len({len(line) for line in lines}) == 1
