"""What is mistaken for what, and whether confidence can be believed."""

import numpy as np
from markupsafe import Markup

from dull_jax.report import bars, blocks, heatmap
from dull_jax.report.charts import MANY
from dull_jax.report.numbers import number
from dull_jax.report.pairs import largest_pairs
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.stats.calibration import expected_calibration_error

TITLE, ORDER = "Confusion and calibration", 50
OWN = Place(30, "What it mistakes for what", "Confusion")


def content(run: Run) -> list | None:
    if not run.has("test_probs", "test_labels") or not len(run.outputs["test_labels"]):
        return None
    counts = confusion(run)
    note = "given → predicted" if run.in_doubt else "true → predicted"
    pairs = largest_pairs(run, counts, "Largest confusions", note, "No test image was mistaken.")
    return [blocks.row([_confusion(run, counts), pairs, _reliability(run)])]


def confusion(run: Run) -> np.ndarray:
    """`[K, K]` test images, true class by predicted class."""
    counts = np.zeros((run.num_classes, run.num_classes), np.int64)
    np.add.at(counts, (run.outputs["test_labels"], run.outputs["test_probs"].argmax(1)), 1)
    return counts


def _confusion(run: Run, counts: np.ndarray) -> Markup:
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    names = [run.class_name(k) for k in range(run.num_classes)]
    title, axes = "Confusion on the test set", (_labels(run), "predicted class")
    drawing = heatmap.matrix(title, shares, names, axes, counts.astype(str))
    numbers = "Numbers are test images" if run.num_classes <= MANY else "Classes by id"
    return blocks.figure(title, drawing, f"{numbers}; colour is the share of the row.")


def _labels(run: Run) -> str:
    """What the labels of the test set are."""
    return "given label" if run.in_doubt else "true class"


def _reliability(run: Run) -> Markup:
    probs, labels = run.outputs["test_probs"], run.outputs["test_labels"]
    drawing = bars.reliability("Calibration", probs.max(1), probs.argmax(1) == labels)
    ece = number(expected_calibration_error(probs, labels), 1, "%")
    caption = (
        "Accuracy of the predictions of each confidence; on the dashed line both agree, below it "
        "the network is overconfident. Paler bars hold fewer images."
    )
    return blocks.figure("Calibration", drawing, caption, f"ECE {ece}")
