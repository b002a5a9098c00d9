"""Label Studio's export as decisions."""

import json

import pytest

from dull_jax.audit import decisions, label_studio_export
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
    return label_studio_export.read(path)


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


@pytest.mark.parametrize("content, words", [
    ("{", "not JSON"),
    ("{}", "a list of tasks"),
    ([task("a", "dog"), {"data": {"image": "x"}}], "task 2"),
    ([{"label": "dog"}], "task 1"),
    ([task("a", "dog") | {"annotations": [{"result": 3}]}], "task 1"),
    (["x"], "task 1"),
])  # fmt: skip
def test_what_is_no_export_is_refused(tmp_path, content, words):
    with pytest.raises(UserError, match=words):
        read(tmp_path, content)
    with pytest.raises(UserError, match="cannot be read"):
        label_studio_export.read(tmp_path / "gone.json")


def test_other_controls_of_a_project(tmp_path):
    other = {"type": "choices", "from_name": "quality", "value": {"choices": ["blurred"]}}
    ours = {"type": "choices", "from_name": "label", "value": {"choices": ["dog"]}}
    rows = read(tmp_path, [task("a", "x", result=[other, ours])])
    assert [row.decision for row in rows] == ["dog"]
    with pytest.raises(UserError, match="task 1"):
        read(tmp_path, [task("a", "x", result=[ours | {"value": {"choices": "dog"}}])])
