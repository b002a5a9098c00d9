"""Which kind of label noise, and how much of it, explains the given labels best.

A free transition matrix cannot be told from predictions: any of them can be explained away. A few
parameters can. Predictions that were learnt from the given labels, by a model that has not seen
the sample itself, say p(given | x). Under noise with the transition T they are p(true | x) T, so T
is undone (`clean_probs`) and redone; a T with too little noise, or with noise of another kind,
allows what it should forbid and forbids what it should allow, and the likelihood of the given
labels, which the predictions did not see, falls. Of what explains them about equally well, the
typical amount is taken, or the most (`chosen`). The kinds are those of `noise_kinds`, which have
few parameters, and those of `look_alikes`, read off the confusions that the predictions are sure
of (pairs of classes, say): each part of the samples is explained by what the others show. Array in,
array out; N samples, K classes.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dull_jax.stats import destinations, image_noise, look_alikes, noise_kinds
from dull_jax.stats.noise_kinds import Noise, Table
from dull_jax.stats.noise_trials import Likelihood, LookAlikes, Trial, lead, realised, tried
from dull_jax.stats.noise_undone import Make, clean_probs, likelihood_gain, solved, tempered
from dull_jax.stats.transition import LabelModel

RATES = tuple(np.arange(0.05, 0.61, 0.05).round(2))  # of the first search
FINE = (-0.04, -0.03, -0.02, -0.01, 0.01, 0.02, 0.03, 0.04)  # around the best, of the second
SEARCHED = 20_000  # samples that the search looks at, at most; evenly spaced
SEARCHED_NUMBERS = 2_000_000  # and of their predictions, where classes are many


class NoiseEstimate(NamedTuple):
    """The noise that explains the given labels best."""

    name: str  # "t2h rate 0.30 cap 0.6", "none"
    noise: Noise  # numpy
    model: LabelModel  # the same as a table, and the true class shares; numpy float32
    gain: float  # log-likelihood of a given label over that without noise, mean, nats; about 0
    # where predictions know the noise already, so no evidence for or against
    temperature: float  # of the predictions without the noise, chosen with it


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
    without, best, evident = _best_simple(tried(probs, given, counts, RATES))
    look_alike = LookAlikes(probs, given, counts, likelihood_gain)
    if look_alike.kinds:
        counted = image_noise.counted(probs, given).rate
        confused = look_alike.best(look_alikes.CONFUSED, RATES, counted)
        if confused and lead(confused, best) > 4:  # its many parameters must earn their place
            best = confused
            evident = True
    return _refined(best, without, evident, probs, given, look_alike)


def class_conditional(
    probs: np.ndarray,
    given: np.ndarray,
    given_counts: np.ndarray,
    likelihood: Likelihood,
    counted: float,
) -> NoiseEstimate | None:
    """The kind of noise that explains given labels better than confusions of classes do.

    Noise that depends on the class alone reaches every image of the class alike. Noise of people
    goes between look-alikes, and where it does the confusions that predictions show explain the
    labels better than any kind that forbids some of them: then there is none here, and None is
    returned (`decided`). Of many classes look-alikes are not tried (`noise_trials.MOST_CLASSES`).

    Args:
      probs, given, given_counts: as of `search`.  likelihood: of given labels under a noise.
      counted: share of wrong labels by another count, as of `image_noise.Confusions`.
    """
    counts = np.asarray(given_counts, np.float64)
    without, simple, evident = _best_simple(tried(probs, given, counts, RATES, likelihood))
    look_alike = LookAlikes(probs, given, counts, likelihood)
    trials = {kind: look_alike.best(kind, RATES, counted) for kind in look_alike.kinds}
    confused = trials.pop(look_alikes.CONFUSED, None)
    narrow = [trial for trial in trials.values() if trial]
    best = decided(without, simple, narrow, confused, counted)
    if best is None:
        return None
    return _refined(best, without, evident or best is not simple, probs, given, look_alike)


def decided(
    without: Trial, simple: Trial, narrow: Sequence[Trial], confused: Trial | None, counted: float
) -> Trial | None:
    """Which kind of noise is believed, if any; errors are standard errors.

    It explains the labels better than no noise does, by three errors. Against confusions of any
    direction:

    - Kinds of few parameters may be three errors behind if they explain three quarters of the
      `counted` wrong labels: overfitted predictions have confusions of their own. If they explain
      half, they must be ahead.
    - Kinds that are read off confusions must be ahead if they explain three quarters, and else by
      two. Asymmetric noise must be by two in any case: people, too, confuse a class with its one
      look-alike. They must also be ahead of kinds of few parameters, by one. Where the best
      of them leads to more frequent look-alikes, one in which the rate says how much a class loses
      is taken if it is less than four behind: what a class seems to lose holds the predictions'
      own errors.
    - A kind that explains less than half must be ahead by two: what it leaves over has to be the
      predictions' own errors.

    Args:
      without: no noise.  simple: of few parameters.  narrow: of `look_alikes`, to some of them.
      confused: to all of them; None where not tried.  counted: share of wrong labels.
    """

    def believed(trial: Trial, if_most: float, if_half: float) -> bool:
        """Ahead of confusions by more, where three quarters, or half, are explained."""
        share = trial.realised / max(counted, 1e-12)
        least = if_most if share >= 0.75 else if_half if share >= 0.5 else 2
        return lead(trial, without) >= 3 and (confused is None or lead(trial, confused) > least)

    def earned(trial: Trial) -> bool:
        asymmetric = trial.kind.startswith(look_alikes.PAIRS)
        ahead = believed(trial, if_most=2 if asymmetric else 0, if_half=2)
        return ahead and lead(trial, simple) > 1

    if taken := sorted(filter(earned, narrow), key=lambda t: -t.gains.mean()):
        best = taken[0]
        regular = [t for t in taken if look_alikes.of_towards(t.kind) and lead(best, t) < 4]
        return regular[0] if regular and best.kind.startswith(look_alikes.TO_HEAD) else best
    return simple if believed(simple, if_most=-3, if_half=0) else None


def _best_simple(trials: Sequence[Trial]) -> tuple[Trial, Trial, bool]:
    """(no noise, the best of all, whether noise is evident)."""
    without = next(t for t in trials if t.kind == "none")
    evident = lead(max(trials, key=lambda t: t.gains.mean()), without) > 1
    return without, chosen(trials, evident), evident


def _refined(
    best: Trial,
    without: Trial,
    evident: bool,
    probs: np.ndarray,
    given: np.ndarray,
    look_alike: LookAlikes,
) -> NoiseEstimate:
    """The same kind, its amount searched finely; read off the confusions of all samples."""
    counts, near = look_alike.counts, _near(best.rate)
    make: Make
    if best.kind in look_alike.kinds:
        best = chosen([best, *look_alike.tried(best.kind, near)], evident)
        shown = confused = look_alikes.confident_confusions(probs, given)
        shape = functools.partial(look_alike.kinds[best.kind], rate=best.rate)
        if best.kind.startswith(look_alikes.PAIRS):
            confused = destinations.by_likelihood(
                *(probs, given, shown),
                make=lambda found: noise_kinds.table(shape(counts, confused=found)),
            )
        shape = make = functools.partial(shape, confused=confused)
        if best.kind in look_alikes.SOME_LOSE:
            keeps = destinations.keep(probs, given, noise_kinds.table(make(counts)))
            if keeps.any():  # what the others lose was searched with what these seemed to lose
                best = chosen([best, *look_alike.keeping(best.kind, keeps, near)], evident)
            make = functools.partial(shape, keeps=keeps, rate=best.rate)
        if best.kind.startswith(look_alikes.PAIRS):  # counts do not matter to them
            one = noise_kinds.table(make(counts))
            several = destinations.averaged(probs, given, shown, one)
            make = functools.partial(_whatever_counts, Table(several))
    else:
        if best.kind != "none":
            fine = tried(probs, given, counts, near, look_alike.likelihood, best.kind)
            best = chosen([best, *fine], evident)
        make = {kind: make for kind, _, make in noise_kinds.kinds(counts, [best.rate])}[best.kind]
    noise, model = solved(counts, make)
    kind, _, how = best.kind.partition(" ")
    name = f"{kind} rate {realised(model):.2f} {how}".strip() if best.rate else kind
    gain = float((best.gains - without.gains).mean())
    return NoiseEstimate(name, noise, model, gain, best.temperature)


def _whatever_counts(noise: Noise, _: np.ndarray) -> Noise:
    """Of kinds that do not depend on the counts."""
    return noise


def _near(rate: float) -> list[float]:
    """Rates around one of the first search."""
    return [r for r in (round(rate + d, 2) for d in FINE) if 0 < r < 1]


def chosen(trials: Sequence[Trial], evident: bool) -> Trial:
    """The kind and amount of those that explain no less than the best does.

    No less: within one standard error of the difference. Where noise is evident, the kind is that
    of the best, and the amount nearest to the mean of all, each with the likelihood exp(-z^2 / 2)
    of falling short by z standard errors: predictions that say little allow many amounts. Where it
    is not, predictions know it already: too little noise never contradicts them, too much does,
    and the most is taken (as in volume minimisation, Li et al. 2021).
    """
    best = max(trials, key=lambda t: t.gains.mean())
    behind = {id(t): lead(best, t) for t in trials}
    near = [t for t in trials if behind[id(t)] <= 1]
    if not evident:
        return max(near, key=lambda t: (t.realised, t.gains.mean()))
    weights = np.exp(-(np.array([behind[id(t)] for t in trials]) ** 2) / 2)
    amount = np.average([t.realised for t in trials], weights=weights)
    same = [t for t in near if t.kind == best.kind]
    return min(same, key=lambda t: (abs(t.realised - amount), -t.gains.mean()))
