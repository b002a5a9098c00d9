"""Rows without a label in tables of ours."""

import pytest

from dull_jax.data.tables import csv_io, left_out
from dull_jax.errors import UserError

TEXT = (
    "label,status\ncat,kept\n,none of the classes\ndog,left out\n,left out\ncow,decided\n,removed\n"
)


def test_they_are_known_by_status_and_an_empty_label():
    table = csv_io.table("t", TEXT, ("label",), ("status",))
    assert left_out.statuses(table) == ["", "none of the classes", "", "left out", "", "removed"]
    assert left_out.labels("t", table) == ["cat", "", "dog", "", "cow", ""]
    assert [part.lines for part in left_out.divided(table)] == [[3, 5, 7], [2, 4, 6]]
    other = csv_io.table("t", TEXT.replace("status", "note"), ("label",), ("status",))
    with pytest.raises(UserError, match="row 3: the label is empty"):
        left_out.labels("t", other)
