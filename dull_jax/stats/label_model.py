"""DULL's label model: the posterior of every true label, epoch by epoch.

  1. A teacher's class-balanced predictions are averaged over epochs, so that no single epoch's
     opinion decides (`Estimator.average`).
  2. The label noise: a transition T and the true class shares (`noise_structure`, or EM in
     `transition`).
  3. By Bayes the posterior of every true label, from the averaged predictions, what the sample's
     neighbours say of it (`neighbour_posterior`), and the given label read through T.

Or, where features are frozen and tell more than a teacher who has seen the labels: 2. and 3. at
once by the label model of audits (`label_evidence`, `label_error_model`), if noise depends on the
class. Where it depends on the image, the posterior is the mean of an audit's and of EM's (a linear
opinion pool): no transition describes such noise, but EM leans on what was learnt.

Arrays in, arrays out: an `Estimator` holds settings, a `State` all that is carried along, and
nothing is changed in place. N samples, K classes.
"""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
from scipy.special import softmax

from dull_jax.stats import (
    label_error_model,
    label_evidence,
    mixture,
    neighbour_posterior,
    noise_structure,
    transition,
)
from dull_jax.stats.transition import LabelModel

RENAMED = 0.1  # largest share of samples in classes that were taken for one another


class State(NamedTuple):
    """float32 arrays, under the names that they have in a checkpoint."""

    probs: np.ndarray  # [N, K] class-balanced predictions, discounted sum over epochs
    temperature: np.ndarray  # [] of predictions, chosen with the noise; 1 unless structured, or 0:
    # the posterior is that of an audit, and stays
    weight: np.ndarray  # [] discounted number of epochs in `probs`
    posterior: np.ndarray  # [N, K] P(true label); 0 before the first `Estimator.update`
    transition: np.ndarray  # [K, K] P(given j | true i)
    prior: np.ndarray  # [K] true class shares
    audited: np.ndarray  # [N, K] posterior of an audit where noise depends on the image, or zeros;
    # [0, K] unless audits are asked

    @property
    def noise(self) -> LabelModel:
        return LabelModel(self.transition, self.prior)

    @property
    def mean_probs(self) -> np.ndarray:
        """`[N, K]`, rows sum to 1. Of no use before the first `Estimator.average`."""
        return self.probs / self.weight


