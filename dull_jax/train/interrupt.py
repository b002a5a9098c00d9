"""A signal asks for a stop: training stops at its next step boundary, after saving.

Anything else stops where it is. Either way the process leaves once: what comes after the first
signal changes nothing, neither the save under way nor the exit code.
"""

import signal
import time
from types import FrameType

# A terminal that is closed sends SIGHUP.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SWALLOWED = 10.0  # seconds after which the first KeyboardInterrupt must have been lost

_leaving_since = 0.0  # time.monotonic of the signal for which this process leaves; 0: none


def _taken() -> tuple[signal.Signals, ...]:
    """The signals to be handled: under `nohup` a closed terminal is to change nothing."""
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return SIGNALS[:2] if nohup else SIGNALS


def raise_once() -> None:
    """Makes the first signal a KeyboardInterrupt, outside of an `Interrupt`.

    Python drops an exception that comes inside a destructor, say; hence one more after a while.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        global _leaving_since
        now = time.monotonic()
        if not _leaving_since or now - _leaving_since > _SWALLOWED:
            _leaving_since = now
            raise KeyboardInterrupt

    for number in _taken():
        signal.signal(number, handle)


def ignore_all() -> None:
    """For the end of a process: Python gives handlers up before it ends, but not this."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Interrupt:
    """Within it the first signal is only noted, and further ones do nothing."""

    signal = 0  # the first one's number

    def __enter__(self) -> "Interrupt":
        self._before = {}
        for number in _taken():
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: a notebook's helper, a test
                break
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        global _leaving_since
        if not self.signal:
            self.signal, _leaving_since = number, time.monotonic()
