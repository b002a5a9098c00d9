"""From a recipe to a trained run: its data, its networks, its folder, the loop.

`loop` says why a run that was stopped ends as one that was not.
"""

import os
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax.data import auto
from dull_jax.data.prepare import prepare
from dull_jax.embed.dataset import embedded
from dull_jax.errors import Stopped, UserError
from dull_jax.files import Path, path_of
from dull_jax.run_dir import layout, overwrite, seal
from dull_jax.run_dir.checkpoints import finished_steps
from dull_jax.train import description, feasible, hosts, identity, parallel, run_lock
from dull_jax.train.interrupt import Interrupt
from dull_jax.train.learner import Learner
from dull_jax.train.loop import Loop

Say = Callable[[str], None]


def train(
    config: ConfigDict,
    folder: str | os.PathLike,
    say: Say = print,
    labels: Path | None = None,
) -> dict[str, Any]:
    """Trains `config.method`, or continues it, and writes everything a run leaves behind.

    Args:
      config: a recipe, `configs/base.py` with changes.
      folder: the run's workdir.
      say: receives lines of progress.
      labels: the labels.npz of another run to train on; None: the recipe's own draw.

    Returns:
      The contents of result.json.

    Raises:
      UserError: whatever the user can fix; nothing is written for a recipe that cannot run.
      Stopped: a signal came; everything is saved.
    """
    recipe.validate(config)
    config, folder = recipe.resolved(config), path_of(folder, "the workdir")
    inputs = [config.data.file, config.data.labels, config.noise.file, config.model.pretrained]
    hosts.from_first(lambda: overwrite.check_run(folder, inputs))
    if finished := hosts.from_first(lambda: _finished(folder, config, say)):
        say(f"{folder}: {config.method} is already trained")
        return finished
    begun, own = identity.begun(folder), folder / layout.LABELS
    config, dataset = prepare(
        config,
        say,
        begun=begun,
        check=lambda config: identity.check_recipe(folder, config),
        labels=own if own.exists() else labels,
    )
    identity.check_labels(folder, dataset.description["labels_digest"])
    if dataset.train.vector_size:
        identity.check_vectors(folder, dataset.description["data_digest"], config.data.file)
    devices = parallel.Devices(config.train.devices)
    dataset = embedded(config, dataset, devices, folder, say)
    feasible.check(config, dataset, devices)
    learner = Learner.build(config, dataset, devices)
    if not finished_steps(folder):
        learner.networks.load_initial_weights(say)
    elif other := identity.other_machine(folder):
        say(other)
    with run_lock.locked(folder, config), Interrupt() as interrupt:
        hosts.from_first(lambda: _describe(folder, learner))
        outcome = Loop(folder, learner, interrupt, say).run()
        if stop_signal := hosts.stop_signal(interrupt.signal):
            name = hosts.signal_name(stop_signal)
            raise Stopped(f"stopped by {name} after {config.method} was trained")
        return outcome


def _finished(folder: Path, config: ConfigDict, say: Say) -> dict[str, Any] | None:
    """result.json of a run of this recipe; no image is looked at for it.

    Where the files of the end are damaged, training goes on from the last checkpoint, which is the
    end, and writes them again.
    """
    try:
        outcome = seal.finished(folder)
    except UserError as error:
        damage = str(error).partition(";")[0]  # without what else would help
        if not finished_steps(folder):
            raise UserError(
                f"{damage}, and no checkpoint is left to restore it from; delete "
                f"{layout.RESULT} to train again, or take another workdir"
            ) from None
        say(f"{damage}: restored from the last checkpoint")
        return None
    if outcome:
        before = identity.begun(folder) or {}
        identity.check_recipe(folder, auto.resolve_as_begun(config, before))
        places = (config.data.dir, config.data.file, config.data.labels)
        if all(map(os.path.exists, filter(None, places))):
            identity.remember_places(folder, *places)
    return outcome


def _describe(folder: Path, learner: Learner) -> None:
    augment = learner.augment
    normalised = {"channel_mean": list(augment.mean), "channel_std": list(augment.std)}
    description.write(folder, learner.config, learner.dataset, normalised)
