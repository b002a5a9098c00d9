"""The methods, one a file: a TITLE, its FIELDS, its COST, and a class `Method`.

`config.method = "dasc"` is the file dasc.py. A file without a TITLE is a helper.
"""

from types import ModuleType

from dull_jax import fields


def names() -> tuple[str, ...]:
    """Of all methods, in order."""
    return tuple(fields.kinds(__name__))


def module(name: str) -> ModuleType:
    """The file of a method. Raises UserError, with a suggestion, where there is none."""
    return fields.kind(__name__, name, "method")


def title(name: str) -> str:
    """The method as people call it; an unknown one, of another version, as it is."""
    return fields.title(__name__, name)
