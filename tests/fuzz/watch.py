"""What a reader must not do while it reads: write a file, start a program, unpickle, hang."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 20  # of computing: far above what any input takes, whatever else the machine does
_WAITING = 600  # and where nothing is computed
_CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen"),
    *("socket.connect", "shutil.rmtree", "shutil.move"),
}
_armed: list[str] = []  # the globals that an unpickler may ask for, while a reader is at work
_seen: list[str] = []


class Hang(BaseException):
    """No `except Exception` of a reader may take it for a damaged file."""


@contextmanager
def watched(unpickles: bool = False) -> Iterator[None]:
    """Raises Hang where it hangs; AssertionError if something was changed, started, unpickled."""
    _seen.clear()
    before = {number: signal.signal(number, _hangs) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(_WAITING)
    _armed.append("pickle.find_class" if not unpickles else "")
    try:
        yield
    finally:
        _armed.clear()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not _seen, _seen


@contextmanager
def unwatched() -> Iterator[None]:
    """What a test itself writes in between."""
    held = _armed.copy()
    _armed.clear()
    try:
        yield
    finally:
        _armed.extend(held)


def _hangs(*_: object) -> None:
    raise Hang(f"more than {SECONDS} seconds of computing, or {_WAITING} of waiting")


def _hook(event: str, arguments: tuple) -> None:
    if not _armed:
        return
    if event == "open" and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            _seen.append(f"open {arguments[0]!r} to write")
    elif event in _CHANGES or event == _armed[0]:
        _seen.append(f"{event}{arguments!r}")


sys.addaudithook(_hook)
