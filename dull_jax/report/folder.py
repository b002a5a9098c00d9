"""A run's folder, read once into a `Run`; every part may be missing."""

import dataclasses
import io
import json
import math
import os
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax.data.groups import GROUPS, group_of
from dull_jax.errors import UserError, reason
from dull_jax.files import Path, parsed, path_of
from dull_jax.report.numbers import finite

_TITLES = {
    "ce": "Cross-entropy",
    "la": "Logit adjustment",
    "dull": "DULL",
    "dasc": "DaSC",
    "sfa": "SFA",
    "tabasco": "TABASCO",
    "dividemix": "DivideMix",
    "two_stage": "Two-stage",
    "self_supervised": "Self-supervised",
    "ldam_drw": "LDAM-DRW",
    "elr": "ELR",
    "co_teaching": "Co-teaching",
    "rolt": "RoLT",
}


@dataclasses.dataclass(frozen=True)
class Run:
    """What the files of one run's folder say; an absent file is an empty dict or list."""

    path: Path
    result: dict[str, Any]
    data: dict[str, Any]
    config: dict[str, Any]
    env: dict[str, Any]
    metrics: list[dict[str, Any]]
    broken_lines: int
    labels: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    compared: tuple["Run", ...] = ()

    @property
    def name(self) -> str:
        return title(self.result | {"method": self.method})

    @property
    def method(self) -> str:
        return str(self.result.get("method") or self.config.get("method") or self.path.name)

    @property
    def all(self) -> tuple["Run", ...]:
        """This run, then those it is compared with."""
        return (self, *self.compared)

    def value(self, *keys: str) -> float | None:
        """A number of result.json, e.g. value('accuracy', 'tail'); None where unknown."""
        return lookup(self.result, *keys)

    @property
    def num_classes(self) -> int:
        names, counts = self.data.get("class_names", []), self.data.get("counts_true", [])
        probs = self.outputs.get("test_probs", np.zeros((0, 0)))
        return max(len(names), len(counts), probs.shape[1])

    def class_name(self, index: int) -> str:
        names = self.data.get("class_names", [])
        return str(names[index]) if 0 <= index < len(names) else str(index)

    @property
    def group_of(self) -> list[str]:
        """`[K]` 'head', 'medium', 'tail', or '' where the run has no groups."""
        return group_of(self.data.get("groups", {}), self.num_classes)

    @property
    def groups(self) -> dict[str, list[int]]:
        """Group -> class ids, without the empty ones."""
        found = self.data.get("groups", {})
        return {group: found[group] for group in GROUPS if found.get(group)}

    @property
    def truth_known(self) -> bool:
        """True labels are known, and there are arrays to hold against them."""
        return bool(self.data.get("truth_known")) and {"given", "clean"} <= self.labels.keys()

    @property
    def in_doubt(self) -> bool:
        """Nobody knows the true labels; what the run's files call true are the given ones."""
        return self.data.get("truth_known") is False

    def has(self, *arrays: str) -> bool:
        return set(arrays) <= self.outputs.keys()


def title(result: dict[str, Any]) -> str:
    """The method as people call it, with its variant: 'DULL (no gate)'."""
    method, variant = str(result.get("method", "")), result.get("variant")
    return _TITLES.get(method, method) + (f" ({variant})" if variant else "")


def lookup(values: Any, *keys: str) -> float | None:
    """The finite number at nested keys, or None."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return finite(values)


def read(workdir: str | os.PathLike) -> Run:
    """Reads a run's folder and the runs in its compare/ folder.

    Raises:
      UserError: no run there, or a file that cannot be read (named).
    """
    path = path_of(workdir)
    run = _read_one(path)
    if not (run.result or run.data or run.metrics):
        raise UserError(f"{path}: no run here (neither result.json, data.json nor metrics.jsonl)")
    folders = sorted((path / "compare").iterdir()) if (path / "compare").is_dir() else []
    compared = [_read_one(folder) for folder in folders if folder.is_dir()]
    return dataclasses.replace(run, compared=tuple(c for c in compared if c.result or c.metrics))


def _read_one(path: Path) -> Run:
    metrics, broken = read_lines(path / "metrics.jsonl")
    parts = {key: read_json(path / f"{key}.json") for key in ("result", "data", "config", "env")}
    arrays = {key: read_arrays(path / f"{key}.npz") for key in ("labels", "outputs")}
    return Run(path=path, metrics=metrics, broken_lines=broken, **parts, **arrays)


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object; {} when there is no such file."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({reason(error)})") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected a JSON object, found a {type(found).__name__}")
    return found


def read_recipe(path: Path) -> ConfigDict:
    """config.json; empty when there is no such file. Raises UserError."""
    try:
        return ConfigDict(read_json(path))
    except (ValueError, KeyError, TypeError) as error:  # a name with a dot, or of a method
        raise UserError(f"{path} is damaged or of another version ({reason(error)})") from None


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """metrics.jsonl -> (one dict an epoch, ascending; number of unreadable lines).

    A run that was killed may leave half a line; the epoch it then repeats counts, not the first.
    """
    epochs, broken = {}, 0
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            values = json.loads(line)
            if not math.isfinite(epoch := float(values["epoch"])):
                raise ValueError
            epochs[epoch] = values
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            broken += bool(line.strip())
    return [epochs[epoch] for epoch in sorted(epochs)], broken


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, never a pickle; {} when there is no such file."""
    if not path.exists():
        return {}
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen types
        raise UserError(f"{path}: not readable as .npz arrays ({reason(error)})") from None


def run_inputs(folder: Path) -> list[Path]:
    """The images and the table that a run was trained on, wherever they were then."""
    about = read_json(folder / "config.json").get("data")
    named = [about.get(field) for field in ("dir", "file")] if isinstance(about, dict) else []
    return [parsed(path) for path in named if isinstance(path, str) and path]
