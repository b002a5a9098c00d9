"""What the files of a run or an audit say: JSON, the recipe, metrics.jsonl, arrays.

All readers are here, and each names the file that it cannot read. No file is ever a pickle.
"""

import io
import json
import math
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.errors import UserError, reason
from dull_jax.files import Path
from dull_jax.run_dir import layout

RESTART = "delete it, or start in another workdir"  # what helps a run that is to go on


def read_json(path: Path, remedy: str = "") -> dict[str, Any] | None:
    """One JSON object; None when there is no such file.

    Args:
      remedy: what to do about a damaged file, in place of what is wrong with it.

    Raises:
      UserError: it cannot be read, or is no JSON object.
    """
    try:
        value = json.loads(files.read(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        value, fault = None, f"not readable as JSON ({reason(error)})"
    else:
        fault = f"expected a JSON object, found a {type(value).__name__}"
    if not isinstance(value, dict):
        raise UserError(f"{path} is damaged; {remedy}" if remedy else f"{path}: {fault}")
    return value


def read_recipe(folder: Path) -> ConfigDict:
    """The recipe of a run; empty when there is none. Raises UserError."""
    path = folder / layout.CONFIG
    try:
        return ConfigDict(_tuples(read_json(path) or {}))
    except (ValueError, KeyError, TypeError) as error:  # a name with a dot, or of a method
        raise UserError(f"{path} is damaged or of another version ({reason(error)})") from None


def _tuples(value: Any) -> Any:
    """A recipe's own kind of sequence, in place of JSON's."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def read_metrics(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """The run's metrics: (a dict an epoch, ascending; the number of unreadable lines).

    A run that was killed may leave half a line; the epoch it then repeats counts, not the first.
    """
    path, epochs, broken = folder / layout.METRICS, {}, 0
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
            if not math.isfinite(row["epoch"]):
                raise ValueError
            epochs[row["epoch"]] = row
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            broken += bool(line.strip())
    return [epochs[epoch] for epoch in sorted(epochs)], broken


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, never a pickle; {} when there is no such file.

    Raises:
      UserError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen types
        raise UserError(f"{path}: not readable as .npz arrays ({reason(error)})") from None


def inputs_of(folder: Path) -> list[Path]:
    """The images or vectors and the table that a run was trained on, wherever they were then."""
    about = (read_json(folder / layout.CONFIG) or {}).get("data")
    named = (
        [about.get(field) for field in ("dir", "file", "labels")] if isinstance(about, dict) else []
    )
    return [files.parsed(path) for path in named if isinstance(path, str) and path]
