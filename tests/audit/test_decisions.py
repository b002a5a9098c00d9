"""decisions.csv: rows that are added and folded, whoever wrote the file, whatever a crash left."""

import csv
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dull_jax.audit import decisions
from dull_jax.audit.decisions import (
    NO_CLASS,
    NONE,
    OPEN,
    REMOVE,
    REMOVED,
    SKIP,
    UNDO,
    Decision,
)
from dull_jax.errors import UserError
from dull_jax.review.history import History

NAMES = ("cat", "ü,;\"'", "=1", "[x]", "nan", "2.5")
IDS = ("a", "b c", "é", "'=d")
LABELS = dict(zip(NAMES, range(len(NAMES)), strict=True)) | {
    NONE: NO_CLASS,
    REMOVE: REMOVED,
    SKIP: OPEN,
}
FEW = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
rows_said = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from((*LABELS, UNDO))), max_size=12)
headers = st.permutations((*decisions.COLUMNS, "note"))
forms = st.tuples(st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]), st.booleans())


def spelt(said):
    """As the page has them: class names with the sign for text where they need it."""
    cells = dict(zip(NAMES, decisions.class_labels.cells(NAMES), strict=True))
    return [
        Decision(key, "cat", cells.get(word, word), "2026-01-01T00:00:00Z") for key, word in said
    ]


def model(said):
    """id -> what stands, by looking at each id alone, from the last row backwards."""
    found = {}
    for key in IDS:
        taken, stands = 0, None
        for word in [word for k, word in said if k == key][::-1]:
            if word == UNDO:
                taken += 1
            elif taken:
                taken -= 1
            elif stands is None:
                stands = word
        found[key] = stands
    return found


def empty(path, header, form):
    mark, end, bom = form
    path.write_bytes(b"\xef\xbb\xbf" * bom + (mark.join(header) + end).encode())


def known(path, ids=IDS, names=NAMES):
    return decisions.opened(path).of_samples(ids, names)


@FEW
@given(rows_said, headers, forms, st.integers(1, 4))
def test_any_sequence_is_folded_as_an_independent_model_does(tmp_path, said, header, form, step):
    path = tmp_path / "decisions.csv"
    empty(path, header, form)
    for n in range(0, len(said), step):
        decisions.append(path, spelt(said[n : n + step]))
    stands = model(_without_idle_undos(said))
    expected = [OPEN if stands[key] is None else LABELS[stands[key]] for key in IDS]
    assert known(path).label.tolist() == expected
    rows = decisions.read(path)
    assert [(row.id, row.decision) for row in rows] == list(said)
    history = History(rows)
    assert [history.of(key) or None for key in IDS] == list(stands.values())
    assert len(history) == sum(map(len, decisions.current(rows).values()))


def _without_idle_undos(said):
    """An [undo] of nothing takes nothing back, later decisions neither."""
    open_, kept = dict.fromkeys(IDS, 0), []
    for key, word in said:
        if word == UNDO and not open_[key]:
            continue
        open_[key] += -1 if word == UNDO else 1
        kept.append((key, word))
    return kept


@FEW
@given(rows_said, st.data())
def test_a_file_cut_anywhere_is_read_and_goes_on(tmp_path, said, data):
    path = tmp_path / "decisions.csv"
    path.unlink(missing_ok=True)
    decisions.append(path, spelt(said))
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut] + b"\0" * data.draw(st.sampled_from([0, 0, 7])))
    before = [(row.id, row.decision) for row in decisions.read(path)]
    assert before == said[: len(before)]
    ended = max(whole[:cut].count(b"\n") - 1, 0)
    assert ended <= len(before) <= ended + 1  # the digest of the audit, the last cell, may be cut
    decisions.append(path, spelt([("a", "cat")]))
    after = decisions.opened(path)
    assert [(row.id, row.decision) for row in after.rows] == [*before, ("a", "cat")]
    assert not after.notes


