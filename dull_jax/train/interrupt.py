"""A signal asks for a stop; the run stops at its next step boundary, after saving."""

import signal
from types import FrameType


class Interrupt:
    """Within it SIGTERM and SIGINT only set `asked`; a second SIGINT stops at once."""

    asked = 0  # the signal's number

    def __enter__(self) -> "Interrupt":
        self._before = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: a notebook's helper, a test
                break
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = number
