"""A fresh run that starts from the backbone of another one: `config.init`.

Weights that are averaged over training count, where the other run has them. Only the backbone
and its batch statistics are taken: head, optimiser and everything else start fresh. The other
run's folder is read, never written; it may still be training.

The recipe holds the other folder's path, not a digest of its weights: they are read once, before
the run's first checkpoint, and a continued run does not look at that folder again.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dull_jax.errors import UserError
from dull_jax.files import Path, path_of
from dull_jax.train import checkpoint, machine
from dull_jax.train.checkpoint import Fault
from dull_jax.train.mirror import at_hand, steps_in
from dull_jax.train.state import NetState

Leaves = Mapping[str, np.ndarray]  # 'params/backbone/…' and 'batch_stats/backbone/…', say


def has_checkpoint(workdir: Path) -> bool:
    """Whether a run in this folder would continue, so that `config.init` is not read."""
    return bool(_sealed(workdir))


def backbone(workdir: str | os.PathLike) -> tuple[Leaves, int]:
    """The backbone of network 0 in the newest good checkpoint of a run, and that one's number.

    Raises:
      UserError: there is no run, or no good checkpoint.
    """
    workdir = path_of(workdir)
    if not (workdir / "config.json").exists():
        raise UserError(f"config.init = {str(workdir)!r}: there is no run in this folder")
    try:
        leaves, step = newest(workdir)
    except UserError as error:
        raise UserError(f"config.init = {str(workdir)!r}: {error}") from None
    return _backbone_of(leaves), step


def newest(workdir: Path) -> tuple[Leaves, int]:
    """({'nets/0/params/…': array}, its number) of the newest checkpoint that is undamaged.

    Raises:
      UserError: there is none.
    """
    machine.devices()  # or Orbax would find none, which says nothing about a checkpoint
    steps, faults = _sealed(workdir), []
    for step in steps:
        found = _good(workdir, step)
        if not isinstance(found, Fault):
            return found, step
        faults.append(found)
        fault = "is damaged" if found.kind == "damaged" else found.reason
        logging.warning("%s: checkpoint %d %s; trying the one before it", workdir, step, fault)
    if unreadable := [f"{fault.reason}" for fault in faults if fault.kind == "unreadable"]:
        raise UserError(f"{workdir}: no checkpoint can be read ({unreadable[0]})")
    numbers = ", ".join(map(str, steps))
    raise UserError(
        f"{workdir}: every checkpoint is damaged ({numbers})"
        if steps
        else f"{workdir}: the run has no checkpoint yet; let it train on"
    )


def with_backbone(
    nets: tuple[NetState, ...], found: Leaves, field: str = "config.init"
) -> tuple[NetState, ...]:
    """Fresh networks, each with this backbone, in their moving averages too.

    Args:
      field: where it came from, for messages.

    Raises:
      UserError: the backbone is another one; names the first parameter that differs.
    """
    wanted = _backbone_of(_named({"nets": {"0": nets[0]}}))
    names = sorted(wanted.keys() | found.keys())
    for name in sorted(names, key=lambda name: name.startswith("batch_stats/")):
        here, there = (side[name].shape if name in side else None for side in (wanted, found))
        if here != there:
            raise UserError(
                f"{field}: {name} has shape {there or '(none)'} there and "
                f"{here or '(none)'} here; config.model or the images are others"
            )

    def filled(tree: Any, prefix: str) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: jnp.array(found.get(prefix + checkpoint.leaf_name(path), leaf)), tree
        )

    return tuple(
        net.replace(
            params=filled(net.params, "params/"),
            batch_stats=filled(net.batch_stats, "batch_stats/"),
            average=filled(net.average, ""),
        )
        for net in nets
    )


def _sealed(workdir: Path) -> list[int]:
    """Checkpoints that were finished, newest first."""
    there = set(steps_in(workdir / "checkpoints"))
    return [step for step in steps_in(workdir / "digests", ".json") if step in there]


def _good(workdir: Path, step: int) -> Leaves | Fault:
    """What the checkpoint holds; one that the run has dropped meanwhile is not finished."""
    with at_hand(workdir, step) as home:
        return checkpoint.read_good(home, step, lambda: _read(home, step))


def _read(home: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    """{'nets/0/params/…': array}, everything but empty arrays."""
    folder = (home / "checkpoints" / str(step) / "state").absolute()
    with ocp.StandardCheckpointer() as reader:
        state = reader.restore(folder)
    return {name: np.asarray(leaf) for name, leaf in state.items()}


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {checkpoint.leaf_name(path): leaf for path, leaf in leaves}


def _backbone_of(leaves: Mapping[str, Any]) -> Leaves:
    """The backbone of network 0, from its averages where there are any."""
    for root in ("nets/0/average/", "nets/0/"):
        found = {
            name.removeprefix(root): leaf
            for name, leaf in leaves.items()
            if name.startswith((f"{root}params/backbone/", f"{root}batch_stats/backbone/"))
        }
        if found:
            return found
    return {}
