"""What is scored: test accuracy, calibration, and how well the wrong labels are found."""

import numpy as np
from scipy.special import softmax

from dull_jax.stats import metrics
from dull_jax.stats.calibration import expected_calibration_error
from dull_jax.train.epoch_run import EpochRun
from dull_jax.train.learner import Learner
from dull_jax.train.result import Evaluation


def evaluate(learner: Learner, run: EpochRun) -> tuple[Evaluation, dict[str, float]]:
    """The networks as they are now: (what a result is written from, what is logged of it).

    Args:
      run: the last epoch's; from what it holds and observes the method judges the labels.
    """
    dataset, classes = learner.dataset, learner.dataset.train.num_classes
    probs = softmax(learner.passes.test_logits().astype(np.float64), axis=1)
    truth, predicted = dataset.test.labels, probs.argmax(1)
    test = metrics.accuracy(predicted, truth, classes, dataset.groups)
    test["ece"] = expected_calibration_error(probs, truth)
    by_class = metrics.class_accuracy(predicted, truth, classes)
    score, suggested = learner.method.score_labels(run)
    known = dataset.truth_known
    labels = _score_labels(learner, run, score, suggested) if known else {}
    values = {f"test/{k}": v for k, v in test.items()} | _score_holdout(learner)
    values |= {f"labels/{k}": v for k, v in labels.items()}
    return Evaluation(test, labels, by_class, probs, score, suggested), values


def _score_labels(
    learner: Learner, run: EpochRun, score: np.ndarray, suggested: np.ndarray
) -> dict[str, float]:
    """How well the wrong labels are found, where it is known which they are."""
    dataset = learner.dataset
    given, clean, groups = dataset.train.given, dataset.clean, dataset.groups
    values = metrics.wrong_labels(score, given, clean, groups)
    values |= metrics.suggestions(suggested, given, clean, groups)
    diagnostics = learner.method.diagnostics(learner.networks.states, run.memory)
    estimate = diagnostics.get("transition_estimate")
    if estimate is not None:
        realised = np.array(dataset.description["transition"], np.float64)  # null becomes nan
        values["transition_distance"] = metrics.transition_distance(estimate, realised)
    return values


def _score_holdout(learner: Learner) -> dict[str, float]:
    """Agreement with the noisy labels held out: what settings may be chosen by."""
    given = learner.dataset.holdout.given
    if not len(given):
        return {}
    predicted = learner.passes.holdout_logits().argmax(1)
    by_class = metrics.class_accuracy(predicted, given, learner.dataset.train.num_classes)
    agreement = 100 * float(np.mean(predicted == given))
    return {"holdout/accuracy": agreement, "holdout/class_mean": float(np.nanmean(by_class))}
