"""A fresh run that starts from the backbone of another one: `config.init`.

Weights that are averaged over training count, where the other run has them. Only the backbone
and its batch statistics are taken: head, optimiser and everything else start fresh. The other
run's folder is read, never written; it may still be training.

The recipe holds the other folder's path, not a digest of its weights: they are read once, before
the run's first checkpoint, and a continued run does not look at that folder again.
"""

import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dull_jax.errors import UserError
from dull_jax.files import Path, path_of
from dull_jax.train import checkpoint
from dull_jax.train.mirror import at_hand
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
    steps = _sealed(workdir)
    for step in steps:
        if (leaves := _good(workdir, step)) is not None:
            return leaves, step
        logging.warning("%s: checkpoint %d is damaged; trying the one before it", workdir, step)
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
    steps = (
        p.stem for p in (workdir / "digests").glob("*.json") if re.fullmatch(r"[0-9]{1,18}", p.stem)
    )
    there = [int(step) for step in steps if (workdir / "checkpoints" / step).is_dir()]
    return sorted(there, reverse=True)


def _good(workdir: Path, step: int) -> Leaves | None:
    """What the checkpoint holds; None where it is damaged, or dropped meanwhile by the run."""
    try:
        with at_hand(workdir, step) as home:
            listed = json.loads((home / "digests" / f"{step}.json").read_text())
            if listed != checkpoint.digest_files(home / "checkpoints" / str(step)):
                return None
            return _read(home, step)
    except UserError:
        raise
    except Exception:  # Orbax alone raises half a dozen types for damage
        return None


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
