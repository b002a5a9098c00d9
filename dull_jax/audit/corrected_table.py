"""The corrected files of an audit, which people edit: what they changed since is not written over.

The audit keeps the digest of each table it wrote, beside its list, and replaces a table only if
that is as it was written.
"""

import hashlib
import json
import os
from collections.abc import Sequence

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.run_dir import layout, overwrite
from dull_jax.run_dir.read import read_json


def check(
    path: files.Path,
    folder: files.Path,
    inputs: Sequence[files.Path],
    force: bool,
    suffixes: Sequence[str] = (".csv",),
) -> None:
    """Raises UserError where the corrected table may not be written to `path`.

    Args:
      suffixes: of which it must have one.
      folder: of the audit's results.
      force: a table that was edited since, or that no audit wrote, may be replaced.
    """
    written = [folder / name for name in layout.AUDIT_FILES]
    overwrite.check_output("apply", path, suffixes, inputs, written)
    if _key(path) == _key(folder / layout.DECISIONS):  # however it is forced
        raise UserError(
            f"--apply={shown(str(path))} is where a review keeps decisions; name another file"
        )
    if force or not path.exists():
        return
    known = _known(folder).get(_key(path))
    if known is not None and known == _digest(path):
        return
    raise UserError(
        f"--apply={shown(str(path))} was edited since an audit wrote it, or none wrote it; name "
        "another file, or add --force to replace it"
    )


def remember(path: files.Path, folder: files.Path) -> None:
    """Keeps the digest of the corrected table that was written to `path`."""
    known = _known(folder) | {_key(path): _digest(path)}
    files.write_text(folder / layout.APPLIED, json.dumps(known, indent=1))


def _known(folder: files.Path) -> dict[str, str]:
    return read_json(folder / layout.APPLIED) or {}


def _key(path: files.Path) -> str:
    return os.fspath(path) if files.is_remote(path) else os.path.realpath(path)


def _digest(path: files.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
