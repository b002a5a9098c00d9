"""Numbers as people read them."""

import pytest

from dull_jax.report.numbers import finite, number, percent


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), [1], {}])
def test_what_is_not_a_number_is_not_available(value):
    assert finite(value) is None and number(value) == percent(value) == "n/a"


def test_numbers_as_people_write_them():
    assert number(1234.56) == "1,234.6" and percent(0.0512) == "5.1\u00a0%"
