"""How well each kind and amount of noise explains the given labels, sample by sample.

Kinds of few parameters (`noise_kinds`) are tried on all samples. Those that are read off confusions
(`look_alikes`) would explain the samples that showed them too well; so each part of the samples is
explained by what the others show. Array in, array out; n samples, K classes.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import jax
import numpy as np

from dull_jax.stats import look_alikes, noise_kinds
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.noise_undone import likelihood_gain, solved
from dull_jax.stats.transition import LabelModel, class_shares

FOLDS = 5  # of the samples, for `LookAlikes`
MOST_CLASSES = 256  # of more, look-alikes are not tried: their T has no quick products

# (p(given | x) [n, K], given [n], noise, its model) -> (gains [n] as in `Trial`, temperature)
Likelihood: TypeAlias = Callable[
    [np.ndarray, np.ndarray, Noise, LabelModel], tuple[jax.Array, jax.Array]
]


class Trial(NamedTuple):
    """One kind and amount of noise, and how well it explains the given labels."""

    kind: str
    rate: float  # as it was asked for
    realised: float  # what came of it: a cap may forbid the rate
    gains: np.ndarray  # [n], nats
    temperature: float


def lead(one: Trial, other: Trial) -> float:
    """By how many standard errors of the difference `one` explains more than `other`."""
    ahead = one.gains - other.gains
    return float(ahead.mean() / max(ahead.std() / np.sqrt(len(ahead)), 1e-9))


def tried(
    probs: np.ndarray,
    given: np.ndarray,
    counts: np.ndarray,
    rates: Sequence[float],
    likelihood: Likelihood = likelihood_gain,
    only: str = "",
) -> list[Trial]:
    """Every kind of few parameters (or `only` one) at every rate."""
    trials = []
    for kind, rate, make in noise_kinds.kinds(counts, rates):
        if only in ("", kind):
            noise, model = solved(counts, make)
            if identifiable(model, counts):
                gains, scale = likelihood(probs, given, noise, model)
                trials.append(Trial(kind, rate, realised(model), np.asarray(gains), float(scale)))
    return trials


class LookAlikes:
    """Trials of the kinds of `look_alikes`: confusions of a part are those that the others show."""

    def __init__(
        self, probs: np.ndarray, given: np.ndarray, counts: np.ndarray, likelihood: Likelihood
    ):
        """As of `tried`. There are no `kinds` where samples are few, or classes too many."""
        self.counts, self.likelihood = counts, likelihood
        searched = FOLDS <= len(given) and len(counts) <= MOST_CLASSES
        self.kinds = look_alikes.kinds(counts) if searched else {}
        self._fold = np.random.default_rng(0).permutation(len(given)) % FOLDS  # rows have an order
        self._parts, self._shown = [], []
        for inside in (self._fold == k for k in range(FOLDS if searched else 0)):
            self._parts.append((probs[inside], given[inside]))
            confused = look_alikes.confident_confusions(probs[~inside], given[~inside])
            self._shown.append(confused)

    def tried(self, kind: str, rates: Sequence[float]) -> list[Trial]:
        """A kind at every rate that can be told.

        It can where names keep their meaning (`identifiable`). Of kinds of `towards` they do at
        any rate: with names swapped, labels would lead to rarer classes.
        """
        return [trial for rate in rates if (trial := self._trial(kind, rate))]

    def keeping(self, kind: str, keeps: np.ndarray, rates: Sequence[float]) -> list[Trial]:
        """`tried`, with classes `[K]` that keep their labels, of a kind of `pairs`."""
        pairs: Callable[..., noise_kinds.Table] = self.kinds[kind]
        shape = functools.partial(pairs, keeps=keeps)
        return [trial for rate in rates if (trial := self._trial(kind, rate, shape))]

    def best(self, kind: str, rates: Sequence[float], start: float) -> Trial | None:
        """Of the `rates`, which rise, the one that explains most: uphill from that next to `start`.

        None where it cannot be told (`tried`) at that rate, or below it.
        """
        at = functools.cache(lambda place: self._trial(kind, rates[place]))
        place = int(np.abs(np.array(rates) - start).argmin())
        while place and at(place) is None:
            place -= 1
        for _ in rates:
            around = range(max(place - 1, 0), min(place + 2, len(rates)))
            tried_there = {p: trial.gains.mean() for p in around if (trial := at(p))}
            place = max(tried_there, key=lambda p: tried_there[p], default=place)
        return at(place)

    def _trial(
        self, kind: str, rate: float, shape: look_alikes.Shape | None = None
    ) -> Trial | None:
        shape = shape or self.kinds[kind]
        makes = [functools.partial(shape, confused=c, rate=rate) for c in self._shown]
        told = leads_to if look_alikes.of_towards(kind) else identifiable
        found = []
        for make in makes:
            found.append(solved(self.counts, make))
            if not told(found[-1][1], self.counts):
                return None
        gains, temperatures = np.empty(len(self._fold), np.float32), []
        for k, (part, found_here) in enumerate(zip(self._parts, found, strict=True)):
            gains[self._fold == k], temperature = self.likelihood(*part, *found_here)
            temperatures.append(float(temperature))
        amount = float(np.mean([realised(model) for _, model in found]))
        return Trial(kind, rate, amount, gains, float(np.mean(temperatures)))


def realised(model: LabelModel) -> float:
    """Share of wrong labels."""
    return float(1 - model.prior @ model.transition.diagonal())


def identifiable(model: LabelModel, given_counts: np.ndarray) -> bool:
    """Whether names keep their meaning, and the model does lead to the given counts `[K]`.

    A given label must be likeliest for its own class: beyond that, classes could swap names (two
    classes at a rate of 0.4 and of 0.6 explain the same labels).
    """
    own = model.transition.diagonal()
    others = model.transition - np.diag(own)
    return bool((own > others.max(0)).all()) and leads_to(model, given_counts)


def leads_to(model: LabelModel, given_counts: np.ndarray) -> bool:
    """Whether the model does lead to the given counts `[K]`. EM may fail to find true counts."""
    missed = np.abs(model.prior @ model.transition - class_shares(given_counts)).sum() / 2
    return bool(missed < 0.05)
