"""Which checkpoint of a run is the newest that is whole, and what it holds.

A step is good when `digests/<step>.json` names every file of `checkpoints/<step>/` with its
sha256. Orbax survives a kill and a full disk, but restores flipped bits without a word; so a step
is verified before it is read, and a damaged one gives way to the next older good one. So does one
that cannot be read just now, which is not damaged.
"""

import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dull_jax import machine
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import shown
from dull_jax.run_dir import layout
from dull_jax.run_dir.leaves import Leaves
from dull_jax.run_dir.remote_checkpoints import at_hand, steps_in

Content = TypeVar("Content")


class Fault(NamedTuple):
    """Why a step cannot be used."""

    kind: str  # "unfinished": a kill came before it was sealed; "damaged"; "unreadable" just now
    reason: str


class Step(NamedTuple):
    """What a checkpoint says of itself, and its arrays."""

    meta: dict[str, Any]  # 'leaves': {name: (shape, dtype)}; 'run': the caller's; 'owner'
    leaves: Leaves


def finished_steps(folder: Path) -> list[int]:
    """The checkpoints of a run that have their digests, newest first. Raises UserError."""
    there = set(steps_in(folder / layout.CHECKPOINTS))
    return [step for step in steps_in(folder / layout.DIGESTS, ".json") if step in there]


def newest(folder: Path) -> tuple[Leaves, int]:
    """({'nets/0/params/…': array}, its number) of the newest good checkpoint; only reads.

    Raises:
      UserError: there is none.
    """
    machine.devices()  # or Orbax would find none, which says nothing about a checkpoint

    def read(step: int) -> Step | Fault:
        with at_hand(folder, step) as home:  # one that the run dropped meanwhile is not finished
            return read_good(home, step, lambda: read_step(home, step))

    def tell(step: int, fault: Fault) -> None:
        what = "is damaged" if fault.kind == "damaged" else fault.reason
        logging.warning("%s: checkpoint %d %s; trying the one before it", folder, step, what)

    steps = finished_steps(folder)
    step, content, faults = first_good(steps, read, tell)
    if content is not None:
        return content.leaves, step
    if unreadable := [fault.reason for fault in faults.values() if fault.kind == "unreadable"]:
        raise UserError(f"{folder}: no checkpoint can be read ({unreadable[0]})")
    if steps:
        raise UserError(f"{folder}: every checkpoint is damaged ({', '.join(map(str, steps))})")
    raise UserError(f"{folder}: the run has no checkpoint yet; let it train on")


def first_good(
    steps: Iterable[int],
    read: Callable[[int], Content | Fault],
    tell: Callable[[int, Fault], None],
) -> tuple[int, Content | None, dict[int, Fault]]:
    """(the first of `steps` that can be read, its content, the faults of those before it).

    The content is None, and the number -1, where none is good.

    Args:
      read: a step's content, or its fault; see `read_good`.
      tell: hears of each fault.
    """
    faults: dict[int, Fault] = {}
    for step in steps:
        content = read(step)
        if not isinstance(content, Fault):
            return step, content, faults
        faults[step] = content
        tell(step, content)
    return -1, None, faults


def read_good(home: pathlib.Path, step: int, read: Callable[[], Content]) -> Content | Fault:
    """What `read()` returns of a step that is as it was written, or why it cannot be used.

    Args:
      home: a local folder laid out as a workdir.

    Raises:
      UserError: as `read`.
    """
    if fault := _fault(home, step):
        return fault
    try:
        return read()
    except UserError:
        raise
    except Exception as error:  # Orbax raises half a dozen types for damage
        if lacking := machine.lacking(error):
            return Fault("unreadable", lacking)
        return Fault("damaged", f"unreadable ({type(error).__name__})")


def _fault(home: pathlib.Path, step: int) -> Fault | None:
    try:
        listed = json.loads(layout.step_digests(home, step).read_text())
        present = digest_files(layout.step_folder(home, step))
    except FileNotFoundError:
        return Fault("unfinished", "not finished")
    except OSError as error:
        return Fault("unreadable", f"cannot be read ({error.strerror or error})")
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, dict):
        return Fault("damaged", "its list of digests is damaged")
    for name in sorted(listed.keys() | present.keys()):
        if listed.get(name) != present.get(name):
            there, known = name in present, name in listed
            how = "missing" if not there else "damaged" if known else "unknown"
            return Fault("damaged", f"file {shown(name)[:100]} is {how}")
    return None


def digest_files(folder: pathlib.Path) -> dict[str, str]:
    """{path below the folder: sha256} of every file."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            digests[str(path.relative_to(folder))] = digest
    return digests


def read_step(
    home: pathlib.Path,
    step: int,
    check: Callable[[dict[str, Any]], None] = lambda meta: None,
    processes: set[int] | None = None,
) -> Step:
    """The content of a step; fails in many ways where it is damaged.

    Args:
      home: a local folder laid out as a workdir.
      check: looks at `Step.meta` before any array is read, and may raise.
      processes: those that call this; None: all of the run.
    """
    folder = layout.step_folder(home, step).absolute()
    options = ocp.options.MultiprocessingOptions(active_processes=processes)
    handler = ocp.JsonCheckpointHandler(multiprocessing_options=options)
    with ocp.Checkpointer(handler, multiprocessing_options=options) as reader:
        meta = reader.restore(folder / "meta")
    check(meta)
    wanted = {
        name: jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype))
        for name, (shape, dtype) in meta["leaves"].items()
    }
    empty = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in wanted.items()}
    stored = {name: leaf for name, leaf in empty.items() if leaf.size}  # Orbax refuses the others
    with ocp.StandardCheckpointer(multiprocessing_options=options) as reader:
        state = reader.restore(folder / "state", stored)
    return Step(meta, {name: np.asarray(leaf) for name, leaf in (empty | state).items()})
