"""A run's folder: one run at a time, one recipe, and what it says about itself."""

import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax.errors import UserError
from dull_jax.files import write_text

_PACKAGES = (
    "dull_jax jax jaxlib flax optax orbax-checkpoint tensorflow-datasets ml-collections clu "
    "numpy scikit-learn"
).split()


@contextmanager
def claimed(workdir: pathlib.Path, config: ConfigDict) -> Iterator[None]:
    """Makes the folder, refuses another recipe in it, and locks it for this process.

    Raises:
      UserError: not writable, in use by another run, or begun with another recipe.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = (workdir / ".lock").open("w")
    except OSError as error:
        raise UserError(f"workdir {workdir} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(f"workdir {workdir} is in use by another run") from None
    with lock:
        check_recipe(workdir, config)
        yield


def check_recipe(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Raises UserError when the folder holds a run of another recipe, or cannot be read."""
    before = _read(workdir / "config.json")
    if before is not None and (changes := recipe.difference(before, config)):
        raise UserError(
            f"workdir {workdir} holds a run of another recipe ({'; '.join(changes)}); "
            "continue with that recipe or take another workdir"
        )


def finished(workdir: pathlib.Path) -> dict[str, Any] | None:
    """The contents of result.json, where the run is finished."""
    return _read(workdir / "result.json")


def _read(path: pathlib.Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{path} is damaged; delete it, or start in another workdir") from None


def describe(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Writes config.json and env.json."""
    write_text(workdir / "config.json", recipe.to_json(config))
    write_text(workdir / "env.json", json.dumps(environment(), indent=1))


def environment() -> dict[str, object]:
    """Versions, hardware and the command, as env.json holds them."""
    return {
        "command": shlex.join([os.path.basename(sys.executable), *sys.orig_argv[1:]]),
        "python": platform.python_version(),
        "versions": {name: v for name in _PACKAGES if (v := _version(name))},
        "platform": platform.platform(),
        "cpu": f"{_processor()}, {os.cpu_count()} cores",
        "devices": [f"{d.platform}: {d.device_kind}" for d in jax.devices()],
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
