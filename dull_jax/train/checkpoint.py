"""Checkpoints of a run that trains: written by Orbax in the background, sealed with digests.

`run_dir.checkpoints` says which step is good. Here a damaged one makes room, and one that cannot be
read just now is never deleted: it is put aside.

Each step says whose it is: the recipe and the labels it was trained with.

Of several processes the first writes and reads, and the others receive what it read: state is
equal on all, so a checkpoint does not depend on how many there are.

Where the workdir lies in a store, Orbax and all of this work on a local copy (`RemoteCheckpoints`).
"""

import itertools
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dull_jax import errors, machine
from dull_jax.errors import SaveError, UserError
from dull_jax.files import Path, is_remote, write_text
from dull_jax.run_dir import checkpoints, layout, leaves
from dull_jax.run_dir.checkpoints import Fault
from dull_jax.run_dir.remote_checkpoints import RemoteCheckpoints, steps_in
from dull_jax.train import hosts, run_lock
from dull_jax.train.anchor import Anchor
from dull_jax.train.identity import Owner


class Checkpoints:
    """The checkpoints of a run: every process calls `save`, `seal`, `restore` and `close`."""

    def __init__(self, folder: Path, keep: int, owner: Owner | None = None):
        """owner: of the run in this folder; None: nobody asks."""
        self._owner = owner
        remote = is_remote(folder) and hosts.is_first()
        self._remote = RemoteCheckpoints(folder) if remote else None
        self._folder, self._name = folder, folder / layout.CHECKPOINTS
        self._unsealed: int | None = None
        self._failed = False
        self._keep = keep
        hosts.from_first(self._enter)

    def _enter(self) -> None:
        self._anchor = Anchor(self._remote.local if self._remote else self._folder)
        self._home = self._anchor.path
        self._root = self._home / layout.CHECKPOINTS
        self._digests = self._home / layout.DIGESTS
        self._open()

    def _open(self) -> None:
        for folder in (self._root, self._digests):
            folder.mkdir(parents=True, exist_ok=True)
        # One more than is kept: the newest is not sealed yet when Orbax drops the oldest.
        options = ocp.CheckpointManagerOptions(
            max_to_keep=self._keep + 1,
            create=False,
            multiprocessing_options=ocp.options.MultiprocessingOptions(active_processes=_alone()),
        )
        self._manager = ocp.CheckpointManager(self._root.absolute(), options=options)

    # Writing -----------------------------------------------------------------------------------

    def save(self, step: int, tree: Any, meta: Mapping[str, Any]) -> None:
        """Begins to write `tree` (arrays) and `meta` (JSON values); returns before it is done.

        The leaves are copied first: donated device memory may be overwritten while Orbax writes.

        Raises:
          SaveError: it, or the one before it, cannot be written.
        """
        hosts.from_first(lambda: self._begin(step, tree, meta))

    def _begin(self, step: int, tree: Any, meta: Mapping[str, Any]) -> None:
        self._check_held()
        self._seal(wait=True)
        flat = _copied(tree)
        spec = {name: [list(a.shape), a.dtype.name] for name, a in flat.items()}
        state = {name: a for name, a in flat.items() if a.size}  # Orbax refuses empty arrays
        owner = {"owner": self._owner.as_json()} if self._owner else {}
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            meta=ocp.args.JsonSave({"leaves": spec, "run": dict(meta), **owner}),
        )
        with self._writing(step):
            self._manager.save(step, args=args, force=True)
        self._unsealed = step

    def seal(self, wait: bool) -> None:
        """Seals the step under way if it is written by now, or waits for it; once an epoch.

        Raises:
          SaveError: it cannot be written.
        """
        hosts.from_first(lambda: self._seal(wait))

    def close(self) -> None:
        """Ends the writing, whatever happened elsewhere; nothing after a save that failed."""
        if hosts.is_first() and not self._failed:
            self._seal(wait=True)
            self._manager.close()
            self._anchor.close()
        if self._remote:
            self._remote.close()

    def _seal(self, wait: bool) -> None:
        if self._unsealed is None or (not wait and self._manager.is_saving_in_progress()):
            return
        step, self._unsealed = self._unsealed, None
        self._check_held()
        with self._writing(step):
            self._manager.wait_until_finished()
        self._check_held()
        digests = checkpoints.digest_files(layout.step_folder(self._home, step))
        write_text(layout.step_digests(self._home, step), json.dumps(digests))
        for path in self._digests.glob("*.json"):
            if not (self._root / path.stem).exists():
                path.unlink()
        if self._remote:
            with self._writing(step):
                self._remote.publish(step, self._keep + 1)

    def _check_held(self) -> None:
        try:
            run_lock.check_held(self._folder)
        except UserError:
            self._failed = True  # nothing more is written, sealed or waited for
            raise

    @contextmanager
    def _writing(self, step: int) -> Iterator[None]:
        """One line for what Orbax raises, here or later, when a step cannot be written."""
        try:
            yield
        except Exception as error:  # a full disk alone comes as four types
            self._failed = True
            reason = machine.system_error(str(error)) or errors.reason(error)
            raise SaveError(
                f"checkpoint {step} could not be written to {self._name} ({reason}); "
                "the same command goes on from the last good one"
            ) from error

    # Reading -----------------------------------------------------------------------------------

    def restore(self, target: Any) -> tuple[Any, dict[str, Any], int] | None:
        """The newest good step: (tree like `target`, meta, step); None in a fresh workdir.

        Newer steps that are damaged are named and deleted, those that cannot be read are named and
        put aside into `unreadable/`. The structure comes from `target`, and so do the shapes
        wanted; a leaf of `target` that is None takes whatever was saved.

        Raises:
          UserError: the weights are those of another model or run, or no step can be used.
        """
        newest = hosts.from_first(lambda: self._newest_good(_copied(target)))
        if newest is None:
            return None
        return leaves.restored(target, newest["state"]), newest["run"], newest["step"]

    def _newest_good(self, target: leaves.Leaves) -> dict[str, Any] | None:
        """The newest good step: its number, arrays by name, and meta; None in a fresh workdir."""
        steps = self._remote.steps() if self._remote else steps_in(self._root)

        def read(step: int) -> dict[str, Any] | Fault:
            return self._read_good(step, target, may_be_unfinished=step == steps[0])

        step, content, faults = checkpoints.first_good(steps, read, _warn)
        if content is None:
            self._check_nothing_is_lost(faults)
        self._remove(faults)
        return None if content is None else content | {"step": step}

    def _read_good(
        self, step: int, target: leaves.Leaves, may_be_unfinished: bool
    ) -> dict[str, Any] | Fault:
        if self._remote:
            self._remote.fetch(step)
        content = checkpoints.read_good(self._home, step, lambda: self._read(step, target))
        if isinstance(content, Fault) and content.kind == "unfinished" and not may_be_unfinished:
            return Fault("damaged", "its list of digests is missing")
        return content

    def _read(self, step: int, target: leaves.Leaves) -> dict[str, Any]:
        def check(meta: Mapping[str, Any]) -> None:
            if self._owner:
                self._owner.check(f"checkpoint {step} in {self._name}", meta.get("owner"))
            _check_shapes(target, meta["leaves"])

        content = checkpoints.read_step(self._home, step, check, _alone())
        return {"state": dict(content.leaves), "run": content.meta["run"]}

    def _check_nothing_is_lost(self, faults: Mapping[int, Fault]) -> None:
        """Raises UserError where there were steps before, and none of them is good any more."""
        if told := [f"{n}: {f.reason}" for n, f in faults.items() if f.kind != "unfinished"]:
            raise UserError(f"no good checkpoint in {self._name} ({'; '.join(told)})")
        for step in faults:
            text = (
                "checkpoint %d has no digests and is passed over; training starts at the beginning"
            )
            logging.warning(text, step)

    def _remove(self, faults: Mapping[int, Fault]) -> None:
        """Steps that cannot be used make room, so that their numbers can be written again."""
        if not faults:
            return
        self._manager.close()
        for step, fault in faults.items():
            folder = layout.step_folder(self._home, step)
            seal = layout.step_digests(self._home, step)
            if fault.kind == "unreadable":
                _put_aside(self._home / layout.UNREADABLE, folder, seal)
                continue
            shutil.rmtree(folder, ignore_errors=True)
            seal.unlink(missing_ok=True)
            if self._remote:
                self._remote.drop(step)
        self._open()


