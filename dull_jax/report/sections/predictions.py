"""What is mistaken for what, and whether confidence can be believed."""

import numpy as np

from dull_jax.report import bars, heatmap
from dull_jax.report.markup import Markup, number, tag
from dull_jax.report.plots import MANY, figure, row
from dull_jax.report.run import Run
from dull_jax.report.sections.data import largest_pairs
from dull_jax.stats.calibration import expected_calibration_error


def section(run: Run) -> Markup | None:
    if not run.has("test_probs", "test_labels") or not len(run.outputs["test_labels"]):
        return None
    counts = confusion(run)
    pairs = largest_pairs(
        run, counts, "Largest confusions", "true → predicted", "No test image was mistaken."
    )
    drawn = row(_confusion(run, counts), pairs, _reliability(run))
    return tag("section", tag("h2", "Confusion and calibration"), drawn, id="confusion")


def confusion(run: Run) -> np.ndarray:
    """`[K, K]` test images, true class by predicted class."""
    found = np.zeros((run.num_classes, run.num_classes), np.int64)
    np.add.at(found, (run.outputs["test_labels"], run.outputs["test_probs"].argmax(1)), 1)
    return found


def _confusion(run: Run, counts: np.ndarray) -> Markup:
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    names = [run.class_name(k) for k in range(run.num_classes)]
    axes = ("true class", "predicted class")
    drawing = heatmap.matrix("Confusion on the test set", shares, names, axes, counts.astype(str))
    small = run.num_classes <= MANY
    said = "Numbers are test images; " if small else "Classes by id; "
    return figure("Confusion on the test set", drawing, said + "colour is the share of the row.")


def _reliability(run: Run) -> Markup:
    probs, labels = run.outputs["test_probs"], run.outputs["test_labels"]
    drawing = bars.reliability("Calibration", probs.max(1), probs.argmax(1) == labels)
    ece = number(expected_calibration_error(probs, labels), 1, "%")
    said = (
        "Accuracy of the predictions of each confidence; on the dashed line both agree, below it "
        "the network is overconfident. Paler bars hold fewer images."
    )
    return figure("Calibration", drawing, said, note=f"ECE {ece}")
