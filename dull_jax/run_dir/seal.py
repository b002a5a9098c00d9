"""Whether a finished run is as it was left: its result holds the digests of its last files."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.run_dir import layout
from dull_jax.run_dir.read import RESTART, read_json


def finished(folder: Path) -> dict[str, Any] | None:
    """The run's result, where it is finished and its files are as it left them; else None.

    Raises:
      UserError: the result, or a file whose digest it holds, is damaged or gone; names it.
    """
    path = folder / layout.RESULT
    result = read_json(path, RESTART)
    if result is None:
        return None
    digests = result.get("sha256")
    if not isinstance(digests, dict):
        raise UserError(f"{path} has no digests: damaged, or of an older version")
    wanted = {layout.RESULT: _digest_of_result(result)} | _digests_of_others(folder)
    for name, digest in wanted.items():
        if digests.get(name) != digest:
            raise UserError(f"{folder / name} is damaged or gone")
    return result


def sealed(folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """`result` with digests of itself and of what was written before it; `finished` compares."""
    result = {**result, "sha256": _digests_of_others(folder)}
    result["sha256"][layout.RESULT] = _digest_of_result(result)
    return result


def _digests_of_others(folder: Path) -> dict[str, str]:
    paths = [folder / name for name in (layout.METRICS, layout.OUTPUTS)]
    return {p.name: _sha256(files.read(p)) if p.exists() else "" for p in paths}


def _digest_of_result(result: Mapping[str, Any]) -> str:
    """Of all in it but this digest."""
    others = {name: d for name, d in result["sha256"].items() if name != layout.RESULT}
    return _sha256(json.dumps({**result, "sha256": others}, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
