"""Recipes by name: `--config=folder` is found wherever a command starts.

The recipes of dull_jax are the folder configs/ of a checkout. An installed package has a copy of
it, recipes/configs/. They import each other as `configs`, which no installed package is called:
for the time in which a recipe is read, that name is made to lead to them.
"""

import importlib.util
import os
import pathlib
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import shown

_PACKAGE = "configs"
_READING = threading.RLock()  # one at a time binds the name


def folder() -> pathlib.Path:
    """Where the recipes of dull_jax are."""
    package = pathlib.Path(__file__).parent
    installed = package / "recipes" / _PACKAGE
    return installed if installed.is_dir() else package.parent / _PACKAGE


def names() -> list[str]:
    """All recipes of dull_jax: 'folder', 'mini/cifar10', …; helpers of theirs are none.

    >>> {"folder", "mini/cifar10"} <= set(names()), "cifar" in names()
    (True, False)
    """
    root = folder()
    found = {path.relative_to(root).with_suffix(""): path for path in root.rglob("*.py")}
    return sorted(name.as_posix() for name, path in found.items() if _is_recipe(path))


def _is_recipe(path: pathlib.Path) -> bool:
    return "\ndef get_config(" in path.read_text(encoding="utf-8")


def located(value: str) -> str:
    """The value of `--config` with the path of the file in place of a recipe's name.

    A path is taken as it is: a Python file that is there wins over a recipe of that name.

    Args:
      value: a path or a name, with ':key=val,…' behind it or without.

    Raises:
      UserError: there is neither a file nor a recipe of that name.
    """
    named, colon, arguments = value.partition(":")
    named = os.fspath(files.expanded(named, "--config"))
    there = os.path.isfile(named) and (_is_path(named) or named not in names())
    if there or (_is_path(named) and not _means_ours(named)):
        return named + colon + arguments  # one that is not there is reported where it is read
    if named in names():
        return os.fspath(folder() / f"{named}.py") + colon + arguments
    raise UserError(_unknown(named))


def _is_path(named: str) -> bool:
    return named.endswith(".py") or os.path.isabs(named)


def _means_ours(named: str) -> bool:
    """Whether a recipe is meant by the path that it has in a checkout."""
    parts = pathlib.PurePath(named).with_suffix("").parts
    return parts[:1] == (_PACKAGE,) and "/".join(parts[1:]) in names()


def _unknown(named: str) -> str:
    if _means_ours(named):
        name = "/".join(pathlib.PurePath(named).with_suffix("").parts[1:])
        return f"--config={shown(named)}: no such file here; the recipe itself is --config={name}"
    return f"--config={shown(named)}: neither a file nor a recipe; recipes are {', '.join(names())}"


@contextmanager
def importable(value: str) -> Iterator[None]:
    """Within it a recipe may say `from configs import base`, wherever the command was started.

    Args:
      value: of `--config`, as `located` gives it. A recipe of dull_jax gets its own neighbours. Any
        other gets what Python finds, and what it does not find there from dull_jax.
    """
    ours = folder()
    is_ours = ours in pathlib.Path(value.partition(":")[0]).parents
    with _READING:
        before = _loaded()
        if is_ours:
            _bind([str(ours)])
        elif _PACKAGE not in before:
            _bind([*_found(), str(ours)])
        try:
            yield
        finally:
            if is_ours or _PACKAGE not in before:
                for name in _loaded():
                    del sys.modules[name]
                sys.modules.update(before)


def _loaded() -> dict[str, types.ModuleType]:
    prefix = f"{_PACKAGE}."
    return {
        name: module
        for name, module in sys.modules.items()
        if name == _PACKAGE or name.startswith(prefix)
    }


def _found() -> list[str]:
    """The folders in which Python looks for `configs.…` without us."""
    spec = importlib.util.find_spec(_PACKAGE)
    return list(spec.submodule_search_locations or ()) if spec else []


def _bind(folders: list[str]) -> None:
    for name in _loaded():
        del sys.modules[name]
    package = types.ModuleType(_PACKAGE)
    package.__path__ = folders
    sys.modules[_PACKAGE] = package


def load(named: str | os.PathLike) -> ConfigDict:
    """The recipe of that name or path, with arguments behind a colon: 'cifar100_t2h:method=la'.

    Raises:
      UserError: there is none, or its arguments are not its own.

    >>> load("folder:seed=1").seed
    1
    """
    path, colon, arguments = (value := located(os.fspath(named))).partition(":")
    with importable(value):
        spec = importlib.util.spec_from_file_location("config", path)
        if spec is None or spec.loader is None:
            raise UserError(f"{shown(path)}: a recipe is a Python file, whose name ends in .py")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except FileNotFoundError:
            raise UserError(f"{shown(path)}: there is no such recipe") from None
        return module.get_config(*[arguments] * bool(colon))
