"""Memory that threads share: who wants more than is left waits until others are done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ByteBudget:
    """At most `most` bytes are held at any time. A thread holds once at a time: no deadlock."""

    def __init__(self, most: int):
        self.most = self._left = most
        self._changed = threading.Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Waits for `size` bytes, which are given back at the end.

        Raises:
          ValueError: there will never be so many.
        """
        if size > self.most:
            raise ValueError(f"{size} bytes of {self.most}")
        with self._changed:
            self._changed.wait_for(lambda: size <= self._left)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()
