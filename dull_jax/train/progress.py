"""Lines of progress: often enough to see it move, seldom enough to read."""

import math
import time
from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

_EVERY = 2.0  # seconds between lines


class Progress:
    """One line at most every two seconds, and always the last epoch's."""

    def __init__(self, config: ConfigDict, epochs_done: int, say: Callable[[str], None]):
        self._method, self._epochs, self._say = config.method, config.train.epochs, say
        self._begin, self._first = time.monotonic(), epochs_done
        self._shown = 0.0

    def show(self, epoch: int, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - self._shown < _EVERY and epoch < self._epochs:
            return
        self._shown = now
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
        left = (now - self._begin) / (epoch - self._first) * (self._epochs - epoch)
        parts.append(f"{duration(left)} left" if left else f"done in {duration(now - self._begin)}")
        self._say("  ".join(parts))


def _whole(value: float | None) -> str:
    """A group without classes has no accuracy."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.0f}"


def duration(seconds: float) -> str:
    """'42 s', '3:20 min', '1:05:00 h'.

    >>> duration(200)
    '3:20 min'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"
