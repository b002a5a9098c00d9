"""Which kind of label noise, and how much of it, explains the given labels best.

A free transition matrix cannot be told from predictions: any of them can be explained away. A few
parameters can. Predictions that were learnt from the given labels, by a model that has not seen
the sample itself, say p(given | x). Under noise with the transition T they are p(true | x) T, so T
is undone (`clean_probs`) and redone; a T with too little noise, or with noise of another kind,
allows what it should forbid and forbids what it should allow, and the likelihood of the given
labels, which the predictions did not see, falls. Of what explains them equally well, the most noise
is taken (as in volume minimisation, Li et al. 2021). The kinds are those of `dull_jax.data`:
tail-to-head, symmetric and joint noise, and a mixture of the diagonal with the confusions that the
predictions are sure of (pairs of classes, say). Array in, array out; N samples, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.data import tail_to_head
from dull_jax.stats.transition import LabelModel, class_shares

RATES = tuple(np.arange(0.05, 0.61, 0.05).round(2))  # of the first search
FINE = tuple(np.arange(-0.04, 0.05, 0.01).round(2))  # around the best of them, of the second
CAPS = (0.6, 0.9)  # largest share that a class may lose, tail-to-head
TEMPERATURES = tuple(np.geomspace(0.25, 2.0, 22))  # of the predictions once the noise is undone
SEARCHED = 20_000  # samples that the search looks at, at most; evenly spaced
_STEPS = 60  # of the deconvolution

Make = Callable[[np.ndarray], np.ndarray]  # true class counts [K] -> transition [K, K]


class Structure(NamedTuple):
    """What was found."""

    name: str  # "t2h rate 0.30 cap 0.6", "none"
    model: LabelModel  # numpy float32
    clean_probs: np.ndarray  # [N, K], p(true | x), not knowing the given label
    gain: float  # log-likelihood of a given label over that without noise, mean, nats; about 0
    # where predictions know the noise already, so no evidence for or against
    temperature: float  # of clean_probs, chosen with the noise


class Trial(NamedTuple):
    """One kind and amount of noise, and how well it explains the given labels."""

    kind: str
    rate: float  # as it was asked for
    realised: float  # what came of it: a cap may forbid the rate
    gains: np.ndarray  # [n], nats
    temperature: float


def find(noisy_probs: np.ndarray, given: np.ndarray) -> Structure:
    """The noise under which predictions of the given labels explain them best.

    Args:
      noisy_probs: `[N, K]` p(given | x), rows sum to 1, from a model that was not trained on the
        sample (cross-validation), or not yet by heart. Predictions that say next to nothing
        allow any noise, and the most is taken.
      given: `[N]` int.
    """
    probs = np.maximum(np.asarray(noisy_probs, np.float32), 1e-6)
    probs /= probs.sum(1, keepdims=True)
    chosen = np.linspace(0, len(given) - 1, min(SEARCHED, len(given))).astype(int)
    counts = np.bincount(given, minlength=probs.shape[1]).astype(np.float64)

    trials = tried(probs[chosen], given[chosen], counts, RATES)
    best = noisiest([t for t in trials if t.kind != "confused"])
    confused = max(trials, key=lambda t: t.gains.mean() if t.kind == "confused" else -np.inf)
    if _lead(confused, best) > 4:  # its many parameters must earn their place
        best = confused
    if best.kind != "none":
        fine = [r for r in (round(best.rate + d, 2) for d in FINE) if 0 < r < 1]  # and it itself
        best = noisiest(tried(probs[chosen], given[chosen], counts, fine, best.kind))

    confusions = confident_confusions(probs[chosen], given[chosen])
    makes = {kind: make for kind, _, make in kinds(counts, confusions, [best.rate])}
    model = solved(counts, makes[best.kind])
    kind, _, cap = best.kind.partition(" ")
    name = f"{kind} rate {best.realised:.2f} {cap}".strip() if best.rate else kind
    clean = np.asarray(
        tempered(clean_probs(probs, model.transition), model.prior, best.temperature)
    )
    none = next(t for t in trials if t.kind == "none")
    gain = float((best.gains - none.gains).mean())
    return Structure(name, model, clean, gain, best.temperature)


def tried(
    probs: np.ndarray,
    given: np.ndarray,
    counts: np.ndarray,
    rates: Sequence[float],
    only: str = "",
) -> list[Trial]:
    """Every kind (or `only` one) at every rate.

    Each half of the samples is judged with the confusions that the other half shows.
    """
    halves = [(probs[half::2], given[half::2]) for half in (0, 1)]
    searched, models = [], []
    for part in reversed(halves):
        searched = kinds(counts, confident_confusions(*part), rates)
        searched = [found for found in searched if only in ("", found[0])]
        models.append([solved(counts, make) for _, _, make in searched])
    possible = [all(identifiable(m, counts) for m in pair) for pair in zip(*models, strict=True)]
    searched = [found for found, ok in zip(searched, possible, strict=True) if ok]
    gains, realised, temperatures = [], [], []
    for (p, y), found in zip(halves, models, strict=True):
        found = [model for model, ok in zip(found, possible, strict=True) if ok]
        stacked = LabelModel(*(np.stack(part) for part in zip(*found, strict=True)))
        gain, temperature = likelihood_gain(p, y, stacked)
        gains.append(np.asarray(gain))
        temperatures.append(np.asarray(temperature))
        realised.append([1 - m.prior @ m.transition.diagonal() for m in found])
    columns = (
        searched,
        np.mean(realised, axis=0),
        np.concatenate(gains, axis=1),
        np.mean(temperatures, axis=0),
    )
    return [
        Trial(kind, rate, float(wrong), gain, float(temperature))
        for (kind, rate, _), wrong, gain, temperature in zip(*columns, strict=True)
    ]


def identifiable(model: LabelModel, given_counts: np.ndarray) -> bool:
    """Whether names keep their meaning, and the model does lead to the given counts `[K]`.

    A given label must be likeliest for its own class: beyond that, classes could swap names (two
    classes at a rate of 0.4 and of 0.6 explain the same labels). EM may fail to find true counts.
    """
    own = model.transition.diagonal()
    others = model.transition - np.diag(own)
    missed = np.abs(model.prior @ model.transition - class_shares(given_counts)).sum() / 2
    return bool((own > others.max(0)).all() and missed < 0.05)


def noisiest(trials: Sequence[Trial]) -> Trial:
    """The most noise that explains no less than the best does; of equals the one that gains more.

    Too little noise never contradicts predictions that say p(given | x) well; too much does. No
    less: within one standard error of the difference.
    """
    best = max(trials, key=lambda t: t.gains.mean())
    return max(
        (t for t in trials if _lead(best, t) <= 1), key=lambda t: (t.realised, t.gains.mean())
    )


def _lead(one: Trial, other: Trial) -> float:
    """By how many standard errors of the difference `one` explains more than `other`."""
    ahead = one.gains - other.gains
    return float(ahead.mean() / max(ahead.std() / np.sqrt(len(ahead)), 1e-9))


def kinds(
    counts: np.ndarray, confused: np.ndarray, rates: Sequence[float]
) -> Iterator[tuple[str, float, Make]]:
    """(kind, rate, true counts -> transition) of everything that is searched.

    Args:
      counts: `[K]` of the given labels.  confused: `[K, K]`, see `confident_confusions`.
    """
    yield "none", 0.0, lambda n: np.eye(len(n))
    for rate in rates:
        yield "symmetric", rate, lambda n, rate=rate: symmetric(n, rate)
        yield "joint", rate, lambda n, rate=rate: joint(n, rate)
        yield "confused", rate, lambda n, rate=rate: confusion(confused, rate)
        if counts.max() > counts.min():
            for cap in CAPS:
                yield f"t2h cap {cap:g}", rate, lambda n, r=rate, cap=cap: t2h(n, r, cap)


# The kinds of noise, as functions of real-valued true class counts `[K]` -> T `[K, K]` ---------


def symmetric(counts: np.ndarray, rate: float) -> np.ndarray:
    size = len(counts)
    return (1 - rate) * np.eye(size) + rate * (1 - np.eye(size)) / (size - 1)


def joint(counts: np.ndarray, rate: float) -> np.ndarray:
    """Towards other classes in proportion to their counts (RoLT: Wei et al., 2021)."""
    others = counts[None, :] * (1 - np.eye(len(counts)))
    return (1 - rate) * np.eye(len(counts)) + rate * others / others.sum(1, keepdims=True)


def t2h(counts: np.ndarray, rate: float, cap: float) -> np.ndarray:
    """Tail-to-head noise (`data.tail_to_head`); where the cap forbids the rate, what it allows."""
    if counts.max() <= counts.min():
        return np.eye(len(counts))
    towards = tail_to_head.destination_weights(counts)
    slope = tail_to_head.tailness(counts) * towards.any(1)
    low, high = 0.0, cap / slope[slope > 0].min(initial=1.0)
    for _ in range(60):
        middle = (low + high) / 2
        enough = counts @ np.minimum(cap, middle * slope) >= rate * counts.sum()
        low, high = (low, middle) if enough else (middle, high)
    lost = np.minimum(cap, high * slope)
    shares = towards / np.maximum(towards.sum(1, keepdims=True), 1e-12)
    return np.diag(1 - lost) + lost[:, None] * shares


def confusion(confused: np.ndarray, rate: float) -> np.ndarray:
    """`confused` `[K, K]`, its off-diagonal parts scaled: class mean of wrong labels `rate`.

    No class loses more than 0.95, so that the mean may fall short.
    """
    away = confused * (1 - np.eye(len(confused)))
    scale = rate / max(away.sum(1).mean(), 1e-12)
    away = away * np.minimum(scale, 0.95 / np.maximum(away.sum(1, keepdims=True), 1e-12))
    return away + np.diag(1 - away.sum(1))


def confident_confusions(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """`[K, K]`, rows sum to 1: how the samples that look most like class i are called.

    The confident joint (Northcutt et al. 2021): a sample counts for the class whose probability
    exceeds that class's mean among its own given labels, the most probable one where several do.
    """
    size = probs.shape[1]
    own = probs[np.arange(len(given)), given]
    counts = np.bincount(given, minlength=size)
    threshold = np.bincount(given, own, size) / np.maximum(counts, 1)
    above = np.where(probs >= np.where(counts > 0, threshold, np.inf), probs, -1)
    sure = above.max(1) > 0
    table = np.eye(size)  # a class that nothing looks like keeps its name
    np.add.at(table, (above.argmax(1)[sure], given[sure]), 1)
    return table / table.sum(1, keepdims=True)


# Counts and predictions without the noise --------------------------------------------------------


def solved(given_counts: np.ndarray, make: Make, iterations: int = 200) -> LabelModel:
    """True class shares n by EM, so that n T(n) is near the given counts, and that T.

    given_counts: `[K]` of the given labels. Where T(n) jumps with the order of nearly equal counts
    it may not settle; see `identifiable`.
    """
    counts = np.maximum(np.asarray(given_counts, np.float64), 0.5)
    for _ in range(iterations):
        table = make(counts)
        back = counts[:, None] * table / np.maximum(counts @ table, 1e-12)
        counts = (counts + np.maximum(back @ given_counts, 0.5)) / 2
    return LabelModel(make(counts).astype(np.float32), (counts / counts.sum()).astype(np.float32))


@jax.jit
def clean_probs(noisy_probs: jax.Array, transition: jax.Array) -> jax.Array:
    """p `[N, K]` in the simplex with p T nearest `noisy_probs` `[N, K]` (Kullback-Leibler).

    Richardson-Lucy deconvolution: EM for the weights of a mixture whose components are the rows
    of T `[K, K]`.
    """

    def step(_: int, p: jax.Array) -> jax.Array:
        p = p * ((noisy_probs / jnp.maximum(p @ transition, 1e-12)) @ transition.T)
        return p / p.sum(1, keepdims=True)

    return jax.lax.fori_loop(0, _STEPS, step, noisy_probs)


@jax.jit
def tempered(probs: jax.Array, prior: jax.Array, temperature: jax.Array) -> jax.Array:
    """prior (probs / prior)^(1 / temperature), normalised: evidence sharpened, but not the prior.

    probs `[N, K]`, prior `[K]`.
    """
    log_prior = jnp.log(prior)
    evidence = jnp.log(jnp.maximum(probs, 1e-12)) - log_prior
    return jax.nn.softmax(evidence / temperature + log_prior)


@jax.jit
def likelihood_gain(
    noisy_probs: jax.Array, given: jax.Array, models: LabelModel
) -> tuple[jax.Array, jax.Array]:
    """log p(given | x), predictions made possible under T, over that as they are.

    Predictions too timid or too bold are no sign of noise: each T may choose a temperature.

    Args:
      noisy_probs: `[N, K]`.  given: `[N]`.  models: transition `[F, K, K]`, prior `[F, K]`.

    Returns:
      (gains `[F, N]` in nats, temperatures `[F]`).
    """
    rows = jnp.arange(len(given))
    plain = jnp.log(noisy_probs[rows, given])

    def gain(model: LabelModel) -> tuple[jax.Array, jax.Array]:
        clean = clean_probs(noisy_probs, model.transition)
        column = model.transition[:, given].T

        def at(temperature: jax.Array) -> jax.Array:
            again = jnp.sum(tempered(clean, model.prior, temperature) * column, axis=1)
            return jnp.log(jnp.maximum(again, 1e-12)) - plain

        scale = jnp.array(TEMPERATURES)
        best = scale[jnp.argmax(jax.lax.map(lambda t: at(t).mean(), scale))]
        return at(best), best

    return jax.lax.map(gain, models)
