"""What decisions have shown so far, and how a list differs from the one before."""

import csv
import dataclasses
import math

import numpy as np
import pytest

import commands
from dull_jax.audit import decisions, feedback, outputs, page, saved, verdicts
from dull_jax.audit.inputs import AuditInput
from dull_jax.run_dir import layout
from dull_jax.stats.label_audit import audit_labels

SIZE = 240
NAMES = ("cat", "<dog>", "cow")


@pytest.fixture(scope="module")
def samples():
    """Every tenth label is wrong, which the predictions know."""
    rng = np.random.default_rng(0)
    true = np.arange(SIZE) % 3
    given = np.where(np.arange(SIZE) % 10 == 0, (true + 1) % 3, true).astype(np.int32)
    return AuditInput(
        ids=np.array([f"id{n}" for n in range(SIZE)]),
        paths=np.full(SIZE, "", object),
        given=given,
        probs=0.8 * np.eye(3)[true] + 0.2 * rng.dirichlet(np.ones(3), SIZE),
        class_names=NAMES,
        images=rng.integers(0, 255, (SIZE, 8, 8, 3), dtype=np.uint8),
    )


def audited(samples, folder, known=None):
    audit = audit_labels(samples.probs, samples.given, known=known, candidates=saved.CANDIDATES)
    listed = verdicts.listed(samples, audit)
    earlier = feedback.before(folder)
    since = feedback.changes(earlier, samples, audit) if earlier else None
    outputs.write(folder, samples, audit, listed, since=since)
    return audit, listed, since


def test_decided_labels_are_counted_and_leave_the_list(samples, tmp_path):
    first, _, since = audited(samples, tmp_path)
    assert since is None and first.flagged.sum() == 24
    assert feedback.counted(samples, first)["all"] == (0, 0)
    assert math.isnan(feedback.counted(samples, first)["all"].precision)
    known = np.full(SIZE, -1)
    known[[0, 10, 20]] = np.arange(SIZE)[[0, 10, 20]] % 3  # wrong
    known[1] = samples.given[1]  # right
    second, listed, since = audited(samples, tmp_path, known)
    seen = feedback.counted(samples, second)
    assert seen["all"] == (4, 3) and seen["all"].precision == 0.75
    assert sum(seen[group].decided for group in second.groups) == 4
    assert since.new == () and since.cleared == () and "0 newly" in str(since)
    assert not {0, 1, 10, 20} & set(listed.rows.tolist())
    text = outputs.console(samples, second, listed, since)
    assert "decided   wrong" in text and "4  75.0" in text and "since the last list" in text
    about = outputs.summary(samples, second, listed, since)
    assert about["decided"]["all"] == {"decided": 4, "wrong": 3}
    assert about["since_the_last_list"] == {"new": [], "cleared": []}


def test_what_is_removed_leaves_the_list_and_is_not_counted(samples, tmp_path):
    first, _, _ = audited(samples, tmp_path)
    label = np.full(SIZE, decisions.OPEN, np.int32)
    label[[0, 1]] = decisions.REMOVED  # wrong, right
    asked = dataclasses.replace(samples, decided=decisions.Decided(label))
    second, listed, since = audited(asked, tmp_path, label)
    assert second.decided[[0, 1]].all() and not second.flagged[[0, 1]].any()
    assert not {0, 1} & set(listed.rows.tolist()) and second.suggested[1] == samples.given[1]
    assert feedback.counted(asked, second)["all"] == (0, 0)
    assert since.new == since.cleared == ()
    np.testing.assert_array_equal(second.wrong, first.wrong)  # nothing was said of labels


def test_what_changed_is_named(samples, tmp_path):
    audited(samples, tmp_path)
    other = dataclasses.replace(samples, given=samples.given.copy())
    other.given[0], other.given[3] = 0, 1  # mended; made wrong
    _, _, since = audited(other, tmp_path)
    assert since.new == ("id3",) and since.cleared == ("id0",)


def test_a_saved_audit_is_read_back(samples, tmp_path):
    audit, listed, _ = audited(samples, tmp_path)
    read = saved.read(tmp_path)
    np.testing.assert_array_equal(read.ids, samples.ids)
    np.testing.assert_array_equal(read.listed, listed.rows)
    np.testing.assert_array_equal(read.pictures, samples.images)
    assert read.class_names == NAMES and read.candidates.shape == (SIZE, 3)
    assert (read.candidates[:, 0] == samples.probs.argmax(1)).all()
    assert read.neighbours.shape == (SIZE, 0) and set(read.files) == {""}
    assert (read.twins == saved.ABSENT).all() and len(read.digest) == saved.DIGEST
    for k in range(3):
        rows = read.examples[k]
        assert (samples.given[rows] == k).all() and (audit.wrong[rows] < 0.1).all()
    for name, content in (("audit.npz", b"PK"), ("audit.json", b"{")):
        (tmp_path / name).write_bytes(content)
        assert feedback.before(tmp_path) is None
        with pytest.raises(saved.UserError, match="audit again"):
            saved.read(tmp_path)


def test_classes_with_few_labels_have_few_examples():
    rows = saved.examples(np.array([0, 0, 2]), np.array([0.2, 0.1, 0.5]), 3)
    assert rows[:, :2].tolist() == [[1, 0], [-1, -1], [2, -1]]


def test_the_command_takes_decisions(samples, tmp_path):
    np.save(tmp_path / "probs.npy", samples.probs)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label"])
        writer.writerows((key, NAMES[k]) for key, k in zip(samples.ids, samples.given, strict=True))
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    known = tmp_path / "out" / layout.DECISIONS
    flags = ["probs=probs.npy", "labels=labels.csv", "classes=classes.txt", "output=out"]

    def command(*more):
        words = (f"--{flag}" for flag in (*flags, *more))
        return commands.run("dull_jax.audit", *words, cwd=tmp_path)

    assert command().returncode == 0
    rows = [
        decisions.Decision("id0", "", "cat"),
        decisions.Decision("id3", "", decisions.NONE),
        decisions.Decision("gone", "", "cow"),
    ]
    decisions.append(known, rows)
    assert "decisions.csv is not used; add --decisions=" in command().stdout
    again = command("decisions=out/decisions.csv")
    assert again.returncode == 0, again.stderr
    assert "1 decision is of a sample that this audit does not have: gone" in again.stdout
    assert "        2 " in again.stdout and known.exists()
    with (tmp_path / "out" / layout.SUSPECTS).open(newline="") as file:
        assert not {"id0", "id3"} & {row["id"] for row in csv.DictReader(file)}
    decisions.append(known, [decisions.Decision("id6", "", "horse")])
    refused = command("decisions=out/decisions.csv")
    assert refused.returncode == 2 and "'horse'" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_the_page_counts_beside_the_estimates(samples):
    known = np.full(SIZE, -1)
    known[[0, 1]] = 0, samples.given[1]  # one was wrong
    pages = []
    for decided in (None, known):
        audit = audit_labels(samples.probs, samples.given, known=decided)
        listed = verdicts.listed(samples, audit)
        pages.append(page.page(samples, audit, listed))
    assert "decided" not in pages[0] and "all undecided labels" not in pages[0]
    assert "2 labels have been decided, 1 of them wrong" in pages[1]
    assert "all undecided labels" in pages[1] and "The last two columns are counted" in pages[1]
