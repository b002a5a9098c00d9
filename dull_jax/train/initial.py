"""A fresh run that starts from the backbone of another one: `config.init`.

Weights that are averaged over training count, where the other run has them. Only the backbone
and its batch statistics are taken: head, optimiser and everything else start fresh. The other
run's folder is read, never written; it may still be training.

The recipe holds the other folder's path, not a digest of its weights: they are read once, before
the run's first checkpoint, and a continued run does not look at that folder again.
"""

import os
from typing import Any

import jax.numpy as jnp

from dull_jax.errors import UserError
from dull_jax.files import path_of
from dull_jax.run_dir import checkpoints, layout
from dull_jax.run_dir.leaves import Leaves, by_name, filled
from dull_jax.train.state import NetState


def backbone(workdir: str | os.PathLike) -> tuple[Leaves, int]:
    """The backbone of network 0 in the newest good checkpoint of a run, and that one's number.

    Raises:
      UserError: there is no run, or no good checkpoint.
    """
    workdir = path_of(workdir)
    if not (workdir / layout.CONFIG).exists():
        raise UserError(f"config.init = {str(workdir)!r}: there is no run in this folder")
    try:
        leaves, step = checkpoints.newest(workdir)
    except UserError as error:
        raise UserError(f"config.init = {str(workdir)!r}: {error}") from None
    return _backbone_of(leaves), step  # 'params/backbone/…' and 'batch_stats/backbone/…'


def with_backbone(
    nets: tuple[NetState, ...], backbone: Leaves, field: str = "config.init"
) -> tuple[NetState, ...]:
    """Fresh networks, each with this backbone, in their moving averages too.

    Args:
      field: where it came from, for messages.

    Raises:
      UserError: the backbone is another one; names the first parameter that differs.
    """
    wanted = _backbone_of(by_name({"nets": {"0": nets[0]}}))
    names = sorted(wanted.keys() | backbone.keys())
    for name in sorted(names, key=lambda name: name.startswith("batch_stats/")):
        here, there = (side[name].shape if name in side else None for side in (wanted, backbone))
        if here != there:
            raise UserError(
                f"{field}: {name} has shape {there or '(none)'} there and "
                f"{here or '(none)'} here; config.model or the images are others"
            )

    def taken(tree: Any, prefix: str) -> Any:
        return filled(tree, lambda name, leaf: jnp.array(backbone.get(prefix + name, leaf)))

    return tuple(
        net.replace(
            params=taken(net.params, "params/"),
            batch_stats=taken(net.batch_stats, "batch_stats/"),
            average=taken(net.average, ""),
        )
        for net in nets
    )


def _backbone_of(leaves: Leaves) -> Leaves:
    """The backbone of network 0, from its averages where there are any."""
    for root in ("nets/0/average/", "nets/0/"):
        backbone = {
            name.removeprefix(root): leaf
            for name, leaf in leaves.items()
            if name.startswith((f"{root}params/backbone/", f"{root}batch_stats/backbone/"))
        }
        if backbone:
            return backbone
    return {}
