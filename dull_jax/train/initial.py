"""A fresh run that starts from the backbone of another one: `config.init`.

Weights that are averaged over training count, where the other run has them. Only the backbone
and its batch statistics are taken: head, optimiser and everything else start fresh. The other
run's folder is read, never written; it may still be training.

The recipe holds the other folder's path, not a digest of its weights: they are read once, before
the run's first checkpoint, and a continued run does not look at that folder again.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from dull_jax.errors import UserError
from dull_jax.train import checkpoint
from dull_jax.train.state import NetState

Leaves = Mapping[str, np.ndarray]  # 'params/backbone/…' and 'batch_stats/backbone/…'


def has_checkpoint(workdir: pathlib.Path) -> bool:
    """Whether a run in this folder would continue, so that `config.init` is not read."""
    return bool(_sealed(workdir))


def backbone(workdir: str | pathlib.Path) -> tuple[Leaves, int]:
    """The backbone of network 0 in the newest good checkpoint of a run, and that one's number.

    Raises:
      UserError: there is no run, or no good checkpoint.
    """
    workdir = pathlib.Path(workdir)
    if not (workdir / "config.json").exists():
        raise UserError(f"config.init = {str(workdir)!r}: there is no run in this folder")
    for step in _sealed(workdir):
        if _is_good(workdir, step):
            return _backbone_of(_read(workdir, step)), step
    raise UserError(f"config.init = {str(workdir)!r}: the run has no good checkpoint")


def with_backbone(nets: tuple[NetState, ...], found: Leaves) -> tuple[NetState, ...]:
    """Fresh networks, each with this backbone, in their moving averages too.

    Raises:
      UserError: the backbone is another one; names the first parameter that differs.
    """
    wanted = _backbone_of(_named({"nets": {"0": nets[0]}}))
    names = sorted(wanted.keys() | found.keys())
    for name in sorted(names, key=lambda name: name.startswith("batch_stats/")):
        here, there = (side[name].shape if name in side else None for side in (wanted, found))
        if here != there:
            raise UserError(
                f"config.init: {name} has shape {there or '(none)'} there and "
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


def _sealed(workdir: pathlib.Path) -> list[int]:
    """Checkpoints that were finished, newest first."""
    steps = (p.stem for p in (workdir / "digests").glob("*.json") if p.stem.isdigit())
    there = [int(step) for step in steps if (workdir / "checkpoints" / step).is_dir()]
    return sorted(there, reverse=True)


def _is_good(workdir: pathlib.Path, step: int) -> bool:
    try:
        listed = json.loads((workdir / "digests" / f"{step}.json").read_text())
        return listed == checkpoint.digest_files(workdir / "checkpoints" / str(step))
    except (OSError, ValueError):  # damaged, or dropped meanwhile by the run
        return False


def _read(workdir: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    """{'nets/0/params/…': array}, everything but empty arrays."""
    folder = (workdir / "checkpoints" / str(step) / "state").absolute()
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
