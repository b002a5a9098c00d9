"""Every file of an `ImageIndex` is opened once: what is used of it becomes a `Manifest`.

A second start looks only at sizes and times of change (`scan_cache`).
"""

import os
import pathlib
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from dull_jax.data.own import duplicates
from dull_jax.data.own.decode_workers import FileInfo, inspect_files
from dull_jax.data.own.image_index import ImageIndex, Problem, counted, listed
from dull_jax.data.own.manifest import Manifest
from dull_jax.data.own.scan_cache import ScanCache, Stamp, default_folder
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.progress import Pace, ProgressMeter

_TOLD = 5  # problems told one by one; the manifest's file has them all
_EVERY = 3.0  # seconds between lines of progress


def scan(
    index: ImageIndex,
    say: Callable[[str], None] = print,
    processes: int = 0,
    cache: pathlib.Path | None = None,
) -> Manifest:
    """Opens every file of `index` that is not known from an earlier start, and says so.

    Args:
      processes: 0 means one for each core.
      cache: the folder that remembers; None means `scan_cache.default_folder()`.

    Raises:
      UserError: fewer than two classes have an image to train on.
    """
    infos = inspect_all(index.root, index.paths, say, processes, cache)
    manifest = manifest_of(index, infos)
    for notice in index.notices:
        say(notice)
    _tell(manifest, say)
    _check_classes(manifest)
    return manifest


def manifest_of(index: ImageIndex, infos: Sequence[FileInfo]) -> Manifest:
    """Of the files that are images, each content once; the rest are its problems.

    Args:
      infos: of each file of the index, as from `inspect_all`.
    """
    is_good = np.array([not info.reason for info in infos], bool)
    good = np.flatnonzero(is_good)
    paths = np.array([index.paths[row] for row in good], object)
    contents = np.array([infos[row].sha256[:16] for row in good], "U16")
    labels, splits = index.labels[good], index.splits[good]
    resolved = duplicates.resolve(contents, paths, labels, splits, index.class_names)
    if index.ids is None:
        ids = [c if n == 1 else f"{c}-{n}" for c, n in zip(contents, resolved.copy, strict=True)]
    else:
        ids = [index.ids[row] for row in good]
    columns = {
        "ids": np.array(ids, str),
        "paths": paths,
        "labels": labels.astype(np.int32),
        "splits": splits,
        "heights": np.array([infos[row].height for row in good], np.int32),
        "widths": np.array([infos[row].width for row in good], np.int32),
        "contents": contents,
        "notes": np.array([infos[row].notes for row in good], object),
    }
    bad = [_problem(index, infos[row], row) for row in np.flatnonzero(~is_good)]
    return Manifest(
        root=index.root,
        class_names=index.class_names,
        **{name: column[resolved.used] for name, column in columns.items()},
        problems=(*index.problems, *bad),
        duplicates=resolved.duplicates,
        aside=index.aside,
    )


def _problem(index: ImageIndex, info: FileInfo, row: int) -> Problem:
    """Of a file, at `row` of the index, that is no usable image."""
    return Problem(
        index.paths[row],
        info.reason + index.where(row),
        index.class_names[index.labels[row]],
        str(index.splits[row]),
        is_file=True,
    )


def _tell(manifest: Manifest, say: Callable[[str], None]) -> None:
    for problem in manifest.problems[:_TOLD]:
        say(f"left out: {shown(problem.path)}: {problem.reason}")
    if len(manifest.problems) > _TOLD:
        say(f"left out: {len(manifest.problems) - _TOLD:,} more")
    for group in manifest.duplicates[:_TOLD]:
        say(f"{group.action}: {', '.join(shown(path) for path in group.paths[:4])}")
    if len(manifest.duplicates) > _TOLD:
        say(f"{len(manifest.duplicates) - _TOLD:,} more contents are there several times")
    _tell_notes(manifest, say)


def _tell_notes(manifest: Manifest, say: Callable[[str], None]) -> None:
    """What is odd about images that are used, a line for each kind of it."""
    noted = defaultdict(list)
    for path, notes in zip(manifest.paths, manifest.notes, strict=True):
        for note in filter(None, notes.split("; ")):
            noted[note].append(path)
    for note, paths in sorted(noted.items(), key=lambda item: (-len(item[1]), item[0]))[:_TOLD]:
        say(f"noted of {len(paths):,} image{'s' * (len(paths) > 1)}: {note}: {listed(paths)}")


def _check_classes(manifest: Manifest) -> None:
    trained = np.unique(manifest.labels[manifest.splits != "test"])
    if len(trained) < 2:
        first = manifest.problems[0] if manifest.problems else Problem("", "nothing left")
        lost = all(problem.reason.startswith("no such file") for problem in manifest.problems)
        remedy = "; --config.data.dir names the folder where paths start" if lost else ""
        raise UserError(
            f"{shown(str(manifest.root))}: {len(trained)} of {len(manifest.class_names)} classes "
            f"have usable images, two are needed ({shown(first.path)}: {first.reason})"
            + (counted(manifest.problems) if len(manifest.problems) > 1 and not lost else remedy)
        )


def inspect_all(
    root: pathlib.Path,
    paths: Sequence[str],
    say: Callable[[str], None],
    processes: int = 0,
    cache: pathlib.Path | None = None,
) -> list[FileInfo]:
    """What is in each file, from the cache or from the file itself.

    Args:
      paths: below `root`.
      processes, cache: as in `scan`.
    """
    known = ScanCache(cache or default_folder(), root)
    full = [os.path.join(root, path) for path in paths]
    stamps = [_stamp(path) for path in full]
    infos = [known.get(path, stamp) for path, stamp in zip(paths, stamps, strict=True)]
    new = [row for row, info in enumerate(infos) if info is None]
    meter = ProgressMeter(len(new), _EVERY)
    try:
        for n, info in inspect_files([full[row] for row in new], processes):
            row = new[n]
            infos[row] = info
            known.put(paths[row], stamps[row], info)
            if pace := meter.step():
                say(_progress(pace))
    finally:
        if new:
            _save(known, say)
    return infos


def _progress(pace: Pace) -> str:
    """'12,000 of 100,000 files, 1,500/s, 1 min left'."""
    until = f"{pace.left / 60:.0f} min left" if pace.left >= 90 else f"{pace.left:.0f} s left"
    return f"{pace.done:,} of {pace.total:,} files, {pace.rate:,.0f}/s, {until}"


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # whatever it is, opening the file will tell
        return (-1, -1)
    return (status.st_size, status.st_ctime_ns)  # moves count too, unlike for st_mtime_ns


def _save(known: ScanCache, say: Callable[[str], None]) -> None:
    try:
        known.save()
    except UserError as error:
        say(f"the scan is not remembered: {error}")
