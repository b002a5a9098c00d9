"""Checkpoints: written by Orbax in the background, sealed with digests, verified when read.

A step is good when `digests/<step>.json` names every file of `checkpoints/<step>/` with its
sha256. Orbax survives a kill and a full disk, but restores flipped bits without a word; so a step
is verified before it is read, and a damaged one gives way to the next older good one. So does one
that cannot be read just now, which is not damaged and never deleted: it is put aside.

Each step says whose it is: the recipe and the labels it was trained with.

Of several processes the first writes and reads, and the others hear from it: state is equal on
all, so a checkpoint does not depend on how many there are.

Where the workdir lies in a store, Orbax and all of this work on a `Mirror` of it.
"""

import hashlib
import itertools
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import errors
from dull_jax.errors import SaveError, UserError
from dull_jax.files import Path, is_remote, write_text
from dull_jax.names import shown
from dull_jax.train import hosts, machine, workdir
from dull_jax.train.anchor import Anchor
from dull_jax.train.mirror import Mirror, steps_in

Found = TypeVar("Found")


class Fault(NamedTuple):
    """Why a step cannot be used."""

    kind: str  # "unfinished": a kill came before it was sealed; "damaged"; "unreadable" just now
    reason: str


class Owner(NamedTuple):
    """Whose a checkpoint is: the fields that make its numbers, and the digest of its labels."""

    recipe: Mapping[str, Any]
    labels: str

    @staticmethod
    def of(config: ConfigDict, labels: str) -> "Owner":
        return Owner(recipe.numbers(config), labels)

    def as_json(self) -> dict[str, Any]:
        fingerprint = recipe.digest(self.recipe)
        return {"fingerprint": fingerprint, "recipe": self.recipe, "labels": self.labels}

    def check(self, name: str, other: Mapping[str, Any] | None) -> None:
        """Raises UserError with the difference where `other`, as JSON, is somebody else.

        Args:
          name: of the checkpoint.
          other: None in checkpoints of older versions, which do not say whose they are.
        """
        if other is None or other == self.as_json():
            return
        changes = recipe.changes(other["recipe"], self.recipe)
        if other["labels"] != self.labels:
            there, here = other["labels"][:12], self.labels[:12]
            changes.append(f"digest of the labels: {there} -> {here} (is labels.npz another?)")
        if changes:
            told = "; ".join(changes[:5])
            raise UserError(f"{name} belongs to another run ({told}); put back what was replaced")


class Checkpoints:
    """The checkpoints of a run: every process calls `save`, `seal`, `restore` and `close`."""

    def __init__(self, folder: Path, keep: int, owner: Owner | None = None):
        """owner: of the run in this folder; None: nobody asks."""
        self._owner = owner
        self._mirror = Mirror(folder) if is_remote(folder) and hosts.is_first() else None
        self._folder, self._name = folder, folder / "checkpoints"
        self._unsealed: int | None = None
        self._failed = False
        self._keep = keep
        hosts.from_first(self._enter)

    def _enter(self) -> None:
        self._anchor = Anchor(self._mirror.local if self._mirror else self._folder)
        self._home = self._anchor.path
        self._root, self._digests = self._home / "checkpoints", self._home / "digests"
        self._open()

    def _open(self) -> None:
        for folder in (self._root, self._digests):
            folder.mkdir(parents=True, exist_ok=True)
        # One more than is kept: the newest is not sealed yet when Orbax drops the oldest.
        options = ocp.CheckpointManagerOptions(
            max_to_keep=self._keep + 1,
            create=False,
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                active_processes={0} if hosts.several() else None
            ),
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
        self._check_ours()
        self._seal(wait=True)
        flat = _flat(tree)
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
        if self._mirror:
            self._mirror.close()

    def _seal(self, wait: bool) -> None:
        if self._unsealed is None or (not wait and self._manager.is_saving_in_progress()):
            return
        step, self._unsealed = self._unsealed, None
        self._check_ours()
        with self._writing(step):
            self._manager.wait_until_finished()
        self._check_ours()
        write_text(self._digests / f"{step}.json", json.dumps(digest_files(self._root / str(step))))
        for path in self._digests.glob("*.json"):
            if not (self._root / path.stem).exists():
                path.unlink()
        if self._mirror:
            with self._writing(step):
                self._mirror.publish(step, self._keep + 1)

    def _check_ours(self) -> None:
        try:
            workdir.check_ours(self._folder)
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
        found = hosts.from_first(lambda: self._newest_good(_flat(target)))
        if found is None:
            return None
        return _nested(target, found["state"]), found["run"], found["step"]

    def _newest_good(self, target: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
        """The newest good step: its number, arrays by name, and meta; None in a fresh workdir."""
        steps = self._mirror.steps() if self._mirror else steps_in(self._root)
        faults: dict[int, Fault] = {}
        for step in steps:
            if self._mirror:
                self._mirror.fetch(step)
            found = read_good(self._home, step, lambda step=step: self._read(step, target))
            if not isinstance(found, Fault):
                self._remove(faults)
                return found | {"step": step}
            if found.kind == "unfinished" and step != steps[0]:
                found = Fault("damaged", "its list of digests is missing")
            faults[step] = found
            if found.kind != "unfinished":
                logging.warning("checkpoint %d: %s; trying the one before it", step, found.reason)
        if told := [f"{n}: {f.reason}" for n, f in faults.items() if f.kind != "unfinished"]:
            raise UserError(f"no good checkpoint in {self._name} ({'; '.join(told)})")
        for step in faults:
            text = (
                "checkpoint %d has no digests and is passed over; training starts at the beginning"
            )
            logging.warning(text, step)
        self._remove(faults)
        return None

    def _read(self, step: int, target: Mapping[str, np.ndarray]) -> dict[str, Any]:
        meta = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))
        leaves, run = meta["meta"]["leaves"], meta["meta"]["run"]
        if self._owner:
            name = f"checkpoint {step} in {self._name}"
            self._owner.check(name, meta["meta"].get("owner"))
        _check_shapes(target, leaves)
        wanted = {
            name: jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype))
            for name, (shape, dtype) in leaves.items()
        }
        stored = {n: np.zeros(w.shape, w.dtype) for n, w in wanted.items() if np.prod(w.shape)}
        args = ocp.args.Composite(state=ocp.args.StandardRestore(stored))
        state = self._manager.restore(step, args=args)["state"]
        empty = {n: np.zeros(w.shape, w.dtype) for n, w in wanted.items() if n not in state}
        return {"state": {n: np.asarray(a) for n, a in (state | empty).items()}, "run": run}

    def _remove(self, faults: Mapping[int, Fault]) -> None:
        """Steps that cannot be used make room, so that their numbers can be written again."""
        if not faults:
            return
        self._manager.close()
        for step, fault in faults.items():
            folder, seal = self._root / str(step), self._digests / f"{step}.json"
            if fault.kind == "unreadable":
                _put_aside(self._home / "unreadable", folder, seal)
                continue
            shutil.rmtree(folder, ignore_errors=True)
            seal.unlink(missing_ok=True)
            if self._mirror:
                self._mirror.drop(step)
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


