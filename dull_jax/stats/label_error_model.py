"""P(wrong) of every label, under the noise that explains the labels.

Either noise that depends on the class alone (`noise_structure`), undone by Bayes' rule, or noise
that depends on the image (`image_noise`). N samples, K classes.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from dull_jax.stats import (
    image_noise,
    noise_structure,
    noise_undone,
    opinion_pool,
    temperature_scaling,
)
from dull_jax.stats.label_evidence import Block, Evidence
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel, label_posterior

Blocks = Callable[[], Iterator[Block]]


class PosteriorModel(NamedTuple):
    """All that the posterior of a row depends on, under noise that depends on the class."""

    noise: Noise
    model: LabelModel
    scaling: Scaling
    size: int  # samples that the class shares are counted on


class Judged(NamedTuple):
    """What is found of N labels, before thresholds."""

    noise: str  # kind and amount
    gain: float
    transition: np.ndarray  # [K, K]
    prior: np.ndarray  # [K]
    wrong: np.ndarray  # float32 [N], P(wrong)
    other: np.ndarray  # int32 [N], the likeliest other class
    part: np.ndarray  # float32 [N], P(it is right) / P(wrong)
    candidates: np.ndarray  # int32 [N, n], the likeliest classes, the likeliest first
    posterior: np.ndarray | None  # float32 [N, K]


class _Verdicts:
    """Arrays of all rows, filled block by block."""

    def __init__(self, evidence: Evidence, keep: bool, candidates: int):
        size, num_classes = len(evidence.given), evidence.num_classes
        self.wrong, self.part = np.empty(size, np.float32), np.empty(size, np.float32)
        self.other = np.empty(size, np.int32)
        self.candidates = np.empty((size, min(candidates, num_classes)), np.int32)
        self.posterior = np.empty((size, num_classes), np.float32) if keep else None

    def rank(self, here: slice, probs: np.ndarray) -> None:
        """The likeliest classes of a block's rows."""
        if most := self.candidates.shape[1]:
            best = np.argpartition(-probs, most - 1, axis=1)[:, :most]
            order = np.argsort(-np.take_along_axis(probs, best, 1), axis=1, kind="stable")
            self.candidates[here] = np.take_along_axis(best, order, 1)

    def corrected(self, given: np.ndarray) -> np.ndarray:
        """int32 `[N]`: another class where that is likely, else the given one."""
        return np.where(self.wrong * self.part > image_noise.LIKELY, self.other, given)


class _Searched(NamedTuple):
    """The noise that was sought, and the samples on which it was."""

    rows: np.ndarray  # int [n], their positions
    agreement: float  # of the opinions of them
    seen: np.ndarray  # p(given | x) [n, K]
    noise: noise_structure.NoiseEstimate | None  # None: it depends on the image


def judged(evidence: Evidence, keep: bool, candidates: int = 0) -> Judged:
    """Every label under the noise that explains them.

    Args:
      keep: whether to keep the posterior.  candidates: how many likely classes to keep.
    """
    searched, out = _searched(evidence), _Verdicts(evidence, keep, candidates)
    if searched.noise is None:
        return _by_image(evidence, searched, out)
    return _by_class(evidence, searched, out)


def _searched(evidence: Evidence) -> _Searched:
    size, num_classes = len(evidence.given), evidence.num_classes
    rows = noise_structure.searched(size, num_classes)
    opinions, labels = evidence.opinions(rows), evidence.given[rows]
    seen = evidence.pooled(opinions)
    counts = np.bincount(evidence.given, minlength=num_classes)
    noise = noise_structure.class_conditional(
        *(seen, labels, counts, temperature_scaling.likelihood_gain),
        counted=image_noise.counted(seen, labels).rate,
    )
    return _Searched(rows, opinion_pool.agreement(opinions), seen, noise)


