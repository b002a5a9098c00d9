"""A run's folder: one run at a time, one recipe, and what it says about itself."""

import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import jax
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax.errors import UserError
from dull_jax.files import Path, is_remote, reaching, write_text
from dull_jax.names import shown
from dull_jax.train import hosts

_LOCK = ".lock"
_TOKEN = secrets.token_hex(8)  # of this process
_PACKAGES = (
    "dull_jax jax jaxlib flax optax orbax-checkpoint tensorflow-datasets ml-collections clu "
    "numpy scikit-learn"
).split()


@contextmanager
def claimed(workdir: Path, config: ConfigDict) -> Iterator[None]:
    """Makes the folder, refuses another recipe in it, and locks it for this run.

    A store has no locks. There the newest start of a run is the one that goes on, and the one
    before it ends when it next saves (`check_ours`): a machine that was taken away holds nothing.
    Of several processes the first holds the lock.

    Raises:
      UserError: not writable, in use by another run, begun with another recipe, or not the same
        folder for all processes.
    """
    held: list[AbstractContextManager] = []  # by the first process
    claim = _taken_over if is_remote(workdir) else _locked
    hosts.from_first(lambda: held.append(claim(workdir, config)))
    with held[0] if held else nullcontext():
        hosts.check_seen_by_all(workdir, (workdir / _LOCK).exists())
        yield


def _locked(workdir: pathlib.Path, config: ConfigDict) -> AbstractContextManager:
    """The open file that is the lock."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = (workdir / _LOCK).open("w")
    except OSError as error:
        raise UserError(f"workdir {workdir} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(f"workdir {workdir} is in use by another run") from None
    check_recipe(workdir, config)
    return lock


def _taken_over(workdir: Path, config: ConfigDict) -> AbstractContextManager:
    """Says in the store which process goes on with the run."""
    check_recipe(workdir, config)
    here = {"host": socket.gethostname(), "pid": os.getpid(), "started": _now(), "token": _TOKEN}
    write_text(workdir / _LOCK, json.dumps(here))
    return nullcontext()


def check_ours(workdir: Path) -> None:
    """Raises UserError when the run, in a store, was started again by another process since."""
    holder = _read(workdir / _LOCK) if is_remote(workdir) else None
    if holder is not None and holder.get("token") != _TOKEN:
        raise UserError(
            f"workdir {workdir} was taken over by a newer start of this run ("
            f"{shown(str(holder.get('host')))}, process {holder.get('pid')}, "
            f"{shown(str(holder.get('started')))}), which goes on; this one has ended"
        )


def check_recipe(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError when the folder holds a run of another recipe, or cannot be read."""
    before = begun(workdir)
    if before is not None and (changes := recipe.difference(before, config)):
        told = changes if len(changes) <= 5 else [*changes[:4], f"{len(changes) - 4} more"]
        raise UserError(
            f"workdir {workdir} holds a run of another recipe ({'; '.join(told)}); "
            "continue with that recipe or take another workdir"
        )


def begun(workdir: Path) -> dict[str, Any] | None:
    """The contents of config.json, where a run was begun."""
    return _read(workdir / "config.json")


def finished(workdir: Path) -> dict[str, Any] | None:
    """The contents of result.json, where the run is finished."""
    return _read(workdir / "result.json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with reaching(path):
            data = path.read_bytes()
        found = json.loads(data.decode())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged; delete it, or start in another workdir")
    return found


def describe(workdir: Path, config: ConfigDict) -> None:
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
        "started": _now(),
    }


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


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
