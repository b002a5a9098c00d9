"""Which run a folder or a checkpoint holds: its recipe, its labels, its machine."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax import machine
from dull_jax.errors import UserError
from dull_jax.files import Path, write_text
from dull_jax.names import shown
from dull_jax.run_dir import layout
from dull_jax.run_dir.read import RESTART, read_json


def begun(folder: Path) -> dict[str, Any] | None:
    """The recipe as a run wrote it, where one was begun. Raises UserError."""
    return read_json(folder / layout.CONFIG, RESTART)


def check_recipe(folder: Path, config: ConfigDict) -> None:
    """Raises UserError when the folder holds a run of another recipe, or cannot be read."""
    before = begun(folder)
    if before is not None and (changes := recipe.difference(before, config)):
        told = changes if len(changes) <= 5 else [*changes[:4], f"{len(changes) - 4} more"]
        raise UserError(
            f"workdir {folder} holds a run of another recipe ({'; '.join(told)}); "
            "continue with that recipe or take another workdir"
        )


def check_labels(folder: Path, digest: str) -> None:
    """Raises UserError where the run was begun on labels of another digest than `digest`."""
    _check_digest(folder, "labels_digest", digest, f"{folder / layout.LABELS} holds other labels")


def check_vectors(folder: Path, digest: str, file: str) -> None:
    """Raises UserError where the run was begun on other vectors, or tested on other samples.

    Images of the user's own need no such check: what they show is their id.

    Args:
      digest: of all that is trained on and scored.
      file: of the vectors, as a recipe has it.
    """
    what = f"{shown(file)} holds other vectors, or others to test on,"
    _check_digest(folder, "data_digest", digest, what)


def _check_digest(folder: Path, key: str, digest: str, what: str) -> None:
    """A description of the data that is damaged says nothing: it is written anew."""
    try:
        about = read_json(folder / layout.DATA) or {}
    except UserError:
        return
    before = about.get(key, digest)
    if before != digest:
        raise UserError(
            f"{what} than this run began with (their digest: {str(before)[:12]} -> {digest[:12]}); "
            "put the file back, or start in another workdir"
        )


def remember_places(
    folder: Path, data_dir: str = "", data_file: str = "", data_labels: str = ""
) -> None:
    """What the run is trained on lies elsewhere now: its recipe remembers where.

    Args:
      data_dir, data_file, data_labels: absolute; "" leaves what is there.
    """
    config = begun(folder)
    places = {"dir": data_dir, "file": data_file, "labels": data_labels}
    wanted = {field: place for field, place in places.items() if place}
    about = (config or {}).get("data")
    if isinstance(about, dict) and wanted.items() - about.items():
        config = {**config, "data": about | wanted}
        write_text(folder / layout.CONFIG, json.dumps(config, indent=1, sort_keys=True))


def other_machine(folder: Path) -> str:
    """What to say where a run goes on with another processor or number of cores, else ""."""
    try:
        before = read_json(folder / layout.ENV) or {}
    except UserError:  # it is written anew
        return ""
    here = machine.environment()
    if all(before.get(key, here[key]) == here[key] for key in ("cpu", "cores")):
        return ""
    there, now = (f"{env.get('cores', '?')} of {env.get('cpu')}" for env in (before, here))
    return f"on {now}, before on {there}: the last bits of the numbers may differ"


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
            changes.append(f"digest of the labels: {there} -> {here} (is {layout.LABELS} another?)")
        if changes:
            told = "; ".join(changes[:5])
            raise UserError(f"{name} belongs to another run ({told}); put back what was replaced")
