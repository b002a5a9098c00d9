"""What each listed sample is called, in the list, in the table and on the page."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from dull_jax.audit import corrections, embeddings, outputs, page, verdicts
from dull_jax.audit.eval_part import EvalPart
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.write_back import table
from dull_jax.stats.label_audit import audit_labels

SIZE, DIM = 240, 30
COPY, CROSS, LEAK, ALONE = 201, 202, 203, 204  # rows that are made to be something
NAMES = ("cat", "dog", "<cow>")


def _vectors():
    rng = np.random.default_rng(0)
    true = np.arange(SIZE) % 3
    vectors = np.eye(3, DIM)[true] * 9 + rng.normal(size=(SIZE, DIM))
    test = np.eye(3, DIM)[np.arange(30) % 3] * 9 + rng.normal(size=(30, DIM))
    close = 0.05 * rng.normal(size=(3, DIM))
    vectors[COPY] = vectors[COPY - 3 * 20] + close[0]
    vectors[CROSS] = vectors[CROSS - 3 * 20 + 1] + close[1]
    vectors[LEAK] = test[5] + close[2]
    vectors[ALONE] = -6 * np.eye(DIM)[7] - 4 * vectors.mean(0)
    return true, vectors, test


@pytest.fixture(scope="module")
def samples():
    """Twenty wrong labels among them, and one of each other verdict."""
    true, vectors, test = _vectors()
    given = true.copy()
    given[:20] = (given[:20] + 1) % 3
    probs = np.eye(3)[true] * 0.9 + 1 / 30
    probs[[COPY, CROSS, LEAK, ALONE]] = np.eye(3)[given[[COPY, CROSS, LEAK, ALONE]]] * 0.94 + 0.02
    probs[30] = np.eye(3)[given[30]] * 0.02 + np.array([0.49, 0.49, 0])
    images = np.random.default_rng(1).integers(0, 255, (SIZE, 8, 8, 3), dtype=np.uint8)
    return AuditInput(
        ids=np.array([f"id{n}" for n in range(SIZE)]),
        paths=np.full(SIZE, "", object),
        given=given.astype(np.int32),
        probs=probs,
        class_names=NAMES,
        images=images,
        vectors=vectors[:, None].astype(np.float16),
        test=EvalPart(
            ids=np.array([f"test{n}" for n in range(30)]),
            paths=np.array(["test/<b>.png"] * 30, object),
            labels=np.arange(30) % 3,
            vectors=test[:, None].astype(np.float16),
            images=images[:30],
        ),
    )


@pytest.fixture(scope="module")
def audit(samples):
    return audit_labels(samples.probs, samples.given, class_names=NAMES)


def listed_of(samples, audit):
    return verdicts.listed(samples, audit, embeddings.features(samples.vectors, print))


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_verdict(samples, audit):
    listed = listed_of(samples, audit)
    assert set(range(20)) <= set(listed.of("wrong"))
    assert listed.of("leak").tolist() == [LEAK]
    assert listed.twins[LEAK] == (5, True)
    assert len(listed.of("duplicate")) == 2
    across, within = listed.of("duplicate").tolist()  # different labels first
    assert {across, listed.twins[across].row} == {CROSS, CROSS - 59}
    assert {within, listed.twins[within].row} == {COPY, COPY - 60}
    assert ALONE in listed.of("none of the classes") and listed.counts["none of the classes"] <= 3
    flagged = int(audit.flagged.sum())
    assert set(listed.verdicts[:flagged]) <= {"wrong", "ambiguous"}
    assert (
        audit.flagged[listed.rows[:flagged]].all()
        and not audit.flagged[listed.rows[flagged:]].any()
    )
    assert len(set(listed.rows)) == len(listed.rows) == sum(listed.counts.values())


def test_without_embeddings_labels_only(samples, audit):
    samples = dataclasses.replace(samples, vectors=None, test=None)
    listed = listed_of(samples, audit)
    assert set(listed.counts) == {"wrong", "ambiguous"} and not listed.twins


def test_leaks_are_not_counted_where_there_is_no_test_part(samples, audit):
    listed = listed_of(dataclasses.replace(samples, test=None), audit)
    assert "leak" not in listed.counts and listed.counts["duplicate"] == 2


def test_a_held_out_part_that_is_audited_too(samples, audit):
    """The pair across parts is a leak; the train copy is listed."""
    splits = np.full(SIZE, "train", object)
    splits[[COPY - 60, 3]] = "Validation"
    samples = dataclasses.replace(samples, splits=splits, test=None)
    listed = listed_of(samples, audit)
    assert listed.of("leak").tolist() == [COPY] and listed.twins[COPY] == (COPY - 60, False)
    assert COPY not in listed.of("duplicate") and audit.flagged[3]
    text = page.page(samples, audit, listed)
    assert "--apply keeps those of test images (1)" in text and "test image</span>" in text
    assert "of rare classes" not in text


def test_labels_of_rare_classes_that_are_kept_are_counted(samples, audit):
    listed = listed_of(samples, audit)
    replaceable = audit.replaceable.copy()
    replaceable[listed.of("wrong")[:2]] = False
    text = page.page(samples, dataclasses.replace(audit, replaceable=replaceable), listed)
    assert "--apply keeps those of rare classes (2)." in text


def test_the_list_and_the_summary(samples, audit, tmp_path):
    listed = listed_of(samples, audit)
    outputs.write(tmp_path, samples, audit, listed)
    rows = rows_of(tmp_path / "suspects.csv")
    assert list(rows[0]) == [
        *("rank", "id", "path", "given", "suggested", "p_wrong", "group", "verdict", "twin")
    ]
    assert [row["verdict"] for row in rows] == listed.verdicts.tolist()
    twins = {row["id"]: row["twin"] for row in rows if row["twin"]}
    assert twins[f"id{LEAK}"] == "test5" and len(twins) >= 3
    assert json.loads((tmp_path / "audit.json").read_text())["verdicts"] == listed.counts
    said = outputs.console(samples, audit, listed)
    assert "1 leak, 2 duplicate" in said


def test_what_is_corrected(samples, audit, tmp_path):
    """What may be corrected unseen; never labels of test images, nor of strangers."""
    splits = np.full(SIZE, "train", object)
    splits[3] = "test"
    samples = dataclasses.replace(samples, splits=splits)
    replaceable = audit.flagged.copy()
    replaceable[4] = False
    audit = dataclasses.replace(audit, replaceable=replaceable)
    strangers = np.flatnonzero(replaceable)[-1:]
    listed = verdicts.Listed(strangers, np.array([verdicts.OUTSIDE], object), {}, {})
    table.write(tmp_path / "t.csv", corrections.of(samples, audit, listed), copy=False)
    changed = {row["id"] for row in rows_of(tmp_path / "t.csv") if row["status"] == "corrected"}
    wanted = set(np.flatnonzero(replaceable)) - {3, int(strangers[0])}
    assert changed == {f"id{n}" for n in wanted} and {f"id{n}" for n in (0, 1, 2)} <= changed


def test_the_page_has_a_section_of_each(samples, audit):
    listed = listed_of(samples, audit)
    text = page.page(samples, audit, listed)
    present = {verdict for verdict, count in listed.counts.items() if count}
    ids = {"none of the classes": "outside"}
    for verdict in verdicts.WRONG, *present:
        assert f'<section id="{ids.get(verdict, verdict)}"' in text
    assert "copy of test image test/&lt;b&gt;.png: &lt;cow&gt;" in text and "<b>.png" not in text
    assert "Remove the train copy" in text and "make scores look" in text
    near = listed.counts["wrong"] + listed.counts["ambiguous"] + len(listed.of(verdicts.OUTSIDE))
    assert text.count("<img") == len(listed.rows) + len(listed.twins) + 5 * near


def test_sets_too_small_to_tell(samples, audit):
    for size in (1, 2, 30):
        few, judged = (
            dataclasses.replace(
                whole, **{name: getattr(whole, name)[30 : 30 + size] for name in names}
            )
            for whole, names in (
                (samples, ("ids", "paths", "given", "probs", "images", "vectors")),
                (audit, ("suggested", "wrong", "flagged", "ambiguous")),
            )
        )
        assert len(listed_of(few, judged).rows) == judged.flagged.sum()
