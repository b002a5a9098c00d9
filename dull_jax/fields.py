"""What a field of a recipe is: its default, what it may be, and one line of help.

Whoever reads a field declares it, in its own file:

    TITLE = "ELR"
    FIELDS = {"beta": number(0.7, "averaging of the targets over epochs", 0, 1, below=True)}

A module of a folder of kinds (methods, noises, sources, backbones) that has a `TITLE` is one of
that kind, and its name is that of its file; a module without a title is a helper.
"""

import dataclasses
import difflib
import functools
import importlib
import json
import math
import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a recipe; made by `number`, `choice`, `switch`, `text`, `path`, `several`."""

    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    below: bool = False  # `high` itself is not allowed
    choices: Sequence[str] = ()
    follows: str = ""  # the field whose value it has unless it is set itself
    is_path: bool = False
    words: Sequence[str] = ()  # of a path: values that are words, not paths
    numbers: bool = True  # False: it changes where and how fast a run goes, not its numbers
    later: bool = False  # declared after runs were made without it, which had its default
    sound: Callable[[Any], bool] | None = None  # of `several`
    rule: str = ""  # what `sound` asks for, in words

    @property
    def allowed(self) -> str:
        """'[0, 1)', 'sgd, adamw', 'True, False', or '' where anything goes."""
        if self.choices:
            return ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "True, False"
        if self.low is not None and self.high is not None:
            low, high = _shown(self.low), _shown(self.high)
            return f"[{low}, {high}{')' if self.below else ']'}"
        return self.rule


def _shown(bound: float) -> str:
    """'1,000', '0.5', '1e-06'."""
    return f"{bound:,.0f}" if bound == int(bound) else f"{bound:g}"


def number(
    default: float, help: str, low: float, high: float, *, below: bool = False, **more: Any
) -> Field:
    """A number from `low` to `high`, whole where the default is; `below`: less than `high`."""
    return Field(default, help, low, high, below, **more)


def choice(default: str, help: str, choices: Sequence[str], **more: Any) -> Field:
    """One of a few names."""
    return Field(default, help, choices=tuple(choices), **more)


def switch(default: bool, help: str, **more: Any) -> Field:
    """On or off."""
    return Field(default, help, **more)


def text(default: str, help: str, **more: Any) -> Field:
    """Any text."""
    return Field(default, help, **more)


def path(help: str, **more: Any) -> Field:
    """A path; empty means none."""
    return Field("", help, is_path=True, **more)


def several(
    default: tuple[Any, ...], help: str, sound: Callable[[Any], bool], rule: str, **more: Any
) -> Field:
    """A tuple for which `sound` holds; `rule` says so in words."""
    return Field(default, help, sound=sound, rule=rule, **more)


def check(name: str, field: Field, value: Any) -> None:
    """Raises UserError, which names `name`, for a value that cannot be meant.

    >>> check("optim.momentum", number(0.9, "", 0, 1, below=True), 1.0)
    Traceback (most recent call last):
      ...
    dull_jax.errors.UserError: optim.momentum = 1.0: must lie in [0, 1)
    """
    for part in value if isinstance(value, tuple | list) else [value]:
        if isinstance(part, float) and not math.isfinite(part):
            raise UserError(f"{name} = {part}: must be a finite number")
    if field.choices and value not in field.choices:
        raise UserError(f"{name} = {value!r}: {suggestion(value, field.choices)}")
    if field.low is not None and field.high is not None:
        _check_number(name, field, value, field.low, field.high)
    if field.sound and not field.sound(value):
        raise UserError(f"{name} = {tuple(value)}: {field.rule}")


def _check_number(name: str, field: Field, value: Any, low: float, high: float) -> None:
    kinds: Any = int | np.integer
    if isinstance(field.default, float):
        kinds = kinds | float | np.floating
    if isinstance(value, bool) or not isinstance(value, kinds):
        kind = "number" if isinstance(field.default, float) else "whole number"
        raise UserError(f"{name} = {value!r}: must be a {kind}")
    if value < low or value > high or (field.below and value == high):
        raise UserError(f"{name} = {value}: must lie in {field.allowed}")


def check_all(section: str, fields: Mapping[str, Field], values: Mapping[str, Any]) -> None:
    """`check` of every field of `values`. Raises UserError, also for a name that is no field."""
    for name, value in values.items():
        if name not in fields:
            raise UserError(f"{section} has no {name!r}: {suggestion(name, tuple(fields))}")
        check(f"{section}.{name}", fields[name], value)


def suggestion(value: object, choices: Collection[str]) -> str:
    """'did you mean …?' where something is near, and always the whole list.

    >>> suggestion("symetric", ("none", "symmetric")), suggestion("x", ("none", "symmetric"))
    ("did you mean 'symmetric'? one of none, symmetric", 'one of none, symmetric')
    """
    near = difflib.get_close_matches(str(value), choices, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"one of {', '.join(choices)}"


@functools.cache
def kinds(package: str) -> dict[str, ModuleType]:
    """Name -> module, in order of the names, of every module of `package` that has a TITLE.

    >>> "elr" in kinds("dull_jax.methods"), "semisup" in kinds("dull_jax.methods")
    (True, False)
    """
    modules = {name: importlib.import_module(f"{package}.{name}") for name in _files(package)}
    return {name: module for name, module in modules.items() if hasattr(module, "TITLE")}


def kind(package: str, name: str, what: str) -> ModuleType:
    """The module of that name; no other is imported.

    Raises:
      UserError: there is none; with a suggestion.
    """
    if name in _files(package):
        module = importlib.import_module(f"{package}.{name}")
        if hasattr(module, "TITLE"):
            return module
    raise UserError(f"{what} {name!r}: {suggestion(name, tuple(kinds(package)))}")


def title(package: str, name: str) -> str:
    """The TITLE of that kind, as people call it; an unknown one, of another version, as it is."""
    known = kinds(package)
    return known[name].TITLE if name in known else name


@functools.cache
def _files(package: str) -> list[str]:
    folder = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(folder))


def gathered(*declared: Mapping[str, Field]) -> dict[str, Field]:
    """One section of several declarations. Raises ValueError for a name that is declared twice."""
    section: dict[str, Field] = {}
    for fields in declared:
        if twice := section.keys() & fields.keys():
            raise ValueError(f"declared twice: {', '.join(sorted(twice))}")
        section |= fields
    return section


def gathered_of(package: str) -> dict[str, Field]:
    """`gathered` of what the modules of a folder of kinds declare."""
    return gathered(*(getattr(module, "FIELDS", {}) for module in kinds(package).values()))


# A recipe as flat names and as text ---------------------------------------------------------------


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """{'optim.lr': 0.1, …}, references resolved, tuples as lists (as JSON keeps them).

    >>> flatten({"optim": {"lr": 0.1}, "seed": 0})
    {'optim.lr': 0.1, 'seed': 0}
    """
    nested = config if isinstance(config, dict) else json.loads(to_json(config))
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        inner = flatten(value) if isinstance(value, dict) else None
        flat |= {key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()}
    return flat


def to_json(config: ConfigDict) -> str:
    """The whole recipe as JSON text, keys sorted."""
    return json.dumps(config.to_dict(), indent=1, sort_keys=True)
