"""Lines about epochs while a run trains."""

import math
from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

from dull_jax.progress import ProgressMeter, duration


class Progress:
    """A line every few seconds, and always that of the first epoch and of the last."""

    def __init__(self, config: ConfigDict, epochs_done: int, say: Callable[[str], None]):
        self._method, self._epochs, self._say = config.method, config.train.epochs, say
        self._meter, self._first = ProgressMeter(self._epochs, done=epochs_done), epochs_done + 1

    def show(self, epoch: int, values: Mapping[str, float]) -> None:
        pace = self._meter.step(always=epoch in (self._first, self._epochs))
        if not pace:
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
        left, seconds = duration(pace.left), duration(pace.seconds)
        parts.append(f"{left} left" if pace.left else f"done in {seconds}")
        self._say("  ".join(parts))


def _whole(value: float | None) -> str:
    """A group without classes has no accuracy."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.0f}"
