"""The file of decisions, as people and other programs leave it."""

import numpy as np
import pytest

from dull_jax.audit import decisions
from dull_jax.audit.decisions import NONE, SKIP, UNDO, Decision
from dull_jax.errors import UserError


def test_a_file_to_which_nothing_was_added(tmp_path):
    path = tmp_path / "decisions.csv"
    path.touch()
    assert decisions.read(path) == []
    decisions.append(path, [Decision("a", "cat", "dog")])
    assert [row.decision for row in decisions.read(path)] == ["dog"]


def test_a_blank_decision_is_none_yet(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("id,decision\na,dog\na, \nb,\n")
    found = decisions.of_samples("x", decisions.read(path), ["a", "b"], ["cat", "dog"])
    assert found.label.tolist() == [1, decisions.OPEN] and not found.notes


def test_what_excel_makes_of_it(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_bytes("\ufeffid;given;decision\r\na;cat;[NONE of the classes]\r\n".encode())
    decisions.append(path, [Decision("b", "cat", "dog; or cat")])
    assert [row.decision for row in decisions.read(path)] == [NONE, "dog; or cat"]


@pytest.mark.parametrize("name", [NONE, SKIP, UNDO, "[Skip]", " [undo]"])
def test_a_class_with_the_name_of_a_decision(name):
    with pytest.raises(UserError, match="which is a decision; call it otherwise"):
        decisions.check_names(["cat", name])


def test_samples_that_had_other_labels_are_named():
    rows = [Decision("0", "cat", "cat"), Decision("1", "cat", "dog"), Decision("2", "", "cat")]
    given = np.array([1, 1, 1])  # 1 was corrected as decided; of 2 nobody knows

    def notes(given):
        return decisions.of_samples("x", rows, ["0", "1", "2"], ["cat", "dog"], given).notes

    assert "1 samples had other labels when they were decided about: 0;" in notes(given)[0]
    assert not notes(np.array([0, 0, 0])) and not notes(None)
