"""Where an audit writes: over its own results, and over nothing that a person made."""

import os

import pytest

from dull_jax.errors import UserError
from dull_jax.report import audit_output


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit.json").write_text("{}")
    return tmp_path / "audit"


@pytest.fixture
def table(tmp_path, folder):
    """A corrected table as an audit left it."""
    path = tmp_path / "corrected.csv"
    audit_output.check_table(path, folder, [], force=False)
    path.write_text("id,label\na,cat\n")
    audit_output.remember_table(path, folder)
    return path


def test_a_table_as_it_was_written_is_replaced(folder, table):
    audit_output.check_table(table, folder, [], force=False)


@pytest.mark.parametrize("edit", ["id,label\na,dog\n", "", "id,label\na,cat\n\n"])
def test_a_table_that_was_edited_is_kept(folder, table, edit):
    table.write_text(edit)
    with pytest.raises(UserError, match=r"was edited since.*--force"):
        audit_output.check_table(table, folder, [], force=False)
    audit_output.check_table(table, folder, [], force=True)
    audit_output.remember_table(table, folder)
    audit_output.check_table(table, folder, [], force=False)


def test_a_table_of_somebody_else_is_kept(tmp_path, folder, table):
    other = tmp_path / "mine.csv"
    other.write_text(table.read_text())
    with pytest.raises(UserError, match="none wrote it"):
        audit_output.check_table(other, folder, [], force=False)
    (tmp_path / "link.csv").symlink_to(table)  # the same table by another name
    audit_output.check_table(tmp_path / "link.csv", folder, [], force=False)


def test_a_table_is_no_input_and_no_result(folder, table):
    with pytest.raises(UserError, match="is the input"):
        audit_output.check_table(table, folder, [table], force=True)
    with pytest.raises(UserError, match="by another flag too"):
        (folder / "audit.json").unlink()  # as before the first audit
        audit_output.check_table(folder / "suspects.csv", folder, [], force=True)
    with pytest.raises(UserError, match=r"name a \.csv file"):
        audit_output.check_table(table.with_suffix(".png"), folder, [], force=True)


def test_a_record_that_is_damaged(folder, table):
    (folder / "applied.json").write_text("[")
    with pytest.raises(UserError, match=r"applied\.json"):
        audit_output.check_table(table, folder, [], force=False)


def test_the_folder_of_results(tmp_path, folder):
    audit_output.check_folder(folder, [])
    audit_output.check_folder(tmp_path / "new", [])
    run = tmp_path / "run"
    (run / "report").mkdir(parents=True)
    for name in ("config.json", "labels.npz"):
        (run / name).touch()
    audit_output.check_folder(run / "audit", [])
    with pytest.raises(UserError, match="belongs to the run"):
        audit_output.check_folder(run / "report", [])
    with pytest.raises(UserError, match="belongs to the run"):
        audit_output.check_folder(run / "checkpoints" / "x", [])
    with pytest.raises(UserError, match="belongs to the run"):
        audit_output.check_folder(tmp_path / "x" / ".." / "run" / "report", [])
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(UserError, match="no folder"):
            audit_output.check_folder(tmp_path / name, [])


def test_results_replace_no_file_of_a_person(tmp_path, folder):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "audit.html").touch()
    with pytest.raises(UserError, match=r"holds audit\.html, which no audit wrote"):
        audit_output.check_folder(mine, [])
    with pytest.raises(UserError, match=r"suspects\.csv in it is an input"):
        audit_output.check_folder(folder, [folder / "suspects.csv"])
    (mine / "audit.html").unlink()
    (mine / "suspects.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"suspects\.csv"):
        audit_output.check_folder(mine, [])


def test_results_go_into_regular_files(folder):
    os.mkfifo(folder / "suspects.csv")
    with pytest.raises(UserError, match=r"suspects\.csv in it is no regular file"):
        audit_output.check_folder(folder, [])


def test_a_large_file_of_somebody_else_is_not_read(tmp_path, folder):
    with open(tmp_path / "large.csv", "wb") as file:
        file.truncate(200 * 10**9)
    with pytest.raises(UserError, match="none wrote it"):
        audit_output.check_table(tmp_path / "large.csv", folder, [], force=False)