@FEW
@given(headers, forms, st.data())
def test_no_spreadsheet_s_file_is_made_worse(tmp_path, header, form, data):
    """Cut at the end of a row, or not ended at all."""
    path = tmp_path / "decisions.csv"
    text = io.StringIO(newline="")
    mark, end, bom = form
    writer = csv.DictWriter(text, header, delimiter=mark, lineterminator=end)
    writer.writeheader()
    said = data.draw(st.lists(st.sampled_from([("a", "cat"), ("é", "[x]")]), min_size=1))
    for key, word in said:
        writer.writerow({"id": unicodedata.normalize("NFD", key), "decision": word, "note": "n"})
    body = text.getvalue().removesuffix(end if data.draw(st.booleans()) else "")
    path.write_bytes(b"\xef\xbb\xbf" * bom + body.encode())
    decisions.append(path, spelt([("a", NONE)]))
    rows = decisions.read(path)
    assert [(row.id, row.decision) for row in rows] == [*said, ("a", NONE)]
    written = path.read_bytes().decode("utf-8-sig")
    assert (
        written.startswith(body) and written.endswith(end) and written.count("\n") == len(said) + 2
    )


def test_a_row_that_was_cut_off_is_left_out_and_named(tmp_path):
    path = tmp_path / "decisions.csv"
    whole = "id,given,decision,when,audit\na,cat,[x],,\nb c,cat,=1,,\n"
    for tail in ("b c,cat,ca", 'b c,"ca', "b c,cat,\0\0\0", "b c,cat,ü".encode()[:-1]):
        tail = tail if isinstance(tail, bytes) else tail.encode()
        path.write_bytes(whole.encode() + tail)
        found = known(path)
        assert found.label.tolist() == [3, 2, OPEN, OPEN]
        assert "row 4: was cut off, and is left out: 'b c" in found.notes[0]
        assert path.read_bytes().endswith(tail)  # a reader changes nothing
    decisions.append(path, [Decision("é", "", SKIP)])
    assert path.read_text() == whole + "é,,[skip],,\n"


def test_a_line_break_inside_of_quotes_ends_no_row(tmp_path):
    path = tmp_path / "decisions.csv"
    text = 'id,decision,note\na,cat,"x\ny"'
    path.write_text(text)
    assert known(path).label[0] == 0 and not known(path).notes
    decisions.append(path, [Decision("b c", "", SKIP)])
    assert path.read_text() == text + "\nb c,[skip],\n"
    stray = 'id,decision,note\na,cat,"x\nb c,cat,\né'  # the quote is a slip: nothing is cut off
    path.write_text(stray)
    with pytest.raises(UserError, match="not valid CSV"):
        decisions.read(path)
    decisions.append(path, [Decision("a", "", SKIP)])
    assert path.read_text().startswith(stray)


