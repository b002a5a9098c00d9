"""What a command says: standard output and error, whatever they are connected to.

They may be closed, full, a pipe that nobody reads, a terminal that is gone, or unable to show a
letter. None of that is a reason to stop training, nor to leave with another exit code. And what is
said holds names from outside, so control characters are spelt out: a file name moves no cursor.
"""

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from absl import logging

from dull_jax.errors import reason
from dull_jax.names import harmless


class Stream:
    """Text to `file` for as long as that takes it, then to nobody; no write raises."""

    def __init__(self, file: TextIO | None, name: str, announced: bool = True):
        self._file, self._name, self._announced = file, name, announced
        if hasattr(file, "reconfigure"):
            file.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        if self._file is not None:
            try:
                self._file.write(harmless(text))
            except (OSError, ValueError) as error:  # ValueError: it was closed
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        if self._file is not None:
            try:
                self._file.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def __getattr__(self, name: str) -> Any:  # encoding, isatty, fileno, …
        return getattr(self._file, name)

    def _lose(self, error: Exception) -> None:
        """What is left in its buffer would fail once more when Python ends: it goes nowhere."""
        file, self._file = self._file, None
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
        if self is sys.stdout and self._announced:
            text = reason(error)
            sys.stderr.write(f"{self._name} takes no more ({text}); the work goes on without it\n")
            sys.stderr.flush()


def guard(announced: bool = True) -> None:
    """Puts a `Stream` in place of standard output and standard error.

    Where one is closed, its number would go to the next file that is opened, and libraries that
    print would write into that file: it is opened to nowhere.

    Args:
      announced: whether standard error says so when standard output is lost.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    sys.stdout = Stream(sys.stdout, "standard output", announced)
    sys.stderr = Stream(sys.stderr, "standard error")
    logging.get_absl_handler().python_handler.setStream(sys.stderr)