@dataclasses.dataclass(frozen=True)
class Estimator:
    """The settings of a label model.

    given: `[N]` int labels. noise: how T is estimated; 'structured': among few parameters, once,
    on the first update; 'free': by EM on every update; 'none': T stays what is expected of it
    (`transition.headward_pseudo_counts`); 'audit': as audits do, once, on the first update, or
    the mean of theirs and 'free' where they find noise that depends on the image.
    strength: pseudo-counts per image, of 'free' and 'none', and of EM beside 'audit'. decay: of an
    epoch's predictions from one epoch to the next. neighbours: whether they are asked.
    """

    given: np.ndarray
    num_classes: int
    noise: str
    strength: float
    decay: float
    neighbours: bool

    @property
    def uses_features(self) -> bool:
        """Whether neighbours are asked: there are at least two others."""
        return self.neighbours and len(self.given) > 2

    @property
    def _given_counts(self) -> np.ndarray:
        return np.bincount(self.given, minlength=self.num_classes)

    def init(self) -> State:
        """Nothing seen: no noise, and the shares of the given labels."""
        size, classes = len(self.given), self.num_classes
        return State(
            probs=np.zeros((size, classes), np.float32),
            temperature=np.ones((), np.float32),
            weight=np.zeros((), np.float32),
            posterior=np.zeros((size, classes), np.float32),
            transition=np.eye(classes, dtype=np.float32),
            prior=float32_shares(self._given_counts),
            audited=np.zeros((size if self.noise == "audit" else 0, classes), np.float32),
        )

    def average(self, state: State, logits: np.ndarray) -> State:
        """1. An epoch's class-balanced predictions, logits `[N, K]`, join the average."""
        decay = np.float32(self.decay)
        return state._replace(
            probs=decay * state.probs + softmax(logits, axis=1),
            weight=decay * state.weight + np.float32(1),
        )

    def update(self, state: State, logits: np.ndarray, features: np.ndarray | None = None) -> State:
        """2. and 3. The noise and the posterior, after the epoch was averaged.

        A posterior that takes classes for one another is not believed: of few classes their labels
        stay as given; where it is of many samples the state stays as it was, and the posterior,
        if there is none yet, is empty: training has to go on before labels can be doubted.

        Args:
          logits: `[N, K]`, the epoch's, class-balanced.  features: `[N, C]`, needed if
            `uses_features`.

        Raises:
          UserError: of `neighbour_graph.nearest`.
        """
        updated = self._updated(state, logits, features)
        if updated is state:  # an audit's posterior, looked at when it was made
            return state
        renamed = transition.renamed_classes(updated.posterior, self.given)[self.given]
        if renamed.mean() > RENAMED:
            return state
        if renamed.any():
            posterior = updated.posterior.copy()
            posterior[renamed] = np.eye(self.num_classes, dtype=np.float32)[self.given[renamed]]
            updated = updated._replace(posterior=posterior)
        return updated

    def _updated(self, state: State, logits: np.ndarray, features: np.ndarray | None) -> State:
        """`update`, whatever the classes are called."""
        if self.noise == "audit":
            if not state.posterior.any():
                state = self._judge(state, logits, features)
            if not state.temperature:
                return state
        if self.noise != "structured":
            state = self._fit_transition(state)
        elif not state.posterior.any():
            state = self._search_structure(state, logits)
        noise = state.noise
        evidence: jax.Array | np.ndarray = state.mean_probs
        if self.uses_features:
            assert features is not None  # as the docstring asks
            others = neighbour_posterior.leave_one_out(features, self.given, noise)
            evidence = neighbour_posterior.combined(evidence, others.probs, state.temperature)
        posterior = np.asarray(transition.label_posterior(evidence, self.given, noise))
        if state.audited.any():
            posterior = (posterior + state.audited) / 2
        return state._replace(posterior=posterior)

    def _judge(self, state: State, logits: np.ndarray, features: np.ndarray | None) -> State:
        """2. and 3. as audits do, from the features, or the warm-up's last predictions without any.

        Where noise depends on the image, their posterior is kept for `_updated` to pool.
        """
        names = [str(k) for k in range(self.num_classes)]
        probs = None
        if features is None:
            probs = self._of_given_labels(logits)
        else:  # they are better judges than a teacher that has seen the labels
            features = features - features.mean(0)
        evidence, _ = label_evidence.gathered(probs, self.given, features, names, None)
        judged = label_error_model.judged(evidence, keep=True)
        if judged.noise.startswith("none"):
            return state
        assert judged.posterior is not None  # kept
        if judged.noise.startswith("image"):
            return state._replace(audited=judged.posterior)
        return state._replace(
            temperature=np.zeros((), np.float32),
            posterior=judged.posterior,
            transition=judged.transition.astype(np.float32),
            prior=judged.prior.astype(np.float32),
        )

    def _of_given_labels(self, logits: np.ndarray) -> np.ndarray:
        """`[N, K]` predictions of the given labels, from class-balanced logits."""
        return softmax(logits + np.log(float32_shares(self._given_counts)), axis=1)

    def _fit_transition(self, state: State) -> State:
        """2. A free T by EM from the averaged predictions, or none: what is expected of it."""
        counts = self._given_counts.astype(np.float32)
        pseudo_counts = transition.headward_pseudo_counts(counts, self.strength)
        iterations = 0 if self.noise == "none" else 30
        noise = transition.estimate(state.mean_probs, self.given, pseudo_counts, iterations)
        return state._replace(
            transition=np.asarray(noise.transition), prior=np.asarray(noise.prior)
        )

    def _search_structure(self, state: State, logits: np.ndarray) -> State:
        """2. Once, on predictions of the given labels; the average is freed from the noise.

        They are the warm-up's last, on what it trained on: it should end before it has memorised
        them. Those of earlier epochs say less.
        """
        noise, clean_probs = noise_structure.estimate(self._of_given_labels(logits), self.given)
        balanced = clean_probs / noise.model.prior
        return state._replace(
            probs=state.weight * balanced / balanced.sum(1, keepdims=True),
            temperature=np.array(noise.temperature, np.float32),
            transition=np.asarray(noise.model.transition),
            prior=np.asarray(noise.model.prior),
        )

    # What follows from a state -----------------------------------------------------------------

    def of_given(self, table: np.ndarray) -> np.ndarray:
        """`[N]`: the entry of each row of a table `[N, K]` at the given label."""
        return table[np.arange(len(self.given)), self.given]

    def label_error_prob(self, state: State) -> np.ndarray:
        """`[N]`: P(the given label is wrong)."""
        return 1 - self.of_given(state.posterior)

    def diagnostics(self, state: State, logits: np.ndarray) -> dict[str, float]:
        """What the posterior doubts, and the usual small-loss split (two components a class).

        `doubted_given` is what the plain path, where nothing is masked, still gives to the labels
        that are doubted, weighed by how much: at 1/K or less there is nothing to unlearn.

        Args:
          logits: `[N, K]` of the plain path, the epoch's.
        """
        loss = -np.log(self.of_given(state.probs) / state.weight + 1e-8)
        split = mixture.fit(loss, self.given, self.num_classes, normalize=True)
        believed = self.of_given(state.posterior)
        plain = self.of_given(softmax(logits, axis=1))
        return {
            "doubted": float(np.mean(believed < 0.5)),
            "doubted_given": float(np.average(plain, weights=1 - believed + 1e-8)),
            "doubted_by_small_loss": float(np.mean(np.asarray(split.posterior_low) < 0.5)),
            "posterior_confidence": float(state.posterior.max(1).mean()),
            "noise_rate": float(1 - state.prior @ state.transition.diagonal()),
        }


def float32_shares(counts: np.ndarray) -> np.ndarray:
    """float32 `[K]`: `transition.class_shares`."""
    return transition.class_shares(counts).astype(np.float32)
