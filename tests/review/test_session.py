"""Decisions are on disk before anybody hears of them; nothing is lost, nothing is there twice."""

import errno
import threading

import numpy as np
import pytest

from dull_jax.audit import decisions, saved
from dull_jax.audit.decisions import NO_CLASS, OPEN, Decision
from dull_jax.errors import UserError
from dull_jax.review.session import SKIPPED, Session, Stale
from review_client import Client, serving


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.csv"


@pytest.fixture(scope="module")
def audit(audit_folder):
    return saved.read(audit_folder)


@pytest.fixture
def session(audit, path):
    return Session(audit, path)


def said(path):
    """(id, decision) of each row."""
    return [(row.id, row.decision) for row in decisions.read(path)]


def test_what_a_row_says(session, audit, path):
    session.decide(4, 2)
    assert path.read_text().startswith("id,given,decision,when,audit\nid004,sun,sky,20")
    assert path.read_text().endswith(f"Z,{audit.digest}\n")


def test_no_file_before_the_first_decision(session, path):
    assert session.undo() is None and not path.exists()


def test_the_same_again_writes_nothing(session, path):
    for label in (2, 2, 3, 3, NO_CLASS, NO_CLASS, SKIPPED, SKIPPED):
        session.decide(4, label)
    undo = decisions.UNDO
    assert [decision for _, decision in said(path)] == [
        *("sky", undo, "rose", undo, decisions.NONE, undo, decisions.SKIP)
    ]
    assert session.state().notes == () and len(session.state().history) == 1


def test_undo_across_starts(audit, path):
    for row in (4, 9, 17):
        Session(audit, path).decide(row, row % 7)
    assert Session(audit, path).undo() == 17
    Session(audit, path).decide(30, 1)
    assert [Session(audit, path).undo() for _ in range(4)] == [30, 9, 4, None]
    assert (Session(audit, path).state().labels == OPEN).all()
    assert decisions.current(decisions.read(path)) == {}


def test_undo_of_what_was_undone_elsewhere(audit, path, session):
    other = Session(audit, path)
    session.decide(4, 1)
    session.decide(5, 1)
    assert other.undo(2) == 5
    with pytest.raises(Stale):
        session.undo(2)
    assert session.undo(1) == 4


def test_two_at_once_write_one_row(audit, path):
    sessions = [Session(audit, path) for _ in range(4)]
    ready = threading.Barrier(len(sessions))

    def decide(session):
        ready.wait()
        for row in range(20):
            session.decide(row, 1)

    threads = [threading.Thread(target=decide, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said(path)) == [(f"id{row:03d}", "<b>leaf</b> & co") for row in range(20)]
    for session in sessions:
        assert (session.state().labels[:20] == 1).all()


def test_a_full_disk_changes_nothing(session, path, monkeypatch):
    session.decide(4, 1)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(decisions.os, "fsync", full)
        for change in (lambda: session.decide(5, 1), lambda: session.decide(4, 2), session.undo):
            with pytest.raises(OSError):
                change()
    assert path.read_bytes() == before
    assert np.flatnonzero(session.state().labels != OPEN).tolist() == [4]
    session.decide(5, 1)
    assert said(path) == [("id004", "<b>leaf</b> & co"), ("id005", "<b>leaf</b> & co")]


def test_a_real_full_disk(audit, disk):
    path = disk("size=8k") / "decisions.csv"
    session, count = Session(audit, path), 0
    with pytest.raises(OSError, match="No space left"):
        for row in range(len(audit.given)):
            session.decide(row, 1)
            count += 1
    assert count > 50 and len(said(path)) == count == (session.state().labels == 1).sum()


def test_page_hears_of_a_full_disk(own_audit, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(own_audit) as page:
        client = Client(page.address)
        client.decide(4, 1)
        monkeypatch.setattr(decisions, "add", full)
        reply = client.decide(5, 1)
        assert reply.status == 507
        assert reply.json == {"error": "nothing was written: No space left on device"}
        assert client.post("api/undo", {}).status == 507
        assert client.get("api/item?row=5").json["item"]["decision"] is None
        assert client.get("api/overview").json["undo"] == 1


def test_edited_by_hand_in_between(session, path):
    session.decide(4, 1)
    text = path.read_text().replace("id004", "id007")
    path.with_suffix(".new").write_text(
        text + "id008,,[none of the classes]\n".replace("\n", ",,\n")
    )
    path.with_suffix(".new").replace(path)  # as editors save
    labels = session.state().labels
    assert (labels[4], labels[7], labels[8]) == (OPEN, 1, NO_CLASS)
    session.decide(9, 0)
    assert [key for key, _ in said(path)] == ["id007", "id008", "id009"]


def test_a_file_of_a_spreadsheet(session, path):
    path.write_bytes(b'\xef\xbb\xbfnote;decision;id\r\n"a;b";sky;id003\r\nc;[skip];id004')
    assert session.state().labels[3:5].tolist() == [2, SKIPPED]
    session.decide(5, 0)
    session.undo()
    assert (
        path.read_bytes().decode("utf-8-sig").endswith("id004\r\n;apple;id005\r\n;[undo];id005\r\n")
    )
    assert len(said(path)) == 4


def test_a_file_that_became_wrong(session, path):
    session.decide(4, 1)
    good = path.read_text()
    path.write_text(good + "id005,apple,banana,,\n")
    with pytest.raises(UserError, match="'banana' for 'id005' is no class"):
        session.decide(6, 1)
    path.write_text(good + "id005,apple\n")
    with pytest.raises(UserError, match="row 3: 2 fields instead of 5"):
        session.undo()
    path.write_text(good)
    assert session.undo() == 4


def test_page_hears_of_a_wrong_file(own_audit):
    with serving(own_audit) as page:
        client = Client(page.address)
        (own_audit / "decisions.csv").write_text("id,decision\nid004,banana\n")
        for reply in (client.get("api/item"), client.decide(1, 1), client.post("api/undo", {})):
            assert reply.status == 409 and "banana" in reply.json["error"]
        (own_audit / "decisions.csv").unlink()
        assert client.decide(1, 1).status == 200


def test_conflicts_and_strangers_are_named(audit, path):
    decisions.append(path, [Decision("id004", "", name) for name in ("sky", "sun")])
    decisions.append(path, [Decision("other", "", "sky")])
    session = Session(audit, path)
    conflict, strangers = session.state().notes
    assert "id004 (sky, sun)" in conflict and "other" in strangers
    assert session.undo() == 4 and session.state().labels[4] == 2
    assert session.undo() == 4 and session.undo() is None  # the stranger's is not ours to undo
