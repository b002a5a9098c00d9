"""A run as its report sees it, read once from its folder; every part may be missing."""

import dataclasses
import functools
import os
from typing import Any

import numpy as np

from dull_jax import methods
from dull_jax.data.groups import GROUPS, group_of
from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.files import Path, path_of
from dull_jax.report.numbers import finite
from dull_jax.run_dir import layout
from dull_jax.run_dir.read import read_arrays, read_json, read_metrics


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
        """A number of the result, e.g. value('accuracy', 'tail'); None where unknown."""
        return lookup(self.result, *keys)

    @property
    def num_classes(self) -> int:
        names, counts = self.data.get("class_names", []), self.data.get("counts_true", [])
        probs = self.outputs.get("test_probs", np.zeros((0, 0)))
        return max(len(names), len(counts), probs.shape[1])

    def class_name(self, index: int) -> str:
        names = self.data.get("class_names", [])
        return str(names[index]) if 0 <= index < len(names) else str(index)

    def sample_name(self, index: int) -> str:
        """The path of a train sample's file, or its id; where the run has none, its position."""
        ids = self.labels.get("ids")
        if ids is None:
            return f"position {index}"
        return self.paths.get(str(ids[index])) or str(ids[index])

    @functools.cached_property
    def paths(self) -> dict[str, str]:
        """{id: path below `data_folder`} of own images; {} where the run has no list of files.

        Raises:
          UserError: the list is damaged.
        """
        return {key: path for key, path, status in self.manifest if status == "used"}

    @functools.cached_property
    def manifest(self) -> list[tuple[str, str, str]]:
        """(id, path, status) of each file that was found."""
        path = self.path / layout.MANIFEST
        if not path.is_file():
            return []
        columns = csv_io.read(path, ("id", "path", "status")).columns
        return list(zip(columns["id"], columns["path"], columns["status"], strict=True))

    @property
    def _data_options(self) -> dict[str, Any]:
        options = self.config.get("data")
        return options if isinstance(options, dict) else {}

    @property
    def takes_vectors(self) -> bool:
        """Whether it was trained on vectors of the user's own, and names no images."""
        return self._data_options.get("name") == "embeddings"

    @property
    def data_folder(self) -> str:
        """The folder that paths begin in; "" where the recipe names neither folder nor table."""
        options = self._data_options
        folder, table = str(options.get("dir") or ""), str(options.get("file") or "")
        return folder or os.path.dirname(table)

    @property
    def group_of(self) -> list[str]:
        """`[K]` 'head', 'medium', 'tail', or '' where the run has no groups."""
        return group_of(self.data.get("groups", {}), self.num_classes)

    @property
    def groups(self) -> dict[str, list[int]]:
        """Group -> class ids, without the empty ones."""
        groups = self.data.get("groups", {})
        return {group: groups[group] for group in GROUPS if groups.get(group)}

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
    """The method as people call it, with its variant: 'DULL (no gate)'.

    >>> title({"method": "dull", "variant": "no gate"}), title({"method": "ce"})
    ('DULL (no gate)', 'Cross-entropy')
    """
    method, variant = str(result.get("method", "")), result.get("variant")
    return methods.title(method) + (f" ({variant})" if variant else "")


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
        files = f"neither {layout.RESULT}, {layout.DATA} nor {layout.METRICS}"
        raise UserError(f"{path}: no run here ({files})")
    compare = path / layout.COMPARE
    folders = sorted(compare.iterdir()) if compare.is_dir() else []
    compared = [_read_one(folder) for folder in folders if folder.is_dir()]
    return dataclasses.replace(run, compared=tuple(c for c in compared if c.result or c.metrics))


def _read_one(path: Path) -> Run:
    metrics, broken = read_metrics(path)
    return Run(
        path=path,
        result=read_json(path / layout.RESULT) or {},
        data=read_json(path / layout.DATA) or {},
        config=read_json(path / layout.CONFIG) or {},
        env=read_json(path / layout.ENV) or {},
        metrics=metrics,
        broken_lines=broken,
        labels=read_arrays(path / layout.LABELS),
        outputs=read_arrays(path / layout.OUTPUTS),
    )
