"""What is measured: accuracy by class and group, and how well wrong labels are found.

Array in, numbers out; a number that is undefined (no example of a group) is nan.
"""

from collections.abc import Mapping, Sequence

import numpy as np


def class_accuracy(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """`[K]`, percent of the examples of each class that are predicted right.

    >>> class_accuracy(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    array([100.,  50.,  nan])
    """
    right = np.bincount(labels[predicted == labels], minlength=num_classes)
    with np.errstate(invalid="ignore"):
        return 100 * right / np.bincount(labels, minlength=num_classes)


def accuracy(
    predicted: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    groups: Mapping[str, Sequence[int]],
) -> dict[str, float]:
    """Top-1 over all examples and within each group, percent: {'accuracy', 'head', …}."""
    right = predicted == labels
    scores = {"accuracy": 100 * float(right.mean()) if len(labels) else float("nan")}
    for group, classes in groups.items():
        inside = np.isin(labels, classes)
        scores[group] = 100 * float(right[inside].mean()) if inside.any() else float("nan")
    return scores


def wrong_labels(
    score: np.ndarray,
    given: np.ndarray,
    clean: np.ndarray,
    groups: Mapping[str, Sequence[int]],
    threshold: float = 0.5,
) -> dict[str, float]:
    """How well `score` finds the labels that are wrong.

    Args:
      score: `[N]`, larger means more likely wrong.
      given, clean: `[N]` labels given and true.
      groups: group -> class ids.
      threshold: a label is flagged when its score exceeds this.

    Returns:
      precision, recall, auroc in [0, 1]; by group of the true class `false_alarm_<group>` (share
      of its rightly labelled samples that are flagged) and `recall_by_true_<group>`; by group of
      the given class `precision_by_given_<group>` and `auroc_by_given_<group>`.
    """
    wrong, flagged = given != clean, score > threshold
    scores = {
        "precision": _share(wrong, flagged),
        "recall": _share(flagged, wrong),
        "auroc": _auroc(wrong, score),
    }
    for group, classes in groups.items():
        true_in, given_in = np.isin(clean, classes), np.isin(given, classes)
        scores[f"false_alarm_{group}"] = _share(flagged, ~wrong & true_in)
        scores[f"recall_by_true_{group}"] = _share(flagged, wrong & true_in)
        scores[f"precision_by_given_{group}"] = _share(wrong, flagged & given_in)
        scores[f"auroc_by_given_{group}"] = _auroc(wrong[given_in], score[given_in])
    return scores


def suggestions(
    suggested: np.ndarray,
    given: np.ndarray,
    clean: np.ndarray,
    groups: Mapping[str, Sequence[int]],
) -> dict[str, float]:
    """How often the label that is suggested for a sample is its true one, in [0, 1].

    Args:
      suggested, given, clean: `[N]` labels suggested, given and true.
      groups: group -> class ids.

    Returns:
      suggested_right, suggested_right_of_wrong (among the samples whose given label is wrong), and
      both by group of the true class, `suggested_right_<group>`.
    """
    right, wrong = suggested == clean, given != clean
    everyone = np.ones_like(wrong)
    members = {"": everyone} | {f"_{g}": np.isin(clean, ids) for g, ids in groups.items()}
    scores = {f"suggested_right{name}": _share(right, inside) for name, inside in members.items()}
    return scores | {
        f"suggested_right_of_wrong{name}": _share(right, wrong & inside)
        for name, inside in members.items()
    }


def transition_distance(estimate: np.ndarray, realised: np.ndarray) -> float:
    """Between two label transitions `[K, K]`, P(given j | true i): total variation, class mean.

    Rows sum to 1; rows of nan in `realised` (classes without a sample) do not count. In [0, 1].

    >>> round(transition_distance(np.eye(2), np.array([[0.8, 0.2], [0.0, 1.0]])), 3)
    0.1
    """
    return float(np.nanmean(np.abs(estimate - realised).sum(1)) / 2)


def _auroc(wrong: np.ndarray, score: np.ndarray) -> float:
    if wrong.all() or not wrong.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score  # here: a second that wrong flags need not wait for

    return float(roc_auc_score(wrong, score))


def _share(what: np.ndarray, among: np.ndarray) -> float:
    return float(what[among].mean()) if among.any() else float("nan")
