"""A corrected table is written over its own former self, and over nothing that a person made."""

import pytest

from dull_jax.audit import corrected_table
from dull_jax.errors import UserError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit.json").write_text("{}")
    return tmp_path / "audit"


@pytest.fixture
def table(tmp_path, folder):
    """A corrected table as an audit left it."""
    path = tmp_path / "corrected.csv"
    corrected_table.check(path, folder, [], force=False)
    path.write_text("id,label\na,cat\n")
    corrected_table.remember(path, folder)
    return path


def test_a_table_as_it_was_written_is_replaced(folder, table):
    corrected_table.check(table, folder, [], force=False)


@pytest.mark.parametrize("edit", ["id,label\na,dog\n", "", "id,label\na,cat\n\n"])
def test_a_table_that_was_edited_is_kept(folder, table, edit):
    table.write_text(edit)
    with pytest.raises(UserError, match=r"was edited since.*--force"):
        corrected_table.check(table, folder, [], force=False)
    corrected_table.check(table, folder, [], force=True)
    corrected_table.remember(table, folder)
    corrected_table.check(table, folder, [], force=False)


def test_a_table_of_somebody_else_is_kept(tmp_path, folder, table):
    other = tmp_path / "mine.csv"
    other.write_text(table.read_text())
    with pytest.raises(UserError, match="none wrote it"):
        corrected_table.check(other, folder, [], force=False)
    (tmp_path / "link.csv").symlink_to(table)  # the same table by another name
    corrected_table.check(tmp_path / "link.csv", folder, [], force=False)


def test_a_table_is_no_input_and_no_result(folder, table):
    with pytest.raises(UserError, match="is the input"):
        corrected_table.check(table, folder, [table], force=True)
    with pytest.raises(UserError, match="by another flag too"):
        (folder / "audit.json").unlink()  # as before the first audit
        corrected_table.check(folder / "suspects.csv", folder, [], force=True)
    with pytest.raises(UserError, match=r"name a \.csv file"):
        corrected_table.check(table.with_suffix(".png"), folder, [], force=True)


def test_a_record_that_is_damaged(folder, table):
    (folder / "applied.json").write_text("[")
    with pytest.raises(UserError, match=r"applied\.json"):
        corrected_table.check(table, folder, [], force=False)


def test_a_large_file_of_somebody_else_is_not_read(tmp_path, folder):
    with open(tmp_path / "large.csv", "wb") as file:
        file.truncate(200 * 10**9)
    with pytest.raises(UserError, match="none wrote it"):
        corrected_table.check(tmp_path / "large.csv", folder, [], force=False)


def test_decisions_are_never_replaced(folder):
    for _ in range(2):
        with pytest.raises(UserError, match="where a review keeps decisions"):
            corrected_table.check(folder / "decisions.csv", folder, [], force=True)
        (folder / "decisions.csv").touch()
