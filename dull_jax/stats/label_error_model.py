"""P(wrong) of every label, under the noise that explains the labels.

Either a kind of few parameters that depends on the class alone (`noise_structure`), undone by
Bayes' rule, or noise that depends on the image (`image_noise`). N samples, K classes.
"""

from typing import NamedTuple

import jax
import numpy as np

from dull_jax.stats import image_noise, noise_structure, temperature_scaling
from dull_jax.stats.label_evidence import Evidence
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel, label_posterior


class PosteriorModel(NamedTuple):
    """All that the posterior of a row depends on, under noise that depends on the class."""

    noise: Noise
    model: LabelModel
    scaling: Scaling
    size: int  # samples that the class shares are counted on


class Judged(NamedTuple):
    noise: str  # kind and amount
    gain: float
    transition: np.ndarray  # [K, K]
    prior: np.ndarray  # [K]
    wrong: np.ndarray  # float32 [N], P(wrong)
    other: np.ndarray  # int32 [N], the likeliest other class
    likelier: np.ndarray  # bool [N], whether it is likelier than the given one
    posterior: np.ndarray | None  # float32 [N, K]


def judged(evidence: Evidence, keep: bool) -> Judged:
    """Every label under the noise that explains them; the posterior only if it is to be kept."""
    size, num_classes = len(evidence.given), evidence.num_classes
    rows = noise_structure.searched(size, num_classes)
    seen, labels = evidence.at(rows), evidence.given[rows]
    counts = np.bincount(evidence.given, minlength=num_classes)
    noise = noise_structure.class_conditional(
        *(seen, labels, counts, temperature_scaling.likelihood_gain),
        counted=image_noise.counted(seen, labels).rate,
    )
    if noise is None:
        return _by_image(evidence, seen, labels, keep)
    clean = noise_structure.clean_probs(seen, noise.noise)
    scaling = temperature_scaling.fit(clean, labels, noise.model, noise.temperature)
    model = PosteriorModel(noise.noise, noise.model, scaling, size)
    return _by_class(evidence, noise, model, keep)


def _by_class(
    evidence: Evidence,
    noise: noise_structure.NoiseEstimate,
    posterior_model: PosteriorModel,
    keep: bool,
) -> Judged:
    """Noise that depends on the class: Bayes, row by row."""
    size, num_classes = len(evidence.given), evidence.num_classes
    wrong, other = np.empty(size, np.float32), np.empty(size, np.int32)
    likelier, mass = np.empty(size, bool), np.zeros(num_classes)
    kept = np.empty((size, num_classes), np.float32) if keep else None
    posterior_model = jax.device_put(posterior_model)
    for here, probs, given in evidence.blocks():
        posterior = np.array(posterior_of(probs, given, posterior_model))
        if keep:
            kept[here] = posterior
        mass += posterior.sum(0, dtype=np.float64)
        rows = np.arange(len(given))
        own = posterior[rows, given]
        posterior[rows, given] = -1
        other[here] = posterior.argmax(1)
        likelier[here] = posterior[rows, other[here]] > own
        wrong[here] = np.clip(1 - own, 0, 1)
    table = np.asarray(noise.model.transition)
    return Judged(noise.name, noise.gain, table, mass / size, wrong, other, likelier, kept)


@jax.jit
def posterior_of(probs: jax.Array, given: jax.Array, posterior_model: PosteriorModel) -> jax.Array:
    """P(true | x, given) `[n, K]` of positive p(given | x) `[n, K]` and labels `[n]`."""
    prior = posterior_model.model.prior
    clean = noise_structure.clean_probs(probs, posterior_model.noise)
    clean = temperature_scaling.scaled(clean, prior, posterior_model.scaling)
    clean = temperature_scaling.smoothed(clean, prior, posterior_model.size)
    return label_posterior(clean / prior, given, posterior_model.model)


def _by_image(evidence: Evidence, seen: np.ndarray, labels: np.ndarray, keep: bool) -> Judged:
    """Noise that depends on the image: two passes to count it, one to tell it."""
    size, num_classes = len(evidence.given), evidence.num_classes
    confusions = image_noise.Confusions(num_classes)
    for _, probs, given in evidence.blocks():
        confusions.add_to_thresholds(probs, given)
    for _, probs, given in evidence.blocks():
        confusions.add(probs, given)
    power = image_noise.sharpness(seen, labels, confusions.rate)
    scores, other = np.empty(size, np.float32), np.empty(size, np.int32)
    part = np.empty(size, np.float32)  # of P(wrong), that of the likeliest other class
    for here, probs, given in evidence.blocks():
        scores[here], other[here], part[here] = image_noise.half_logit(probs, given, power)
    model = image_noise.fit(scores, evidence.given, power, confusions)
    wrong = model.label_error_prob(scores, evidence.given)
    kept = None
    if keep:
        kept = np.concatenate([model.posterior(probs, y) for _, probs, y in evidence.blocks()])
    name = f"image rate {confusions.rate:.2f}" if confusions.rate > 0 else "none"
    table, prior = confusions.transition, confusions.prior
    likelier = wrong * part > 1 - wrong
    return Judged(name, 0.0, table, prior, wrong, other, likelier, kept)
