"""What a field refuses, and how it says so."""

import numpy as np
import pytest

from dull_jax import fields
from dull_jax.errors import UserError
from dull_jax.fields import choice, number, several, switch


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (number(1, "", 0, 5), 6, r"x = 6: must lie in \[0, 5\]"),
        (number(1, "", 0, 5), -1, "must lie in"),
        (number(1, "", 0, 5), 1.5, "x = 1.5: must be a whole number"),
        (number(1, "", 0, 5), True, "must be a whole number"),
        (number(1.0, "", 0, 5), "1", "must be a number"),
        (number(1.0, "", 0, 5), float("nan"), "x = nan: must be a finite number"),
        (number(0.5, "", 0, 1, below=True), 1.0, r"must lie in \[0, 1\)"),
        (choice("a", "", ("adam", "sgd")), "adm", "did you mean 'adam'. one of adam, sgd"),
        (several((), "", lambda v: len(v) == 2, "two of them"), (1,), r"x = \(1,\): two of them"),
        (several((), "", lambda v: True, ""), (1.0, float("inf")), "must be a finite number"),
    ],
)
def test_refused(field, value, message):
    with pytest.raises(UserError, match=message):
        fields.check("x", field, value)


@pytest.mark.parametrize("value", [0, 5, np.int32(3), np.int64(0)])
def test_whole_numbers_of_numpy_are_numbers(value):
    fields.check("x", number(1, "", 0, 5), value)
    fields.check("x", number(1.0, "", 0, 5), np.float32(value))


def test_what_is_allowed_in_words():
    assert number(1, "", 0, 5).allowed == "[0, 5]"
    assert number(0.5, "", 0, 1, below=True).allowed == "[0, 1)"
    assert choice("a", "", ("a", "b")).allowed == "a, b"
    assert switch(True, "").allowed == "True, False"
    assert fields.text("", "").allowed == ""


def test_names_that_are_no_fields():
    with pytest.raises(UserError, match="noise t2h has no 'capp': did you mean 'cap'"):
        fields.check_all("noise t2h", {"cap": number(0.6, "", 0, 1)}, {"capp": 0.5})


def test_kinds_are_files_with_a_title():
    assert "tabasco" not in fields.kinds("dull_jax.data.noises")  # a helper of two
    assert {"tabasco_symmetric", "t2h"} <= fields.kinds("dull_jax.data.noises").keys()
    with pytest.raises(UserError, match="method 'dul': did you mean 'dull'"):
        fields.kind("dull_jax.methods", "dul", "method")
