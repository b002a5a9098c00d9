"""Messages of other libraries are put on one line."""

from dull_jax import errors


def test_an_exception_without_words_and_one_with_too_many():
    assert errors.reason(MemoryError()) == "MemoryError"
    assert len(errors.reason(ValueError("word " * 1000))) == 200
