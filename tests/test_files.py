"""Paths that users name, and files that are whole."""

import os
import threading
import unicodedata

import pytest

from dull_jax import files
from dull_jax.errors import UserError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_path_with_a_tilde_is_below_home(home):
    assert files.path_of("~/runs/x", "--workdir") == home / "runs" / "x"
    assert files.path_of("a/~b") == files.parsed("a/~b")


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_an_empty_path_is_no_path(text):
    with pytest.raises(UserError, match="--workdir is empty; is a variable"):
        files.path_of(text, "--workdir")


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for an unknown uid
    assert files.cache_folder() is None
    with pytest.raises(UserError, match="no home folder is known"):
        files.path_of("~/x")


def test_a_path_is_found_in_either_unicode_form(tmp_path):
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        folder = tmp_path / form / unicodedata.normalize(form, "café")
        folder.mkdir(parents=True)
        (folder / unicodedata.normalize(form, "é.png")).touch()
        wanted = str(tmp_path / form / unicodedata.normalize(other, "café/é.png"))
        assert os.path.exists(files.on_disk(wanted))
    assert files.on_disk(str(tmp_path / "nowhere é")) == str(tmp_path / "nowhere é")


# Reading -----------------------------------------------------------------------------------------


def test_what_could_be_read_for_ever_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(300 * 10**9)
    with pytest.raises(UserError, match="pipe or device"):
        files.read(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"300,000,000,000 bytes; at most"):
        files.read(tmp_path / "sparse")
    with pytest.raises(UserError, match="pipe or device"):
        files.read("/dev/zero")
    with pytest.raises(OSError):
        files.read(tmp_path)
    (tmp_path / "small").write_bytes(b"ab")
    assert files.read(tmp_path / "small") == b"ab"
    with pytest.raises(UserError, match="2 bytes; at most 1 "):
        files.read(tmp_path / "small", most=1)


# Writing -----------------------------------------------------------------------------------------


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    for there in (True, False):  # also one that leads nowhere yet
        target, link = tmp_path / "real" / f"x{there}", tmp_path / f"link{there}"
        if there:
            target.write_text("old")
        link.symlink_to(target)
        files.write_text(link, "new")
        assert link.is_symlink() and target.read_text() == "new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    files.write_text(pipe, "text")
    reader.join()
    assert heard == ["text"] and pipe.is_fifo()


def test_drafts_have_names_of_their_own(tmp_path):
    path = tmp_path / ("x" * 250)  # no room for a suffix
    (tmp_path / "mine.part").write_text("mine")
    with files.whole(path) as one, files.whole(path) as two:
        one.write(b"1")
        two.write(b"2")
        assert len(list(tmp_path.glob(".dull_jax-*.part"))) == 2
    assert path.read_text() == "1"  # the last to be complete
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.part", path.name]


def test_a_draft_that_is_given_up_goes(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.whole(tmp_path / "x"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_drafts_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".dull_jax-0123456789ab.part").touch()
    (tmp_path / "mine.part").touch()
    files.remove_drafts(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.part"]


# Outputs -----------------------------------------------------------------------------------------
