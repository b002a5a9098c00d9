"""Lines about epochs while a run trains."""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

from dull_jax.progress import ProgressMeter, duration

_LATEST = 9  # epochs that the time left is estimated from


class Progress:
    """A line every few seconds, and always that of the first epoch and of the last.

    The time left is that of the median among the latest epochs: some compile, and take a hundred
    times as long. The first one does, so what it says is an upper bound.
    """

    def __init__(
        self, config: ConfigDict, epochs_done: int, say: Callable[[str], None], spent: float = 0.0
    ):
        """spent: seconds that an earlier start has trained in the epoch after `epochs_done`."""
        self._method, self._epochs, self._say = config.method, config.train.epochs, say
        self._meter, self._first = ProgressMeter(self._epochs, done=epochs_done), epochs_done + 1
        self._began = time.monotonic()
        self._ended = self._began - spent
        self._seconds: deque[float] = deque(maxlen=_LATEST)

    def show(self, epoch: int, values: Mapping[str, float]) -> None:
        before, self._ended = self._ended, time.monotonic()
        self._seconds.append(self._ended - before)
        if not self._meter.step(always=epoch in (self._first, self._epochs)):
            return
        parts = [f"{self._method}  epoch {epoch:>{len(str(self._epochs))}}/{self._epochs}"]
        parts.append(f"loss {values.get('train/loss', float('nan')):.3f}")
        if "test/accuracy" in values:
            parts.append("test {:.1f} %".format(values["test/accuracy"]))
            parts.append(
                "head/medium/tail "
                + "/".join(
                    _whole(values.get(f"test/{group}")) for group in ("head", "medium", "tail")
                )
            )
        if "labels/auroc" in values:
            parts.append("wrong labels AUROC {:.2f}".format(values["labels/auroc"]))
        parts.append(f"{values['time/images_per_second']:,.0f} images/s")
        parts.append(self._time(epoch))
        self._say("  ".join(parts))

    def _time(self, epoch: int) -> str:
        if epoch == self._epochs:
            return f"done in {duration(self._ended - self._began)}"
        left = duration(statistics.median_low(self._seconds) * (self._epochs - epoch))
        return f"at most {left} left" if epoch == self._first else f"{left} left"


def _whole(value: float | None) -> str:
    """A group without classes has no accuracy."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.0f}"
