"""Predictions of the given labels by networks that have not seen the sample: cross-validation.

One program serves all folds: they differ in the positions that they train on. A fold that is done
is kept in a file, so that an interrupted audit goes on with the next.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict
from scipy.special import softmax

from dull_jax import config as recipe
from dull_jax import files
from dull_jax.audit.decisions import NO_CLASS, OPEN, REMOVED
from dull_jax.data import draws
from dull_jax.data.dataset import Dataset
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.methods.base import Phase, Stream
from dull_jax.optim import learning_rate
from dull_jax.progress import ProgressMeter
from dull_jax.run_dir import layout
from dull_jax.train import parallel
from dull_jax.train.learner import Learner
from dull_jax.train.train_phase import MetricAccumulator

Say = Callable[[str], None]
_FOLD = re.compile(r"fold_\d+_([0-9a-f]{8})\.npy")  # `layout.fold`, and its key


class Plan(NamedTuple):
    """Who predicts whom.

    Attributes:
      config: the recipe of all networks.
      dataset: with what is known in place of given labels.
      fold_of: int `[N]`.
      usable: bool `[N]`, what to train on; the rest is predicted only.
      key: of the files in which folds are kept; of all that the predictions depend on.
    """

    config: ConfigDict
    dataset: Dataset
    fold_of: np.ndarray
    usable: np.ndarray
    key: str

    @property
    def folds(self) -> int:
        return int(self.fold_of.max()) + 1


def planned(
    config: ConfigDict,
    dataset: Dataset,
    contents: np.ndarray,
    folds: int,
    known: np.ndarray | None = None,
) -> Plan:
    """The folds of a data set.

    Args:
      config: its method should be "ce".
      contents: `[N]`, equal for copies of one image.
      folds: networks trained; fewer where different images are fewer.
      known: int `[N]` of `decisions.Decided`: classes to learn in place of given labels; what is of
        no class, or removed, is predicted only.

    Raises:
      UserError: there is one image only, under several labels, or nothing of a class to learn.
    """
    fold_of = assigned(dataset.train.given, contents, folds, config.seed)
    dataset, usable = _corrected(dataset, known)
    key = _key(config, dataset, contents, np.where(usable, fold_of, -1 - fold_of))
    plan = Plan(config, dataset, fold_of, usable, key)
    if plan.folds < 2:
        raise UserError("all images are copies of one: there is none to learn from what it shows")
    if min(np.count_nonzero(usable & (fold_of != fold)) for fold in range(plan.folds)) == 0:
        raise UserError("(nearly) all samples are of none of the classes: there is none to learn")
    return plan


def predictions(plan: Plan, keep: Path, say: Say = print) -> np.ndarray:
    """float32 `[N, K]`: p(given label | image), each from a network trained without that image.

    Cross entropy with the recipe's network, its start, view, optimiser and number of epochs; the
    true labels have no part in it, nor have the labels of a fold in what is said of it.

    Args:
      keep: folder for what is done of the folds; see `layout.fold`.

    Raises:
      UserError: see `Learner.build`.
    """
    train, fold_of = plan.dataset.train, plan.fold_of
    devices = parallel.Devices(plan.config.train.devices)
    learner = Learner.build(plan.config, plan.dataset, devices)
    folds = plan.folds
    probs = np.zeros((len(fold_of), train.num_classes), np.float32)
    meter = ProgressMeter(folds)
    for fold in range(folds):
        inside, path = np.flatnonzero(fold_of == fold), layout.fold(keep, fold, plan.key)
        predicted = _kept(path, probs[inside].shape)
        if predicted is None:
            _train(learner, np.flatnonzero((fold_of != fold) & plan.usable))
            predicted = softmax(learner.passes.train_logits(inside).astype(np.float64), axis=1)
            with files.whole(path) as file:
                np.save(file, predicted.astype(np.float32), allow_pickle=False)
        probs[inside] = predicted
        right = 100 * float(np.mean(probs[inside].argmax(1) == train.given[inside]))
        meter.step()
        pace = meter.pace()
        say(
            f"fold {fold + 1}/{folds}: {len(inside):,} labels predicted, {right:.1f} % as they "
            f"are; {pace.seconds:.0f} s, about {pace.left:.0f} s left"
        )
    return probs


def remove_others(keep: Path, kept: str) -> None:
    """Removes the folds of earlier audits from the folder: all whose key is not `kept`."""
    for path in list(keep.iterdir()):
        if (found := _FOLD.fullmatch(path.name)) and found[1] != kept:
            path.unlink(missing_ok=True)


def _corrected(dataset: Dataset, known: np.ndarray | None) -> tuple[Dataset, np.ndarray]:
    """`Plan.dataset` and `Plan.usable`."""
    given = dataset.train.given
    if known is None or not (known != OPEN).any():
        return dataset, np.ones(len(given), bool)
    labels = np.where(known >= 0, known, given).astype(given.dtype)
    train = dataclasses.replace(dataset.train, given=labels)
    return dataclasses.replace(dataset, train=train), ~np.isin(known, (NO_CLASS, REMOVED))


def _key(config: ConfigDict, dataset: Dataset, contents: np.ndarray, fold_of: np.ndarray) -> str:
    """8 hex digits of everything that the predictions depend on.

    fold_of: `[N]`; -1 - the fold of what is not learnt.
    """
    about = dataset.description
    parts = (recipe.fingerprint(config), about["data_digest"], about["labels_digest"])
    labels = dataset.train.given.tolist()
    text = "\n".join((*parts, *contents.tolist(), *map(str, (*fold_of.tolist(), *labels))))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _kept(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The predictions of a fold that is done; None where it is not, or its file is damaged."""
    try:
        with path.open("rb") as file:
            probs = np.load(file, allow_pickle=False)
    except Exception:  # a damaged header fails in many ways; none of them runs code
        return None
    sound = isinstance(probs, np.ndarray) and (probs.shape, probs.dtype) == (shape, np.float32)
    return probs if sound else None


def _train(learner: Learner, indices: np.ndarray) -> None:
    """A fresh network, trained on the samples at these indices."""
    learner.networks.reset()
    learner.networks.load_initial_weights(lambda text: None)
    train = learner.config.train
    phase = Phase("ce", {"main": Stream(indices, (train.view,), train.batch_size)})
    for epoch in range(train.epochs):
        lr = learning_rate(learner.config, epoch)
        for _ in learner.phases.train_phase(phase, epoch, 0, lr, MetricAccumulator()):
            pass


def assigned(given: np.ndarray, contents: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """int `[N]`: a fold for every sample, each class spread evenly over the folds.

    Copies of one image stay together: one would tell the label of the other. No fold is empty:
    there are fewer than `folds` where different images are fewer.
    """
    rng, fold_of = draws.generator(seed, "folds"), np.empty(len(given), np.int64)
    first = 0  # goes on from class to class, so that small classes do not all begin in fold 0
    for label in np.unique(given):
        members = rng.permutation(np.flatnonzero(given == label))
        fold_of[members] = (first + np.arange(len(members))) % folds
        first += len(members)
    _, leader, copies = np.unique(contents, return_index=True, return_inverse=True)
    return np.unique(fold_of[leader][copies], return_inverse=True)[1]
