"""Which kind of label noise, and how much of it, explains the given labels best.

A free transition matrix cannot be told from predictions: any of them can be explained away. A few
parameters can. Predictions that were learnt from the given labels, by a model that has not seen
the sample itself, say p(given | x). Under noise with the transition T they are p(true | x) T, so T
is undone (`clean_probs`) and redone; a T with too little noise, or with noise of another kind,
allows what it should forbid and forbids what it should allow, and the likelihood of the given
labels, which the predictions did not see, falls. Of what explains them about equally well, the
typical amount is taken, or the most (`chosen`). The kinds are those of `noise_kinds`, and a mixture
of the diagonal with the confusions that the predictions are sure of (pairs of classes, say). Array
in, array out; N samples, K classes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dull_jax.stats import noise_kinds
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.noise_undone import Make, clean_probs, likelihood_gain, solved, tempered
from dull_jax.stats.transition import LabelModel, class_shares

RATES = tuple(np.arange(0.05, 0.61, 0.05).round(2))  # of the first search
FINE = tuple(np.arange(-0.04, 0.05, 0.01).round(2))  # around the best of them, of the second
SEARCHED = 20_000  # samples that the search looks at, at most; evenly spaced
SEARCHED_NUMBERS = 2_000_000  # and of their predictions, where classes are many
CONFUSED_CLASSES = 256  # more are not searched for confusions: their T has no quick products

# (p(given | x) [n, K], given [n], noise, its model) -> (gains [n] as in `Trial`, temperature)
Likelihood = Callable[[np.ndarray, np.ndarray, Noise, LabelModel], tuple[jax.Array, jax.Array]]


class NoiseEstimate(NamedTuple):
    """The noise that explains the given labels best."""

    name: str  # "t2h rate 0.30 cap 0.6", "none"
    noise: Noise  # numpy
    model: LabelModel  # the same as a table, and the true class shares; numpy float32
    gain: float  # log-likelihood of a given label over that without noise, mean, nats; about 0
    # where predictions know the noise already, so no evidence for or against
    temperature: float  # of the predictions without the noise, chosen with it


class Trial(NamedTuple):
    """One kind and amount of noise, and how well it explains the given labels."""

    kind: str
    rate: float  # as it was asked for
    realised: float  # what came of it: a cap may forbid the rate
    gains: np.ndarray  # [n], nats
    temperature: float


def estimate(noisy_probs: np.ndarray, given: np.ndarray) -> tuple[NoiseEstimate, np.ndarray]:
    """The noise under which predictions of the given labels explain them best, and p(true | x).

    Args:
      noisy_probs: `[N, K]` p(given | x), rows sum to 1, from a model that was not trained on the
        sample (cross-validation), or has not memorised it yet. Predictions that say next to
        nothing allow any noise.
      given: `[N]` int.

    Returns:
      The noise; the predictions without it, float32 `[N, K]`, which do not know the given label.
    """
    probs = positive(noisy_probs)
    rows = searched(*probs.shape)
    counts = np.bincount(given, minlength=probs.shape[1])
    best = search(probs[rows], given[rows], counts)
    clean = tempered(clean_probs(probs, best.noise), best.model.prior, best.temperature)
    return best, np.asarray(clean)


def positive(probs: np.ndarray) -> np.ndarray:
    """Predictions `[n, K]` as float32, none below 1e-6 before rows are made to sum to 1.

    >>> bool(positive(np.array([[1.0, 0.0]])).min() > 0)
    True
    """
    probs = np.maximum(np.asarray(probs, np.float32), 1e-6)
    return probs / probs.sum(1, keepdims=True)


def searched(size: int, num_classes: int) -> np.ndarray:
    """Positions of the samples that the search looks at, evenly spaced in the N = `size`."""
    most = min(SEARCHED, max(SEARCHED_NUMBERS // num_classes, 1), size)
    return np.linspace(0, size - 1, most).astype(int)


def search(probs: np.ndarray, given: np.ndarray, given_counts: np.ndarray) -> NoiseEstimate:
    """`estimate` without the predictions.

    Args:
      probs: `[n, K]`, positive, of the samples to look at.  given: `[n]` int.
      given_counts: `[K]` of the given labels of all samples.
    """
    counts = np.asarray(given_counts, np.float64)
    trials = tried(probs, given, counts, RATES)
    without, best, evident = _best_simple(trials)
    confused = max(trials, key=lambda t: t.gains.mean() if t.kind == "confused" else -np.inf)
    if _lead(confused, best) > 4:  # its many parameters must earn their place
        best = confused
    if best.kind != "none":
        best = chosen(tried(probs, given, counts, _near(best.rate), best.kind), evident)
    return _named(best, without, probs, given, counts)


def class_conditional(
    probs: np.ndarray,
    given: np.ndarray,
    given_counts: np.ndarray,
    likelihood: Likelihood,
    counted: float,
) -> NoiseEstimate | None:
    """The kind of few parameters that explains given labels better than confusions of classes do.

    Noise that depends on the class alone reaches every image of the class alike. Noise of people
    goes between look-alikes, and where it does the confusions that predictions show explain the
    labels better than any kind of few parameters: then there is none here, and None is returned.
    Overfitted predictions have confusions of their own; so a kind that explains at least three
    quarters of the `counted` wrong labels may fall short of them by up to three standard errors.
    None, too, where nothing explains the labels better than no noise does, by three standard
    errors. Of many classes confusions are not tried (`CONFUSED_CLASSES`).

    Args:
      probs, given, given_counts: as of `search`.  likelihood: of given labels under a noise.
      counted: share of wrong labels by another count, as of `image_noise.Confusions`.
    """
    counts = np.asarray(given_counts, np.float64)
    trials = tried(probs, given, counts, RATES, likelihood=likelihood)
    without, best, evident = _best_simple(trials)
    confused = [t for t in trials if t.kind == "confused"]
    if _lead(best, without) < 3:
        return None
    if confused:
        rival = max(confused, key=lambda t: t.gains.mean())
        ahead, as_many = _lead(best, rival), best.realised >= 0.75 * counted
        if ahead <= (-3 if as_many else 0):
            return None
    fine = tried(probs, given, counts, _near(best.rate), best.kind, likelihood)
    return _named(chosen(fine, evident), without, probs, given, counts)


def _best_simple(trials: Sequence[Trial]) -> tuple[Trial, Trial, bool]:
    """(no noise, the best of the kinds with few parameters, whether noise is evident)."""
    without = next(t for t in trials if t.kind == "none")
    simple = [t for t in trials if t.kind != "confused"]
    evident = _lead(max(simple, key=lambda t: t.gains.mean()), without) > 1
    return without, chosen(simple, evident), evident


def _near(rate: float) -> list[float]:
    """Rates around one of the first search, itself too."""
    return [r for r in (round(rate + d, 2) for d in FINE) if 0 < r < 1]


def _named(
    best: Trial, without: Trial, probs: np.ndarray, given: np.ndarray, counts: np.ndarray
) -> NoiseEstimate:
    makes = {kind: make for kind, _, make in noise_kinds.kinds(counts, [best.rate])}
    if best.kind == "confused":
        confusions = noise_kinds.confident_confusions(probs, given)
        makes["confused"] = lambda n: noise_kinds.confusion(confusions, best.rate)
    noise, model = solved(counts, makes[best.kind])
    kind, _, cap = best.kind.partition(" ")
    name = f"{kind} rate {best.realised:.2f} {cap}".strip() if best.rate else kind
    gain = float((best.gains - without.gains).mean())
    return NoiseEstimate(name, noise, model, gain, best.temperature)


def tried(
    probs: np.ndarray,
    given: np.ndarray,
    counts: np.ndarray,
    rates: Sequence[float],
    only: str = "",
    likelihood: Likelihood | None = None,
) -> list[Trial]:
    """Every kind (or `only` one) at every rate, confusions where classes are not too many.

    likelihood: of the given labels under a noise, `likelihood_gain` if None.
    """
    likelihood = likelihood or likelihood_gain
    trials = []
    for kind, rate, make in noise_kinds.kinds(counts, rates):
        if only in ("", kind):
            noise, model = solved(counts, make)
            if identifiable(model, counts):
                gains, scale = likelihood(probs, given, noise, model)
                trials.append(Trial(kind, rate, _realised(model), np.asarray(gains), float(scale)))
    if only in ("", "confused") and len(given) > 1 and 1 < len(counts) <= CONFUSED_CLASSES:
        trials += tried_confusions(probs, given, counts, rates, likelihood)
    return trials


def tried_confusions(
    probs: np.ndarray,
    given: np.ndarray,
    counts: np.ndarray,
    rates: Sequence[float],
    likelihood: Likelihood,
) -> list[Trial]:
    """Each half of the samples is explained by the confusions that the other half shows."""
    shown = [noise_kinds.confident_confusions(probs[other::2], given[other::2]) for other in (1, 0)]
    trials = []
    for rate in rates:
        halves = [solved(counts, _always(noise_kinds.confusion(t, rate))) for t in shown]
        if not all(identifiable(model, counts) for _, model in halves):
            continue
        gains, temperatures = np.empty(len(given), np.float32), []
        for half, (noise, model) in enumerate(halves):
            gain, temperature = likelihood(probs[half::2], given[half::2], noise, model)
            gains[half::2] = gain
            temperatures.append(float(temperature))
        realised = float(np.mean([_realised(model) for _, model in halves]))
        trials.append(Trial("confused", rate, realised, gains, float(np.mean(temperatures))))
    return trials


def _always(noise: Noise) -> Make:
    return lambda counts: noise


def _realised(model: LabelModel) -> float:
    return float(1 - model.prior @ model.transition.diagonal())


def identifiable(model: LabelModel, given_counts: np.ndarray) -> bool:
    """Whether names keep their meaning, and the model does lead to the given counts `[K]`.

    A given label must be likeliest for its own class: beyond that, classes could swap names (two
    classes at a rate of 0.4 and of 0.6 explain the same labels). EM may fail to find true counts.
    """
    own = model.transition.diagonal()
    others = model.transition - np.diag(own)
    missed = np.abs(model.prior @ model.transition - class_shares(given_counts)).sum() / 2
    return bool((own > others.max(0)).all() and missed < 0.05)


def chosen(trials: Sequence[Trial], evident: bool) -> Trial:
    """The kind and amount of those that explain no less than the best does.

    No less: within one standard error of the difference. Where noise is evident, the kind is that
    of the best, and the amount nearest to the mean of all, each with the likelihood exp(-z^2 / 2)
    of falling short by z standard errors: predictions that say little allow many amounts. Where it
    is not, predictions know it already: too little noise never contradicts them, too much does,
    and the most is taken (as in volume minimisation, Li et al. 2021).
    """
    best = max(trials, key=lambda t: t.gains.mean())
    behind = {id(t): _lead(best, t) for t in trials}
    near = [t for t in trials if behind[id(t)] <= 1]
    if not evident:
        return max(near, key=lambda t: (t.realised, t.gains.mean()))
    weights = np.exp(-(np.array([behind[id(t)] for t in trials]) ** 2) / 2)
    amount = np.average([t.realised for t in trials], weights=weights)
    same = [t for t in near if t.kind == best.kind]
    return min(same, key=lambda t: (abs(t.realised - amount), -t.gains.mean()))


def _lead(one: Trial, other: Trial) -> float:
    """By how many standard errors of the difference `one` explains more than `other`."""
    ahead = one.gains - other.gains
    return float(ahead.mean() / max(ahead.std() / np.sqrt(len(ahead)), 1e-9))
