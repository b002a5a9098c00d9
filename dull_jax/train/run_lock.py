"""One run at a time in a workdir: the lock of the run, and whether it is still held."""

import fcntl
import json
import os
import pathlib
import secrets
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO

from ml_collections import ConfigDict

from dull_jax import machine
from dull_jax.errors import SaveError, UserError
from dull_jax.files import Path, is_remote, remove_drafts, write_text
from dull_jax.names import shown
from dull_jax.run_dir import layout
from dull_jax.run_dir.read import RESTART, read_json
from dull_jax.train import hosts
from dull_jax.train.identity import check_recipe

_TOKEN = secrets.token_hex(8)  # of this process
_held: dict[str, IO[str]] = {}  # workdir -> the open file that is its lock


@contextmanager
def locked(workdir: Path, config: ConfigDict) -> Iterator[None]:
    """Makes the folder, refuses another recipe in it, and locks it for this run.

    A store has no locks. There the newest start of a run is the one that goes on, and the one
    before it ends when it next saves (`check_held`): a machine that was taken away holds nothing.
    Of several processes the first holds the lock.

    Raises:
      UserError: not writable, in use by another run, begun with another recipe, or not the same
        folder for all processes.
    """
    held: list[AbstractContextManager] = []  # by the first process
    take = _take_over if is_remote(workdir) else _lock_file
    hosts.from_first(lambda: held.append(take(workdir, config)))
    try:
        with held[0] if held else nullcontext():
            hosts.check_seen_by_all(workdir, (workdir / layout.LOCK).exists())
            yield
    finally:
        _held.pop(os.fspath(workdir), None)


def _lock_file(workdir: pathlib.Path, config: ConfigDict) -> AbstractContextManager:
    """The open file that is the lock."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = (workdir / layout.LOCK).open("a")  # it may be a link: nothing is cut
    except OSError as error:
        raise UserError(f"workdir {workdir} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(f"workdir {workdir} is in use by another run") from None
    check_recipe(workdir, config)
    remove_drafts(workdir)  # of a process that was killed: nobody else writes here now
    _held[os.fspath(workdir)] = lock
    return lock


def _take_over(workdir: Path, config: ConfigDict) -> AbstractContextManager:
    """Says in the store which process goes on with the run."""
    check_recipe(workdir, config)
    here = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": machine.now(),
        "token": _TOKEN,
    }
    write_text(workdir / layout.LOCK, json.dumps(here))
    return nullcontext()


def check_held(workdir: Path) -> None:
    """Before anything is written: whether this folder is still the one that this run holds.

    Raises:
      SaveError: the run, in a store, was started again by another process since; or the folder was
        moved, or another took its place.
    """
    if is_remote(workdir):
        _check_token(workdir)
    elif lock := _held.get(os.fspath(workdir)):
        held = os.fstat(lock.fileno())
        try:
            here = os.stat(workdir / layout.LOCK)
        except OSError:
            here = None
        if here is None or (here.st_dev, here.st_ino) != (held.st_dev, held.st_ino):
            raise SaveError(
                f"workdir {workdir} was moved, deleted or replaced while this run was at work; it "
                "has ended and writes nothing more. In the moved folder the same command goes on"
            )


def _check_token(workdir: Path) -> None:
    holder = read_json(workdir / layout.LOCK, RESTART)
    if holder is not None and holder.get("token") != _TOKEN:
        raise SaveError(
            f"workdir {workdir} was taken over by a newer start of this run ("
            f"{shown(str(holder.get('host')))}, process {holder.get('pid')}, "
            f"{shown(str(holder.get('started')))}), which goes on; this one has ended"
        )
