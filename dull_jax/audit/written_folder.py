"""A folder of images that an audit writes: whole, or as it was; and never over anybody's work.

It is filled beside its place, under another name, and takes its name when it is complete. A record
in it says what was put there. As long as nothing was added, edited or removed since, the folder
may be written again.

Images are symbolic links to the absolute paths of the originals, which must stay where they are:
who edits a linked image edits the original, who removes a link removes nothing. Copies depend on
nothing. Hard links are not used: a program that edits in place would change the original unseen.
"""

import hashlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.run_dir import layout, overwrite

RECORD = ".dull_jax-written"  # hidden: readers of data sets pass it over
_DRAFT = ".dull_jax-{}.part"


def check(
    target: files.Path, inputs: Sequence[files.Path] = (), output: files.Path | None = None
) -> None:
    """Raises UserError unless it is new, empty, or as an audit left it, and in none of `inputs`.

    Nor may it belong to a run, or be or hold `output`, which gets the results of the audit.
    """
    files.check_local("--apply", os.fspath(target))
    name = f"--apply={shown(str(target))}"
    place = pathlib.Path(os.path.realpath(target))
    for path in inputs:
        if not files.is_remote(path) and _is_or_holds(path, place):
            raise UserError(f"{name} lies in the input {shown(str(path))}; name another")
    if owner := layout.owner(pathlib.Path(os.path.abspath(target))):
        raise UserError(f"{name} belongs to what is in {shown(str(owner))}; name another folder")
    if output is not None and not files.is_remote(output):
        if _is_or_holds(target, pathlib.Path(os.path.realpath(output))):
            raise UserError(f"{name} gets the results of the audit; name another folder")
    if os.path.lexists(place) and not place.is_dir():
        raise UserError(f"{name} is no folder; name a new one")
    if not overwrite.can_be_made(target):
        raise UserError(f"{name} cannot be written; name another folder")
    if not os.path.lexists(place):
        return
    record = place / RECORD
    if record.is_file():
        if record.read_text(errors="replace") != _digest(place):
            raise UserError(f"{name} was changed since an audit wrote it; name a new folder")
    elif any(place.iterdir()):
        raise UserError(f"{name} holds files; name a new folder")


def _is_or_holds(path: files.Path, place: pathlib.Path) -> bool:
    return pathlib.Path(os.path.realpath(path)) in (place, *place.parents)


def write(
    target: files.Path,
    images: Mapping[pathlib.PurePath, str],
    texts: Mapping[pathlib.PurePath, str],
    copy: bool,
) -> None:
    """Puts images and text files at their places below the folder.

    Args:
      images: place -> the original. texts: place -> content.  copy: images, instead of links.

    Raises:
      UserError: see `check`; or it cannot be written, and is as it was.
    """
    check(target)
    place = pathlib.Path(os.path.realpath(target))
    draft = place.with_name(_DRAFT.format(secrets.token_hex(6)))
    try:
        draft.mkdir(parents=True)
        _fill(draft, images, texts, copy)
        (draft / RECORD).write_text(_digest(draft))
        _take_place(draft, place)
    except OSError as error:
        where = shown(str(error.filename2 or error.filename or target))
        hint = "" if copy else "; with --apply_files=copy images are copied, not linked to"
        raise UserError(
            f"--apply={shown(str(target))}: {where}: {error.strerror or error}{hint}"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fill(
    draft: pathlib.Path,
    images: Mapping[pathlib.PurePath, str],
    texts: Mapping[pathlib.PurePath, str],
    copy: bool,
) -> None:
    for folder in {draft / place.parent for place in (*images, *texts)}:
        folder.mkdir(parents=True, exist_ok=True)
    for place, original in images.items():
        os.stat(original)  # a link to what is gone would be made without an error
        if copy:
            shutil.copyfile(original, draft / place)
        else:
            os.symlink(os.path.abspath(original), draft / place)
    for place, text in texts.items():
        (draft / place).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def _take_place(draft: pathlib.Path, place: pathlib.Path) -> None:
    """What an audit left there goes; it was checked."""
    if not (place / RECORD).exists():
        draft.rename(place)  # of an empty folder, too
        return
    old = place.with_name(_DRAFT.format(secrets.token_hex(6)))
    place.rename(old)
    try:
        draft.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old)


def _digest(folder: pathlib.Path) -> str:
    """Another one where a file was added, removed, or changed in size, time or aim."""
    lines = sorted(f"{os.path.relpath(path, folder)}\0{_sign(path)}" for path in _files(folder))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _files(folder: pathlib.Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        yield from (os.path.join(parent, name) for name in (*names, *linked) if name != RECORD)


def _sign(path: str) -> str:
    if os.path.islink(path):
        return os.readlink(path)
    status = os.lstat(path)
    return f"{status.st_size} {status.st_mtime_ns}"