def test_a_short_row_that_is_ended_was_typed(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("id,given,decision,when,audit\na,cat\n")
    with pytest.raises(UserError, match="row 2: 2 fields instead of 5"):
        decisions.read(path)


@pytest.mark.parametrize(
    "left",
    [b"", b"id,giv", b"\0" * 40, b"id,given,dec\0\0", b"id,given,decision,when,audit\0", b"\n"],
)
def test_a_file_before_its_first_row(tmp_path, left):
    path = tmp_path / "decisions.csv"
    path.write_bytes(left)
    assert decisions.read(path) == []
    decisions.append(path, [Decision("a", "", "cat")])
    assert path.read_bytes() == b"id,given,decision,when,audit\na,,cat,,\n"


@pytest.mark.parametrize("content", [
    "decision,id\ncat,a\n[NONE of the Classes],b c\n[Skip],é\n",
    "﻿ID;Note;Decision\r\na;x;cat\r\n\r\nb c;y;[None of the classes]\r\né;;[SKIP]\r\n;;\r\n",
    "sep=;\r\nid;decision\r\na;cat\r\nb c;[none of the classes]",
    'id\tdecision\r\n"a"\t"cat"\r\nb c\t[none of the classes]\r\n',
    "id,decision,,\na,cat,,\nb c,[none of the classes],,\n",
    "id,given,decision\na,[x],dog\na,[x],[UNDO]\na,[x],cat\nb c,,[none of the classes]\né,,\n'=d,,",
])  # fmt: skip
def test_files_that_people_edit(tmp_path, content):
    path = tmp_path / "decisions.csv"
    path.write_bytes(content.encode())
    found = known(path)
    assert found.label.tolist() == [0, NO_CLASS, OPEN, OPEN] and not found.notes


@pytest.mark.parametrize("names, cells, labels", [
    (("1", "3", "10"), ("3.0", "10.00", "1.", "nan"), [1, 2, 0, OPEN]),  # as pandas has them
    (("001", "003", "010"), ("3", "10", "001", "<NA>"), [1, 2, 0, OPEN]),  # zeros lost
    (("3", "3.0", "x"), ("3.0", "3", "x", ""), [1, 0, 2, OPEN]),
    (("03", "3", "x"), ("03", "3", "x", ""), [0, 1, 2, OPEN]),
])  # fmt: skip
def test_classes_that_are_numbers(tmp_path, names, cells, labels):
    path = tmp_path / "decisions.csv"
    lines = [f"{key},{cell}" for key, cell in zip("abcd", cells, strict=True)]
    path.write_text("\n".join(["id,decision", *lines, ""]))
    assert known(path, "abcd", names).label.tolist() == labels


def test_ids_that_look_like_something_else(tmp_path):
    ids = ["nan", "NaN", "<NA>", "[Skip]", "null", "caf\u00e9"]
    path = tmp_path / "decisions.csv"
    decisions.append(path, [Decision(key, "nan", "dog") for key in ids])
    found = known(path, ids, ("cat", "dog"))
    assert found.label.tolist() == [1] * len(ids) and not found.notes
    assert {row.given for row in decisions.read(path)} == {""}
    path.write_text(f"id,decision\n nan ,cat\n{unicodedata.normalize('NFD', ids[-1])},cat\n")
    assert known(path, ids, ("cat", "dog")).label.tolist() == [0, *[OPEN] * 4, 0]


@pytest.mark.parametrize("names", [("cat", "dog", "cat "), ("caf\u00e9", " cafe\u0301", "dog")])
def test_classes_that_no_decision_tells_apart(names):
    with pytest.raises(UserError, match=r"cannot tell the classes '.*' and '.*' apart; rename one"):
        decisions.of_samples("x", [Decision("a", "", "dog")], ["a"], names)


def test_numbers_that_name_two_classes_or_none(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("id,decision\na,3.0\n")
    for names in (("03", "3"), ("1", "2"), ("cat", "dog")):
        with pytest.raises(UserError, match=r"row 2: the decision '3\.0' for 'a' is no class"):
            known(path, ["a"], names)


def test_conflicts_are_named_with_their_rows(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("id,decision\na,cat\nb,3\nb,3.0\na,[skip]\n\na,3\nc,cat\nz,cat\n")
    found = known(path, "abc", ("cat", "3"))
    assert found.label.tolist() == [1, 1, 0]
    conflict, strangers = found.notes
    assert "1 sample is decided in two ways" in conflict
    assert "a (cat, [skip], 3) in rows 2, 5, 7" in conflict
    assert "1 decision is of a sample that this audit does not have: z" in strangers


@pytest.mark.parametrize("names", [["[Skip]", "x"], [" [undo]", "x"]])
def test_a_class_with_the_name_of_a_decision(names):
    with pytest.raises(UserError, match="which is a decision; call it otherwise"):
        decisions.of_samples("x", [], ["a"], names)


@pytest.mark.parametrize("content, words", [
    (b"PK\x03\x04rest\nmore", "a workbook"),
    (b"id,decision\n\xff,cat\nb,cat\n", "row 2: not UTF-8"),
    ("id,decision\nü,cat\n".encode("utf-16"), "not UTF-8"),
    (b"id,label\na,cat\n", "needs the columns id and decision"),
    (b'id,decision\na,"cat\nb,dog\n', "row 3: not valid CSV"),
    (b"id,id,decision\na,b,cat\n", "'id' twice"),
    (b"id,decision\n" + b"a" * 200_000 + b",cat\n", "not valid CSV .field larger"),
])  # fmt: skip
def test_what_is_no_table(tmp_path, content, words):
    path = tmp_path / "decisions.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        decisions.read(path)
    assert path.read_bytes() == content


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "decisions.csv"
    with path.open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(UserError, match="at most"):
        decisions.read(path)
    with pytest.raises(UserError, match="cannot be read"):
        decisions.read(tmp_path / "gone.csv")


def test_rows_are_not_added_to_another_table(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("id,label\na,cat\n")
    with pytest.raises(UserError, match="needs the columns id and decision"):
        decisions.append(path, [Decision("a", "", "cat")])
    assert path.read_text() == "id,label\na,cat\n"


def test_samples_that_had_other_labels_are_named():
    rows = [Decision("0", "cat", "cat"), Decision("1", "cat", "dog"), Decision("2", "", "cat")]
    given = np.array([1, 1, 1])  # 1 was corrected as decided; of 2 nobody knows

    def notes(given):
        return decisions.of_samples("x", rows, ["0", "1", "2"], ["cat", "dog"], given).notes

    assert "1 samples had other labels when they were decided about: 0;" in notes(given)[0]
    assert not notes(np.array([0, 0, 0])) and not notes(None)
