"""What is in many image files: each opened once, with progress, and remembered for next time."""

import os
import pathlib
import time
from collections.abc import Callable, Sequence

from dull_jax.data.own.findings_cache import FindingsCache, Stamp, default_folder
from dull_jax.data.own.inspectors import Finding, inspect_files
from dull_jax.errors import UserError

_EVERY = 3.0  # seconds between lines of progress


def collect(
    root: pathlib.Path,
    paths: Sequence[str],
    say: Callable[[str], None],
    processes: int = 0,
    cache: pathlib.Path | None = None,
) -> list[Finding]:
    """What is in each file, from the cache or from the file itself.

    Args:
      paths: below `root`.
      processes, cache: as in `manifest.scan`.
    """
    known = FindingsCache(cache or default_folder(), root)
    full = [os.path.join(root, path) for path in paths]
    stamps = [_stamp(path) for path in full]
    findings = [known.get(path, stamp) for path, stamp in zip(paths, stamps, strict=True)]
    new = [index for index, finding in enumerate(findings) if finding is None]
    progress = _Progress(len(new), say)
    try:
        for done, finding in inspect_files([full[i] for i in new], processes):
            index = new[done]
            findings[index] = finding
            known.put(paths[index], stamps[index], finding)
            progress.step()
    finally:
        if new:
            _save(known, say)
    return findings


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # whatever it is, opening the file will tell
        return (-1, -1)
    return (status.st_size, status.st_ctime_ns)  # moves count too, unlike for st_mtime_ns


def _save(known: FindingsCache, say: Callable[[str], None]) -> None:
    try:
        known.save()
    except UserError as error:
        say(f"the scan is not remembered: {error}")


class _Progress:
    """A line every few seconds: '12,000 of 100,000 files, 1,500/s, 1 min left'."""

    def __init__(self, total: int, say: Callable[[str], None]):
        self._total, self._say, self._done = total, say, 0
        self._begin = self._shown = time.monotonic()

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._shown < _EVERY:
            return
        self._shown = now
        rate = self._done / (now - self._begin)
        left = (self._total - self._done) / rate
        until = f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left"
        self._say(f"{self._done:,} of {self._total:,} files, {rate:,.0f}/s, {until}")