def read_good(home: pathlib.Path, step: int, read: Callable[[], Found]) -> Found | Fault:
    """What `read()` returns of a step that is as it was written, or why it cannot be used.

    Args:
      home: a local folder laid out as a workdir.

    Raises:
      UserError: as `read`.
    """
    if found := _fault(home, step):
        return found
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
        listed = json.loads((home / "digests" / f"{step}.json").read_text())
        found = digest_files(home / "checkpoints" / str(step))
    except FileNotFoundError:
        return Fault("unfinished", "not finished")
    except OSError as error:
        return Fault("unreadable", f"cannot be read ({error.strerror or error})")
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, dict):
        return Fault("damaged", "its list of digests is damaged")
    for name in sorted(listed.keys() | found.keys()):
        if listed.get(name) != found.get(name):
            how = "missing" if name not in found else "unknown" if name not in listed else "damaged"
            return Fault("damaged", f"file {shown(name)[:100]} is {how}")
    return None


def _flat(tree: Any) -> dict[str, np.ndarray]:
    """{'nets/0/params/…': host copy of the leaf}."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {leaf_name(path): np.array(leaf) for path, leaf in leaves}


def leaf_name(path: tuple[Any, ...]) -> str:
    """The name under which a checkpoint holds the leaf at a path of a tree: 'nets/0/params/…'."""
    return "/".join(str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path)


def _check_shapes(target: Mapping[str, np.ndarray], leaves: Mapping[str, Any]) -> None:
    for name, array in target.items():
        shape, dtype = leaves.get(name, (None, None))
        if shape != list(array.shape) or dtype != array.dtype.name:
            there = "is not in it" if shape is None else f"has shape {tuple(shape)} {dtype}"
            raise UserError(
                f"the checkpoint is of another model: {name} {there}, "
                f"here {array.shape} {array.dtype.name}"
            )


def _nested(target: Any, flat: dict[str, np.ndarray]) -> Any:
    """`target` filled from `flat`; names under 'journal/' beyond it come back as 'journal'."""
    paths, structure = jax.tree_util.tree_flatten_with_path(target)
    filled = jax.tree_util.tree_unflatten(
        structure, [flat.pop(leaf_name(path)) for path, _ in paths]
    )
    for name, array in flat.items():
        *parents, leaf = name.split("/")
        place = filled
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = array
    return filled


def digest_files(folder: pathlib.Path) -> dict[str, str]:
    """{path below the folder: sha256} of every file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[str(path.relative_to(folder))] = hashlib.file_digest(
                    file, "sha256"
                ).hexdigest()
    return found