def _by_class(evidence: Evidence, searched: _Searched, out: _Verdicts) -> Judged:
    """Noise that depends on the class: Bayes, row by row."""
    noise = searched.noise
    assert noise is not None  # asked before
    labels = evidence.given[searched.rows]
    clean = noise_undone.clean_probs(searched.seen, noise.noise)
    scaling = temperature_scaling.fit(clean, labels, noise.model, noise.temperature)
    model = PosteriorModel(noise.noise, noise.model, scaling, len(evidence.given))
    mass = np.zeros(evidence.num_classes)
    posterior_model = jax.device_put(model)
    for here, probs, given in evidence.blocks():
        posterior = np.array(posterior_of(probs, given, posterior_model))
        if out.posterior is not None:
            out.posterior[here] = posterior
        mass += posterior.sum(0, dtype=np.float64)
        out.rank(here, posterior)
        rows = np.arange(len(given))
        own = posterior[rows, given]
        posterior[rows, given] = -1
        out.other[here] = posterior.argmax(1)
        out.wrong[here] = np.clip(1 - own, 0, 1)
        others = np.maximum(out.wrong[here], np.finfo(np.float32).tiny)
        out.part[here] = np.clip(posterior[rows, out.other[here]] / others, 0, 1)
    table = np.asarray(noise.model.transition)
    prior = mass / len(evidence.given)
    kept = out.wrong, out.other, out.part, out.candidates, out.posterior
    return Judged(noise.name, noise.gain, table, prior, *kept)


@jax.jit
def posterior_of(probs: jax.Array, given: jax.Array, posterior_model: PosteriorModel) -> jax.Array:
    """P(true | x, given) `[n, K]` of positive p(given | x) `[n, K]` and labels `[n]`."""
    prior = posterior_model.model.prior
    clean = noise_undone.clean_probs(probs, posterior_model.noise)
    clean = temperature_scaling.scaled(clean, prior, posterior_model.scaling)
    clean = temperature_scaling.smoothed(clean, prior, posterior_model.size)
    return label_posterior(clean / prior, given, posterior_model.model)


def _by_image(evidence: Evidence, searched: _Searched, out: _Verdicts) -> Judged:
    """Noise that depends on the image: two passes to count it, then one or two rounds of scores."""
    given, rows, seen = evidence.given, searched.rows, searched.seen
    confusions = image_noise.Confusions(evidence.num_classes)
    for _, probs, labels in evidence.blocks():
        confusions.add_to_thresholds(probs, labels)
    for _, probs, labels in evidence.blocks():
        confusions.add(probs, labels)
    accuracy = image_noise.accuracy(seen, given[rows], confusions.rate, searched.agreement)
    power = image_noise.sharpness(seen, accuracy)
    blocks: Blocks = evidence.blocks
    model = _scored(blocks, given, power, confusions, out)
    corrected = out.corrected(given)
    if evidence.refitted is not None and (corrected != given).any():
        second = evidence.refitted(corrected)
        blocks = functools.partial(_of_both_rounds, evidence, power, second)
        seen = image_noise.geometric_mean(seen, power, second.at(rows))
        power = image_noise.sharpness(seen, accuracy)
        model = _scored(blocks, given, power, confusions, out)
    if out.posterior is not None:
        for here, probs, labels in blocks():
            out.posterior[here] = model.posterior(probs, labels)
    name = f"image rate {confusions.rate:.2f}" if confusions.rate > 0 else "none"
    kept = out.wrong, out.other, out.part, out.candidates, out.posterior
    return Judged(name, 0.0, confusions.transition, confusions.prior, *kept)


def _of_both_rounds(first: Evidence, power: float, second: Evidence) -> Iterator[Block]:
    """The geometric mean of p(given | x), sharpened, and of what the second round says."""
    for here, probs, labels in first.blocks():
        yield here, image_noise.geometric_mean(probs, power, second.at(here)), labels


def _scored(
    blocks: Blocks,
    given: np.ndarray,
    power: float,
    confusions: image_noise.Confusions,
    out: _Verdicts,
) -> image_noise.Model:
    """Fills P(wrong) and the likeliest classes, by predictions of a sharpness."""
    scores = np.empty_like(out.wrong)
    for here, probs, labels in blocks():
        scores[here], out.other[here], out.part[here] = image_noise.doubts(probs, labels, power)
        out.rank(here, probs)
    model = image_noise.fit(scores, given, power, confusions)
    out.wrong[:] = model.label_error_prob(scores, given)
    return model
