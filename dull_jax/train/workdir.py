"""A run's folder: one run at a time, one recipe, and what it says about itself."""

import fcntl
import hashlib
import json
import os
import pathlib
import secrets
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Any

from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import run_dir
from dull_jax.errors import SaveError, UserError
from dull_jax.files import Path, is_remote, read, remove_drafts, write_text
from dull_jax.names import shown
from dull_jax.train import hosts, machine

_LOCK = ".lock"
_TOKEN = secrets.token_hex(8)  # of this process
_held: dict[str, IO[str]] = {}  # workdir -> the open file that is its lock


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
    try:
        with held[0] if held else nullcontext():
            hosts.check_seen_by_all(workdir, (workdir / _LOCK).exists())
            yield
    finally:
        _held.pop(os.fspath(workdir), None)


def _locked(workdir: pathlib.Path, config: ConfigDict) -> AbstractContextManager:
    """The open file that is the lock."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = (workdir / _LOCK).open("a")  # it may be a link: nothing is cut
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


def check_layout(workdir: Path, inputs: Sequence[str] = ()) -> None:
    """Raises UserError where something stands in the place of a folder or file of the run.

    Args:
      inputs: files that are read; "" for none.
    """
    if is_remote(workdir):
        return
    for name in (*run_dir.FOLDERS, "audit"):
        if os.path.lexists(workdir / name) and not (workdir / name).is_dir():
            raise UserError(f"{workdir / name} is to be a folder of the run, and is none; move it")
    for name in run_dir.FILES:
        path = workdir / name
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path} is to be a file of the run, and is no regular one; move it")
    _check_nobody_elses(workdir, inputs)


def _check_nobody_elses(workdir: pathlib.Path, inputs: Sequence[str]) -> None:
    """Raises UserError where a run would write over an input, or over what no run wrote."""
    begun_here = (workdir / _LOCK).exists() or (workdir / "config.json").exists()
    read_here = {os.path.realpath(path) for path in inputs if path}
    for name in run_dir.FILES:
        if os.path.realpath(workdir / name) in read_here:
            raise UserError(f"{workdir / name} is an input, and a run writes it: name a workdir")
    filled = [name for name in ("checkpoints", "events", "report") if _holds(workdir / name)]
    there = [name for name in run_dir.FILES if os.path.lexists(workdir / name)] + filled
    if there and not begun_here:
        raise UserError(f"workdir {workdir} holds {there[0]}, which no run wrote; take another one")


def _holds(folder: pathlib.Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _taken_over(workdir: Path, config: ConfigDict) -> AbstractContextManager:
    """Says in the store which process goes on with the run."""
    check_recipe(workdir, config)
    here = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": machine.now(),
        "token": _TOKEN,
    }
    write_text(workdir / _LOCK, json.dumps(here))
    return nullcontext()


def check_ours(workdir: Path) -> None:
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
            here = os.stat(workdir / _LOCK)
        except OSError:
            here = None
        if here is None or (here.st_dev, here.st_ino) != (held.st_dev, held.st_ino):
            raise SaveError(
                f"workdir {workdir} was moved, deleted or replaced while this run was at work; it "
                "has ended and writes nothing more. In the moved folder the same command goes on"
            )


def _check_token(workdir: Path) -> None:
    holder = _read(workdir / _LOCK)
    if holder is not None and holder.get("token") != _TOKEN:
        raise SaveError(
            f"workdir {workdir} was taken over by a newer start of this run ("
            f"{shown(str(holder.get('host')))}, process {holder.get('pid')}, "
            f"{shown(str(holder.get('started')))}), which goes on; this one has ended"
        )


def check_recipe(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError when the folder holds a run of another recipe, or cannot be read."""
    if (before := begun(workdir)) is not None:
        recipe.check_same_run(before, config, workdir)


def begun(workdir: Path) -> dict[str, Any] | None:
    """The contents of config.json, where a run was begun."""
    return _read(workdir / "config.json")


def finished(workdir: Path) -> dict[str, Any] | None:
    """The contents of result.json, where the run is finished and its files are as it left them.

    Raises:
      UserError: result.json, or a file whose digest it holds, is damaged or gone; names it.
    """
    found = _read(workdir / "result.json")
    digests = (found or {}).get("sha256")
    if found is None:
        return None
    if not isinstance(digests, dict):
        raise UserError(
            f"{workdir / 'result.json'} has no digests: damaged, or of an older version"
        )
    wanted = {"result.json": _digest_of_result(found)} | _digests_of_others(workdir)
    for name, digest in wanted.items():
        if digests.get(name) != digest:
            raise UserError(f"{workdir / name} is damaged or gone")
    return found


def sealed(workdir: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """`result` with digests of itself and of what was written before it; `finished` compares."""
    result = {**result, "sha256": _digests_of_others(workdir)}
    result["sha256"]["result.json"] = _digest_of_result(result)
    return result


def _digests_of_others(workdir: Path) -> dict[str, str]:
    paths = [workdir / name for name in ("metrics.jsonl", "outputs.npz")]
    return {p.name: _sha256(read(p)) if p.exists() else "" for p in paths}


def _digest_of_result(result: Mapping[str, Any]) -> str:
    """Of all in it but this digest."""
    others = {name: d for name, d in result["sha256"].items() if name != "result.json"}
    return _sha256(json.dumps({**result, "sha256": others}, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_labels(workdir: Path, digest: str) -> None:
    """Raises UserError where the run was begun on labels of another digest than `digest`.

    A data.json that is damaged says nothing: it is written anew.
    """
    try:
        before = (_read(workdir / "data.json") or {}).get("labels_digest", digest)
    except UserError:
        return
    if before != digest:
        raise UserError(
            f"{workdir / 'labels.npz'} holds other labels than this run began with (their digest: "
            f"{str(before)[:12]} -> {digest[:12]}); put the file back, or start in another workdir"
        )


def moved(workdir: Path, data_dir: str = "", data_file: str = "") -> None:
    """The run's images, or its table, lie elsewhere now: config.json remembers where.

    Args:
      data_dir, data_file: absolute; "" leaves what is there.
    """
    config = begun(workdir)
    places = {"dir": data_dir, "file": data_file}
    wanted = {field: place for field, place in places.items() if place}
    about = (config or {}).get("data")
    if isinstance(about, dict) and wanted.items() - about.items():
        config = {**config, "data": about | wanted}
        write_text(workdir / "config.json", json.dumps(config, indent=1, sort_keys=True))


def describe(workdir: Path, config: ConfigDict) -> None:
    """Writes config.json and env.json."""
    check_ours(workdir)
    write_text(workdir / "config.json", recipe.to_json(config))
    write_text(workdir / "env.json", json.dumps(machine.environment(), indent=1))


def other_machine(workdir: Path) -> str:
    """What to say where a run goes on with another processor or number of cores, else ""."""
    try:
        before = _read(workdir / "env.json") or {}
    except UserError:  # it is written anew
        return ""
    here = machine.environment()
    if all(before.get(key, here[key]) == here[key] for key in ("cpu", "cores")):
        return ""
    there, now = (f"{env.get('cores', '?')} of {env.get('cpu')}" for env in (before, here))
    return f"on {now}, before on {there}: the last bits of the numbers may differ"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged; delete it, or start in another workdir")
    return found