def _put_aside(place: pathlib.Path, *paths: pathlib.Path) -> None:
    """Moves what cannot be read, and may be whole, out of the way. Raises UserError."""
    try:
        place.mkdir(exist_ok=True)
        free = next(n for n in itertools.count() if not (place / str(n)).exists())
        (place / str(free)).mkdir()
        for path in paths:
            if path.exists():
                path.rename(place / str(free) / path.name)
    except OSError as error:
        raise UserError(
            f"{paths[0]} cannot be read, nor moved to {place} ({error.strerror}); nothing is lost"
        ) from None


def _warn(step: int, fault: Fault) -> None:
    if fault.kind != "unfinished":
        logging.warning("checkpoint %d: %s; trying the one before it", step, fault.reason)


def _alone() -> set[int] | None:
    """For Orbax: the first process calls it, where there are several."""
    return {0} if hosts.several() else None


def _copied(tree: Any) -> dict[str, np.ndarray]:
    """{'nets/0/params/…': host copy of the leaf}."""
    return {name: np.array(leaf) for name, leaf in leaves.by_name(tree).items()}


def _check_shapes(target: Mapping[str, np.ndarray], leaves: Mapping[str, Any]) -> None:
    for name, array in target.items():
        shape, dtype = leaves.get(name, (None, None))
        if shape != list(array.shape) or dtype != array.dtype.name:
            there = "is not in it" if shape is None else f"has shape {tuple(shape)} {dtype}"
            raise UserError(
                f"the checkpoint is of another model: {name} {there}, "
                f"here {array.shape} {array.dtype.name}"
            )
