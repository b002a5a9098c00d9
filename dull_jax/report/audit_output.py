"""Where an audit may write: over what an audit wrote, and over nothing that a person made since.

A corrected table is made to be edited. So the audit keeps the digest of each table it wrote, in
`applied.json` beside its list, and replaces a table only if that is as it was written.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Sequence

from dull_jax import files, run_dir
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.report.folder import read_json

_APPLIED = "applied.json"


def check_folder(folder: files.Path, inputs: Sequence[files.Path]) -> None:
    """Raises UserError where the results would replace what no audit wrote, or one of `inputs`."""
    if files.is_remote(folder):
        return
    name = f"--output={shown(str(folder))}"
    if owner := run_dir.owner(pathlib.Path(os.path.abspath(folder))):
        raise UserError(f"{name} belongs to the run {shown(str(owner))}; name another folder")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{name} is no folder; name one for the results")
    read = {os.path.realpath(path) for path in inputs if not files.is_remote(path)}
    for other in run_dir.AUDIT_FILES:
        if os.path.realpath(folder / other) in read:
            raise UserError(f"{name}: {other} in it is an input; name another folder")
        if (folder / other).exists() and not (folder / other).is_file():
            raise UserError(f"{name}: {other} in it is no regular file; name another folder")
        if os.path.lexists(folder / other) and not run_dir.is_audit(folder):
            raise UserError(f"{name} holds {other}, which no audit wrote; name another folder")


def check_table(
    path: files.Path, folder: files.Path, inputs: Sequence[files.Path], force: bool
) -> None:
    """Raises UserError where the corrected table may not be written to `path`.

    Args:
      folder: of the audit's results.
      force: a table that was edited since, or that no audit wrote, may be replaced.
    """
    written = [folder / name for name in run_dir.AUDIT_FILES]
    files.check_output("apply", path, (".csv",), inputs, written)
    if force or not path.exists():
        return
    known = _known(folder).get(_key(path))
    if known is not None and known == _digest(path):
        return
    raise UserError(
        f"--apply={shown(str(path))} was edited since an audit wrote it, or none wrote it; name "
        "another file, or add --force to replace it"
    )


def remember_table(path: files.Path, folder: files.Path) -> None:
    """Keeps the digest of the corrected table that was written to `path`."""
    known = _known(folder) | {_key(path): _digest(path)}
    files.write_text(folder / _APPLIED, json.dumps(known, indent=1))


def _known(folder: files.Path) -> dict[str, str]:
    return read_json(folder / _APPLIED)


def _key(path: files.Path) -> str:
    return os.fspath(path) if files.is_remote(path) else os.path.realpath(path)


def _digest(path: files.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
