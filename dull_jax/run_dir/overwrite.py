"""Where a run, an audit or a command may write: over its own files, over nobody else's.

A folder may hold an input, or what a person or another run made. It is looked at before the work.
"""

import os
import pathlib
import stat
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from dull_jax.errors import UserError
from dull_jax.files import Path, is_remote
from dull_jax.names import shown
from dull_jax.run_dir import layout


class _Foreign(NamedTuple):
    """A name in a folder that must not be written to, and why."""

    name: str
    why: str  # "irregular": a folder, pipe or device; "input"; "unknown": we did not write it


def check_run(folder: Path, inputs: Sequence[str] = ()) -> None:
    """Raises UserError where something stands in the place of a folder or file of the run.

    Args:
      inputs: files that are read; "" for none.
    """
    if is_remote(folder):
        return
    for name in (*layout.FOLDERS, layout.AUDIT):
        if os.path.lexists(folder / name) and not (folder / name).is_dir():
            raise UserError(f"{folder / name} is to be a folder of the run, and is none; move it")
    begun = (folder / layout.LOCK).exists() or (folder / layout.CONFIG).exists()
    written = (layout.CHECKPOINTS, layout.EVENTS, layout.REPORT)
    filled = [name for name in written if _holds_any(folder / name)]
    foreign = _foreign(folder, layout.FILES, [path for path in inputs if path], begun, filled)
    if foreign is None:
        return
    path = folder / foreign.name
    raise UserError({
        "irregular": f"{path} is to be a file of the run, and is no regular one; move it",
        "input": f"{path} is an input, and a run writes it: name a workdir",
        "unknown": f"workdir {folder} holds {foreign.name}, which no run wrote; take another one",
    }[foreign.why])  # fmt: skip


def check_audit(folder: Path, inputs: Sequence[Path]) -> None:
    """Raises UserError where the results would replace what no audit wrote, or one of `inputs`."""
    if is_remote(folder):
        return
    name = f"--output={shown(str(folder))}"
    if owner := layout.owner(pathlib.Path(os.path.abspath(folder))):
        raise UserError(f"{name} belongs to the run {shown(str(owner))}; name another folder")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{name} is no folder; name one for the results")
    if not can_be_made(folder):
        raise UserError(f"{name} cannot be written; name another folder")
    foreign = _foreign(folder, layout.AUDIT_FILES, inputs, layout.is_audit(folder))
    if foreign is None:
        return
    raise UserError({
        "irregular": f"{name}: {foreign.name} in it is no regular file; name another folder",
        "input": f"{name}: {foreign.name} in it is an input; name another folder",
        "unknown": f"{name} holds {foreign.name}, which no audit wrote; name another folder",
    }[foreign.why])  # fmt: skip


def can_be_made(folder: Path) -> bool:
    """Whether a local folder is there, or may be, for files to be written into it."""
    whole = pathlib.Path(os.path.abspath(folder))
    there = next(path for path in (whole, *whole.parents) if os.path.lexists(path))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def make_audit(folder: Path) -> None:
    """Makes the folder of an audit's results. Raises UserError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output={folder} cannot be made: {error.strerror}") from None


def _foreign(
    folder: pathlib.Path,
    names: Sequence[str],
    inputs: Iterable[str | Path],
    ours: bool,
    filled: Collection[str] = (),
) -> _Foreign | None:
    """The first of `names` in the folder that is not ours to write; None where all may be.

    Args:
      inputs: what is read, here or in a store.
      ours: whether what is there of `names` was written by a run or audit before.
      filled: folders with something in them, which must be ours too.
    """
    read = {os.path.realpath(path) for path in inputs if not is_remote(path)}
    there = [name for name in names if os.path.lexists(folder / name)]
    irregular = [name for name in there if not _is_regular(folder / name)]
    if irregular:
        return _Foreign(irregular[0], "irregular")
    for name in names:
        if os.path.realpath(folder / name) in read:
            return _Foreign(name, "input")
    unknown = [] if ours else [*there, *filled]
    return _Foreign(unknown[0], "unknown") if unknown else None


def _is_regular(path: pathlib.Path) -> bool:
    """A link that leads nowhere can become a regular file."""
    return not path.exists() or stat.S_ISREG(path.stat().st_mode)


def _holds_any(folder: pathlib.Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def check_output(
    flag: str,
    path: Path,
    suffixes: Sequence[str] = (),
    inputs: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
) -> None:
    """Before the work, not after it: whether `path`, given by `flag`, may become a file.

    In a store that shows when it is written.

    Args:
      suffixes: of which it must have one; none: any.
      inputs: files and folders that are read; an existing file in such a folder is one of them.
      outputs: what other flags of the command write.

    Raises:
      UserError: it has another suffix, is a folder or in none that can be written, a pipe or a
        device, an input, another output, or a file that belongs to a run.
    """
    name = f"--{flag}={shown(str(path))}"
    if not is_remote(path):
        _check_place(name, path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{name}: name a {' or '.join(suffixes)} file")
    if any(_same(path, other) for other in outputs):
        raise UserError(f"{name} is written by another flag too; name two files")
    if is_remote(path) or not path.exists():
        return
    if any(_is_or_holds(other, path) for other in inputs):
        raise UserError(f"{name} is the input, or a file of it; name another file")


def _check_place(name: str, path: pathlib.Path) -> None:
    """Raises UserError unless a file can be made at `path`, or a regular one replaced."""
    target = pathlib.Path(os.path.realpath(path))
    if not os.path.lexists(target.parent):
        raise UserError(f"{name}: there is no folder {shown(str(target.parent))}; make it first")
    if path.is_dir() or not (target.parent.is_dir() and os.access(target.parent, os.W_OK)):
        raise UserError(f"{name} cannot be written; name a file in a folder that can be")
    if target.exists() and not target.is_file():
        raise UserError(f"{name} is a pipe or a device; name a regular file")
    for place in (pathlib.Path(os.path.abspath(path)), target):
        if owner := layout.owner(place):
            raise UserError(f"{name} belongs to what is in {shown(str(owner))}; name another file")


def _same(one: Path, other: Path) -> bool:
    if is_remote(one) or is_remote(other):
        return os.fspath(one) == os.fspath(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _is_or_holds(named: Path, path: pathlib.Path) -> bool:
    """Whether `path` is what is named, by whatever link, or lies in that folder."""
    if is_remote(named) or not named.exists():
        return False
    folders = pathlib.Path(os.path.realpath(path)).parents
    return named.samefile(path) or pathlib.Path(os.path.realpath(named)) in folders
