"""Opens many image files at once, in other processes.

    python -m dull_jax.data.own.decode_workers     (what `inspect_files` starts)

Plain subprocesses instead of `multiprocessing`, which imports the caller's main program again in
each of them, JAX with it, and gives up when a decoder crashes. Batches of paths go in, one JSON
list a line, and a list of `FileInfo` comes out.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import NamedTuple

from dull_jax.data.own import decode

_MODULE = "dull_jax.data.own.decode_workers"
_BATCH = 32
_FEW = 200  # files for which starting processes takes longer than reading


class FileInfo(NamedTuple):
    """What is in a file. `reason` says why it is no usable image, "" if it is; `sha256` is "" if
    the file could not even be read."""

    sha256: str
    width: int
    height: int
    notes: str
    reason: str


def inspect_files(paths: Sequence[str], processes: int = 0) -> Iterator[tuple[int, FileInfo]]:
    """Yields (index, what is in the file) for every path, as they come.

    Args:
      processes: 0 means one for each core this process may use. A few files are read here.
    """
    processes = processes or len(os.sched_getaffinity(0))
    if len(paths) < _FEW or not sys.executable:
        yield from ((index, inspect_file(path)) for index, path in enumerate(paths))
        return
    with _Team() as team, ThreadPoolExecutor(processes) as threads:
        try:
            yield from _spread(paths, processes, threads, team)
        finally:
            threads.shutdown(cancel_futures=True)


def inspect_file(path: str) -> FileInfo:
    """Reads, hashes and decodes a file; whatever is wrong with it is its `reason`."""
    try:
        decode.check_file(path)
        data = pathlib.Path(path).read_bytes()
    except decode.BadImage as error:
        return FileInfo("", 0, 0, "", str(error))
    except (OSError, ValueError) as error:
        return unreadable(error)
    digest = hashlib.sha256(data).hexdigest()
    try:
        width, height, notes = decode.inspect(data, os.path.splitext(path)[1])
    except decode.BadImage as error:
        return FileInfo(digest, 0, 0, "", str(error))
    return FileInfo(digest, width, height, "; ".join(notes), "")


def unreadable(error: Exception) -> FileInfo:
    """What is known of a file that could not be opened."""
    if isinstance(error, FileNotFoundError):
        return FileInfo("", 0, 0, "", "no such file")
    return FileInfo("", 0, 0, "", f"unreadable: {getattr(error, 'strerror', None) or error}")


def _spread(
    paths: Sequence[str], processes: int, threads: ThreadPoolExecutor, team: "_Team"
) -> Iterator[tuple[int, FileInfo]]:
    """Keeps a few batches ahead of every process."""
    starts = iter(range(0, len(paths), _BATCH))
    running = {}
    while True:
        while len(running) < 3 * processes and (start := next(starts, None)) is not None:
            running[threads.submit(team.ask, paths[start : start + _BATCH])] = start
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            start = running.pop(future)
            yield from enumerate(future.result(), start)


class _Team:
    """One process for each thread that asks; a process that dies is replaced."""

    def __init__(self):
        self._own, self._members = threading.local(), []

    def __enter__(self) -> "_Team":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.kill()
            member.communicate()

    def ask(self, paths: Sequence[str]) -> list[FileInfo]:
        member = getattr(self._own, "member", None) or self._start()
        try:
            member.stdin.write(json.dumps(list(paths)) + "\n")
            member.stdin.flush()
            answer = member.stdout.readline()
        except OSError:
            answer = ""
        if answer.endswith("\n"):
            return [FileInfo(*fields) for fields in json.loads(answer)]
        self._own.member = None
        if len(paths) == 1:
            return [FileInfo("", 0, 0, "", "broken: the decoder crashed on it")]
        return [info for path in paths for info in self.ask([path])]

    def _start(self) -> subprocess.Popen:
        home = str(pathlib.Path(__file__).parents[3])  # which holds the package, installed or not
        before = os.environ.get("PYTHONPATH")
        member = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders in C print warnings there
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (home, before)))},
            process_group=0,  # Ctrl-C is for whoever started us
        )
        self._members.append(member)
        if member.stdout.readline() != "ready\n":
            raise RuntimeError(f"{sys.executable} -m {_MODULE} does not start")
        self._own.member = member
        return member


def _work() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps([inspect_file(path) for path in json.loads(line)]), flush=True)


if __name__ == "__main__":
    _work()
