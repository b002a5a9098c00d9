"""`dull_jax.find_label_errors`: labels and what is known of the samples in, P(wrong) out.

With probabilities it is `audit_labels` for labels of any kind. With embeddings alone a linear head
is cross-validated first, as by `dull-jax audit --embeddings`.
"""

import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np

from dull_jax import jax_settings
from dull_jax.api import vectors
from dull_jax.api.vectors import Labels
from dull_jax.audit import crossval, outputs
from dull_jax.audit.prediction_files import as_the_columns_say
from dull_jax.errors import UserError
from dull_jax.stats import column_order, neighbour_graph
from dull_jax.stats.label_audit import LabelAudit, audit_labels

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class LabelErrors:
    """The verdict on N labels, row by row in the order of the input.

    Attributes:
      given: `[N]` classes, of the type of the labels.
      suggested: `[N]` classes, of the type of the labels.
      label_error_prob: float32 `[N]`, P(the given label is wrong).
      flagged: bool `[N]`, whether it is called wrong.
      classes: `[K]`, in the order of the columns of probabilities.
      audit: all else, with classes as numbers: noise, thresholds, expected precision by group.
    """

    given: np.ndarray
    suggested: np.ndarray
    label_error_prob: np.ndarray
    flagged: np.ndarray
    classes: np.ndarray
    audit: LabelAudit

    @property
    def ranked(self) -> np.ndarray:
        """int `[n]`: the rows that are flagged, the likeliest error first."""
        order = np.argsort(-self.label_error_prob, kind="stable")
        return order[self.flagged[order]]

    def columns(self) -> dict[str, np.ndarray]:
        """Name -> `[N]`, for `pandas.DataFrame(found.columns())`."""
        names = ("given", "suggested", "label_error_prob", "flagged")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        count, precision = int(self.flagged.sum()), self.audit.estimated["all"].precision
        expected = f" (expected precision {100 * precision:.0f} %)" if count else ""
        return (
            f"{count:,} of {len(self.given):,} labels look wrong{expected}; "
            f"noise: {self.audit.noise}"
        )


@jax_settings.pinned()
def find_label_errors(
    labels: np.ndarray,
    *,
    pred_probs: np.ndarray | None = None,
    embeddings: np.ndarray | None = None,
    classes: np.ndarray | None = None,
    folds: int = 5,
    epochs: int = 0,
    seed: int = 0,
    max_tail_false_alarms: float | None = None,
    say: Say = print,
) -> LabelErrors:
    """Finds wrong labels by probabilities, by embeddings, or by both, which is best.

    Args:
      labels: `[N]`, numbers or text.
      pred_probs: `[N, K]` p(label | sample), rows sum to 1, each from a model that was not trained
        on its row: `cross_val_predict(…, method="predict_proba")` of scikit-learn, say.
      embeddings: `[N, D]` in which samples that are alike are near; not from a network that was
        trained on these labels.
      classes: `[K]`, the order of the columns. None: the labels that occur, sorted by text or by
        value; names that end in numbers as the columns say, where these tell.
      folds, epochs, seed: of the heads that are cross-validated on embeddings without `pred_probs`;
        0 epochs: chosen.
      max_tail_false_alarms: see `audit_labels`.
      say: receives lines of progress.

    Raises:
      UserError: neither probabilities nor embeddings, or the row that cannot be meant.

    >>> labels = np.array(["cat", "dog", "cat"] * 20)
    >>> looks = np.where(labels == "cat", 0.95, 0.05)
    >>> labels[3] = "dog"
    >>> found = find_label_errors(labels, pred_probs=np.stack([looks, 1 - looks], axis=1))
    >>> found.ranked.tolist(), found.suggested[3].item()
    ([3], 'cat')
    """
    if pred_probs is None and embeddings is None:
        raise UserError("give pred_probs, or embeddings, or both")
    numbered = vectors.numbered(labels, classes)
    if len(numbered.classes) < 2:
        raise UserError("labels are of one class; there is nothing to tell apart")
    if len(numbered.number) > 2 and np.bincount(numbered.number).max() == 1:
        raise UserError(
            f"no class has a second label of the {len(numbered.number):,}: are they ids?"
        )
    if pred_probs is not None:
        numbered = _in_columns(numbered, np.asarray(pred_probs), classes is None, say)
    if embeddings is not None:
        embeddings = vectors.checked(embeddings, len(numbered.number))
        if pred_probs is None:
            pred_probs = _cross_validated(embeddings, numbered, folds, epochs, seed, say)
    found = audit_labels(
        pred_probs,
        numbered.number,
        features=None if embeddings is None else embeddings - embeddings.mean(0),
        class_names=tuple(map(str, numbered.classes.tolist())),
        max_tail_false_alarms=max_tail_false_alarms,
    )
    neighbour_graph.forget()
    return LabelErrors(
        given=numbered.classes[numbered.number],
        suggested=numbered.classes[found.suggested],
        label_error_prob=found.wrong,
        flagged=found.flagged,
        classes=numbered.classes,
        audit=found,
    )


def _in_columns(labels: Labels, probs: np.ndarray, free: bool, say: Say) -> Labels:
    """The classes in the order that the columns are in, as far as these tell; a doubt is said.

    Args:
      free: whether nobody has said what the order is.
    """
    if probs.shape != (len(labels.number), len(labels.classes)):
        return labels  # `audit_labels` says so
    counts = column_order.predicted(probs, labels.number)
    names = tuple(map(str, labels.classes.tolist()))
    settled_by = "classes=[…], in the order of the columns"
    if free:
        ordered, number, counts, notes = as_the_columns_say(
            names, labels.number, counts, settled_by
        )
        for note in notes:
            say(note)
        names, labels = ordered, Labels(labels.classes[[*map(names.index, ordered)]], number)
    if caution := outputs.caution_of(counts, names, settled_by):
        say(caution)
    return labels


def _cross_validated(
    embeddings: np.ndarray, labels: Labels, folds: int, epochs: int, seed: int, say: Say
) -> np.ndarray:
    """float32 `[N, K]`: p(label | sample) by linear heads that have not seen the sample."""
    if vectors.whole("folds", folds) < 2:
        raise UserError(f"folds = {folds}: two are needed, to train on one and predict the other")
    size, width = embeddings.shape
    config = vectors.recipe("ce", size, width, epochs, seed)
    dataset = vectors.dataset_of(config, embeddings, labels)
    contents = np.array([hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in embeddings])
    plan = crossval.planned(config, dataset, contents, folds)
    with tempfile.TemporaryDirectory() as keep:
        return crossval.predictions(plan, pathlib.Path(keep), say)
