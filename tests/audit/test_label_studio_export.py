"""Label Studio's export as decisions."""

import json

import pytest

from dull_jax.audit import decisions
from dull_jax.errors import UserError


def task(key, *choices, **annotation):
    made = [
        {
            "updated_at": f"2026-11-28T10:00:0{9 - n}Z",
            "result": [{"type": "choices", "value": {"choices": [choice]}}] if choice else [],
        }
        | annotation
        for n, choice in enumerate(choices)
    ]
    return {"id": 7, "data": {"id": key, "given": "cat", "image": "x"}, "annotations": made}


def read(tmp_path, content):
    path = tmp_path / "export.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return decisions.read(path)


def test_annotations_are_decisions(tmp_path):
    rows = read(
        tmp_path,
        [
            task("a", "dog"),
            task("b", decisions.NONE),
            task("c", "cow", was_cancelled=True),
            task("d"),
            task("e", ""),
            {"data": {"id": "f"}},
        ],
    )
    assert [(row.id, row.decision) for row in rows] == [
        ("a", "dog"),
        ("b", decisions.NONE),
        ("c", decisions.SKIP),
    ]
    assert rows[0].given == "cat" and rows[0].when.startswith("2026")
    known = decisions.of_samples("x", rows, ["a", "b", "c"], ["cat", "dog", "cow"])
    assert known.label.tolist() == [1, decisions.NO_CLASS, decisions.OPEN] and not known.notes


def test_people_who_differ_are_named_and_the_last_counts(tmp_path):
    rows = read(tmp_path, [task("a", "dog", "cow")])  # the second was made first
    known = decisions.of_samples("x", rows, ["a"], ["cat", "dog", "cow"])
    assert known.label.tolist() == [1]
    assert "a (cow, dog)" in known.notes[0]


def test_who_skips_does_not_undo_what_another_decided(tmp_path):
    skipped = {"was_cancelled": True, "updated_at": "2027", "result": []}
    both = task("a", "dog")
    both["annotations"].append(skipped)
    rows = read(tmp_path, [both, task("b") | {"annotations": [skipped, skipped]}])
    assert [(row.id, row.decision) for row in rows] == [("a", "dog"), ("b", decisions.SKIP)]


def test_the_ground_truth_counts_and_who_differs_is_named(tmp_path):
    one = task("a", "dog", "cow", "cow")
    one["annotations"][2]["ground_truth"] = True  # the earliest
    one["annotations"][2]["result"][0]["value"]["choices"] = ["cat"]
    known = read(tmp_path, [one])
    found = decisions.of_samples("x", known, ["a"], ["cat", "dog", "cow"])
    assert found.label.tolist() == [0] and "a (cow, dog, cat)" in found.notes[0]


def test_other_controls_of_the_set_up_are_not_the_label(tmp_path):
    one = task("a", "dog")
    result = one["annotations"][0]["result"]
    result[0]["from_name"] = "label"
    result.insert(0, {"type": "choices", "from_name": "quality", "value": {"choices": ["bad"]}})
    result.append({"type": "textarea", "from_name": "why", "value": {"text": ["x"]}})
    assert [row.decision for row in read(tmp_path, [one])] == ["dog"]


def test_classes_that_look_odd_and_ids_that_are_numbers(tmp_path):
    rows = read(
        tmp_path, [task(7, "nan"), task("e\u0301", "3"), task("c", "[None of the Classes]")]
    )
    known = decisions.of_samples("x", rows, ["7", "é", "c"], ["nan", "3"])
    assert known.label.tolist() == [0, 1, decisions.NO_CLASS]


@pytest.mark.parametrize("content, words", [
    ("{", "not JSON"),
    ("{}", "a list of tasks"),
    ([task("a", "dog"), {"data": {"image": "x"}}], "task 2"),
    ([{"label": "dog"}], "task 1"),
    ([task("a", "dog") | {"annotations": [{"result": 3}]}], "task 1"),
    (["x"], "task 1"),
    ([task("a", "dog") | {"annotations": [{"result": [{"type": "choices",
      "value": {"choices": ["cat", "dog"]}}]}]}], "cat and dog are both chosen"),
    ([{"id": 1, "image": "x", "label": "dog", "annotator": 1}], "export as JSON, not JSON-MIN"),
])  # fmt: skip
def test_what_is_no_export_is_refused(tmp_path, content, words):
    with pytest.raises(UserError, match=words):
        read(tmp_path, content)
    with pytest.raises(UserError, match="cannot be read"):
        decisions.read(tmp_path / "gone.json")
