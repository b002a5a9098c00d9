"""Messages of other libraries are put on one line."""

import doctest

from dull_jax import errors


def test_examples_in_the_docstrings():
    assert doctest.testmod(errors).failed == 0


def test_an_exception_without_words_and_one_with_too_many():
    assert errors.reason(MemoryError()) == "MemoryError"
    assert len(errors.reason(ValueError("word " * 1000))) == 200
