"""Lines about epochs while a run trains."""

import math
import time
from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

from dull_jax.progress import ProgressMeter, duration


class Progress:
    """A line every few seconds, and always that of the first epoch and of the last.

    The first epoch compiles, so what it says of the time left is an upper bound, and no later line
    counts it.
    """

    def __init__(self, config: ConfigDict, epochs_done: int, say: Callable[[str], None]):
        self._method, self._epochs, self._say = config.method, config.train.epochs, say
        self._meter, self._first = ProgressMeter(self._epochs, done=epochs_done), epochs_done + 1
        self._began = time.monotonic()

    def show(self, epoch: int, values: Mapping[str, float]) -> None:
        pace = self._meter.step(always=epoch in (self._first, self._epochs))
        if not pace:
            return
        if epoch == self._first:
            self._meter = ProgressMeter(self._epochs, done=epoch)
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
        parts.append(self._time(epoch, pace.left))
        self._say("  ".join(parts))

    def _time(self, epoch: int, left: float) -> str:
        if epoch == self._epochs:
            return f"done in {duration(time.monotonic() - self._began)}"
        return f"{'at most ' if epoch == self._first else ''}{duration(left)} left"


def _whole(value: float | None) -> str:
    """A group without classes has no accuracy."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.0f}"
