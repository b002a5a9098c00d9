"""Which given labels are wrong: predictions and neighbours in, P(wrong) out.

1. Calibrated p(given | x), from cross-validated probabilities, the labels of the nearest
   neighbours, or both (`opinion_pool`).
2. The noise. Either a kind of few parameters that depends on the class alone explains the labels
   better than confusions of classes do (`noise_structure.class_conditional`): then it is undone row
   by row, the predictions are scaled (`temperature_scaling`), and by Bayes
   P(true | x, given) follows. Or noise depends on the image, as people's does (`image_noise`).
3. A label is flagged where P(wrong) exceeds a threshold, the one that promises the best F1. Rare
   classes are what an audit accuses first: the tail's threshold rises until the expected share of
   its right labels that are flagged is within a budget.

Array in, array out; N samples, K classes. Rows pass in blocks, so that `[N, K]` need not fit into
memory.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dull_jax.errors import UserError
from dull_jax.stats import (
    check_probs,
    image_noise,
    neighbour_graph,
    noise_structure,
    opinion_pool,
    temperature_scaling,
)
from dull_jax.stats.neighbour_graph import Graph
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.opinion_pool import Pool
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel, label_posterior

THRESHOLDS = (0.25, 0.5)  # of P(wrong), lowest and highest, before the guard
TAIL_FALSE_ALARMS = 0.03  # of the tail's right labels, expected to be flagged; unless asked
IMAGE_TAIL_FALSE_ALARMS = 0.05  # where noise depends on the image: it flows into rare classes too
RARE = 0.5  # a class of the tail is guarded if it has less than this part of the largest's samples
BLOCK_NUMBERS = 2**18  # probabilities looked at together: three such arrays fit a core's cache
KINDS = {
    "none": "none",
    "symmetric": "symmetric",
    "joint": "joint (towards frequent classes)",
    "t2h": "tail-to-head",
    "image": "between classes that look alike, depending on the image",
}


class GroupEstimate(NamedTuple):
    """What is expected of a group (of the given class); a share of nothing is nan."""

    labels: int
    flagged: int
    precision: float  # of the flagged labels, how many are wrong
    false_alarm: float  # of the right labels, how many are flagged
    recall: float  # of the wrong labels, how many are flagged


@dataclasses.dataclass(frozen=True)
class LabelAudit:
    """The verdict on every label, and what is behind it.

    suggested: int32 [N], the likeliest class; of a flagged label the likeliest other class.
    wrong: float32 [N], P(the given label is wrong). flagged: bool [N].
    ambiguous: bool [N], flagged though no other class is likelier.
    replaceable: bool [N], flagged, another class is likelier, and the given one is not of the
      guarded tail: what may be corrected unseen.
    groups: group -> class ids. threshold: group -> P(wrong) to exceed.
    transition: float32 [K, K], P(given j | true i). prior: float32 [K], true class shares.
    noise: kind and amount, in words. gain: evidence for it, nats per label over no noise; 0 where
      it depends on the image, for which there can be none.
    estimated: group and 'all' -> GroupEstimate. posterior: float32 [N, K], if asked.
    """

    suggested: np.ndarray
    wrong: np.ndarray
    flagged: np.ndarray
    ambiguous: np.ndarray
    replaceable: np.ndarray
    groups: dict[str, list[int]]
    threshold: dict[str, float]
    transition: np.ndarray
    prior: np.ndarray
    noise: str
    gain: float
    estimated: dict[str, GroupEstimate]
    posterior: np.ndarray | None = None


class PosteriorModel(NamedTuple):
    """All that the posterior of a row depends on, under noise that depends on the class."""

    noise: Noise
    model: LabelModel
    scaling: Scaling
    size: int  # samples that the class shares are counted on


def audit_labels(
    pred_probs: np.ndarray | None,
    given: np.ndarray,
    *,
    features: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    groups: Mapping[str, Sequence[int]] | None = None,
    max_tail_false_alarms: float | None = None,
    block: int | None = None,
    posterior: bool = False,
) -> LabelAudit:
    """Finds wrong labels from cross-validated probabilities, features, or both, which is best.

    Args:
      pred_probs: `[N, K]` p(given | x), rows sum to 1; float16, 32 or 64, in memory or an
        `np.memmap`. From models that were not trained on the row they predict. None: features say
        all, and K is one more than the largest label, or the number of `class_names`.
      given: `[N]` labels, integers 0 to K - 1.
      features: `[N, C]` embeddings in which images that are alike are near; only their direction
        counts. Not from a network that was trained on these labels.
      class_names: `[K]`, for messages.
      groups: group -> class ids, for thresholds and estimates. Head, medium and tail by the
        estimated true counts unless given (`data.groups.class_groups`): noise fills rare classes.
      max_tail_false_alarms: the largest expected share of the right labels of the group 'tail' that
        may be flagged; 1 for no guard. None: 0.03, or 0.05 where noise depends on the image, and of
        classes that are rare indeed, unless `groups` names them.
      block: rows at a time. The result does not depend on it, beyond rounding.
      posterior: whether to keep P(true | x, given), `[N, K]`.

    Raises:
      UserError: names the row, label or class that cannot be.

    >>> rng = np.random.default_rng(0)
    >>> true = np.repeat([0, 1, 2], [300, 100, 50])
    >>> given = np.where(np.arange(450) % 10 == 0, (true + rng.integers(1, 3, 450)) % 3, true)
    >>> probs = 0.8 * np.eye(3)[true] + 0.2 * rng.dirichlet(np.ones(3), 450)
    >>> audit = audit_labels(probs, given)
    >>> int(audit.flagged.sum()), bool((audit.suggested == true).all())
    (45, True)
    """
    budget = max_tail_false_alarms
    if budget is not None and not 0 <= budget <= 1:
        raise UserError(f"max_tail_false_alarms={budget} must be in [0, 1]")
    evidence, class_names = _evidence(pred_probs, given, features, class_names, block)
    judged = _judged(evidence, posterior)

    groups_given = groups is not None
    counts = judged.prior * len(evidence.given)
    groups = check_probs.grouped(groups, np.rint(counts), class_names)
    inside = {group: np.isin(evidence.given, ids) for group, ids in groups.items()}
    if budget is None:
        by_image = judged.noise.startswith("image")
        budget = IMAGE_TAIL_FALSE_ALARMS if by_image else TAIL_FALSE_ALARMS
    rare = np.ones(len(counts), bool) if groups_given else counts < RARE * counts.max()
    guard = inside.get("tail", np.zeros(len(evidence.given), bool)) & rare[evidence.given]
    flagged, threshold = flags(judged.wrong, inside, guard, budget)
    suggested = np.where(flagged | judged.likelier, judged.other, evidence.given)
    inside["all"] = np.ones(len(flagged), bool)
    return LabelAudit(
        suggested=suggested.astype(np.int32),
        wrong=judged.wrong,
        flagged=flagged,
        ambiguous=flagged & ~judged.likelier,
        replaceable=flagged & judged.likelier & ~guard,
        groups=groups,
        threshold=threshold,
        transition=judged.transition.astype(np.float32),
        prior=judged.prior.astype(np.float32),
        noise=in_words(judged.noise),
        gain=judged.gain,
        estimated={
            group: estimate(judged.wrong, flagged, members) for group, members in inside.items()
        },
        posterior=judged.posterior,
    )


def flags(
    wrong: np.ndarray, inside: Mapping[str, np.ndarray], guard: np.ndarray, budget: float
) -> tuple[np.ndarray, dict[str, float]]:
    """Which labels are flagged, and the threshold of each group.

    Args:
      wrong: `[N]` P(wrong).  inside: group -> `[N]`, whether the given class is in it.
      guard: `[N]`, whether it is of the tail, and rare indeed.  budget: see `guarded`.
    """
    lowest = best_threshold(wrong)
    flagged = wrong > lowest
    threshold = dict.fromkeys(inside, lowest)
    if guard.any():
        threshold["tail"] = guarded(wrong, flagged & guard, guard, budget, lowest)
        flagged &= ~guard | (wrong > threshold["tail"])
    return flagged, threshold


def best_threshold(wrong: np.ndarray) -> float:
    """The threshold of P(wrong) `[N]` whose flags have the greatest expected F1.

    F1 of the first n is 2 sum of their P / (n + sum of all P), to first order. Within
    `THRESHOLDS`: nobody wants to look at labels that are right three times out of four.
    """
    ranked = np.sort(wrong.astype(np.float64))[::-1]
    expected = np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum() + 1e-12)
    last = ranked[expected.argmax()]
    return float(np.clip(np.nextafter(np.float32(last), np.float32(-1)), *THRESHOLDS))


def guarded(
    wrong: np.ndarray, doubtful: np.ndarray, inside: np.ndarray, budget: float, lowest: float
) -> float:
    """The lowest threshold, `lowest` or more, that keeps the expected false alarms in `budget`.

    Flagging what exceeds it, of the samples that are `inside` and `doubtful`, flags no more than
    the share `budget` of the right labels inside: sum of 1 - P(wrong), over the flagged and all.
    All `[N]`.
    """
    candidates = np.sort(wrong[inside & doubtful].astype(np.float64))[::-1]
    right = (1 - wrong[inside].astype(np.float64)).sum()
    within = int(np.count_nonzero(np.cumsum(1 - candidates) <= budget * right))
    return float(max(candidates[within], lowest)) if within < len(candidates) else lowest


def estimate(wrong: np.ndarray, flagged: np.ndarray, inside: np.ndarray) -> GroupEstimate:
    """Expected precision, false alarms and recall from P(wrong) alone, all `[N]`."""
    chance, chosen = wrong[inside].astype(np.float64), flagged[inside]
    caught, alarms = chance[chosen].sum(), (1 - chance[chosen]).sum()

    def share(part: float, whole: float) -> float:
        return float(part / whole) if whole > 0 else float("nan")

    return GroupEstimate(
        int(inside.sum()),
        int(chosen.sum()),
        share(caught, chosen.sum()),
        share(alarms, (1 - chance).sum()),
        share(caught, chance.sum()),
    )


def in_words(name: str) -> str:
    """A structure's name for people.

    >>> in_words("t2h rate 0.30 cap 0.6")
    'tail-to-head, rate 0.30, a class loses at most 0.6'
    >>> in_words("image rate 0.17")
    'between classes that look alike, depending on the image, rate 0.17'
    """
    kind, _, rest = name.partition(" ")
    rest = rest.replace("rate", ", rate").replace(" cap", ", a class loses at most")
    return KINDS[kind] + rest


# 1. p(given | x) ---------------------------------------------------------------------------------


class _Evidence(NamedTuple):
    """What is known of N samples, and how it is read some rows at a time."""

    given: np.ndarray  # int32 [N]
    num_classes: int
    probs: np.ndarray | None  # [N, K], maybe a memmap
    graph: Graph | None
    pool: Pool
    rows: int  # at a time

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """(where, calibrated p(given | x) float32 [n, K], given labels [n])."""
        for start in range(0, len(self.given), self.rows):
            here = slice(start, min(start + self.rows, len(self.given)))
            yield here, self.at(here), self.given[here]

    def at(self, where: slice | np.ndarray) -> np.ndarray:
        sources = _sources(self.probs, self.graph, self.given, self.num_classes, self.pool.kernel)
        parts = [source(where) for source in sources]
        return np.asarray(opinion_pool.pooled(parts, self.pool.weights, self.pool.biases))


def _evidence(
    pred_probs: np.ndarray | None,
    given: np.ndarray,
    features: np.ndarray | None,
    class_names: Sequence[str] | None,
    block: int | None,
) -> tuple[_Evidence, tuple[str, ...]]:
    """What was handed in, checked and calibrated; and names of the classes."""
    if pred_probs is None and features is None:
        raise UserError("an audit needs predictions, features, or both")
    probs = None if pred_probs is None else check_probs.matrix(pred_probs)
    size, num_classes = check_probs.shape(probs, given, class_names)
    class_names = check_probs.names(class_names, num_classes)
    given = check_probs.labels(given, (size, num_classes), class_names)
    rows = max(BLOCK_NUMBERS // num_classes, 1) if block is None else block
    if rows < 1:
        raise UserError(f"block={block} must be 1 or more rows")
    for start, part in check_probs.blocks(probs if probs is not None else (), rows):
        check_probs.rows_sum_to_one(part, start)
    graph, kernel = None, np.nan
    fitted = opinion_pool.fitted_rows(size, num_classes)
    if features is not None and size > 1:
        if len(features) != size:
            raise UserError(f"{len(features)} rows of features, but {size} given labels")
        graph = neighbour_graph.of_same_features(features, opinion_pool.NEIGHBOURS)
        kernel = opinion_pool.best_kernel(graph, fitted, given, num_classes)
    parts = [source(fitted) for source in _sources(probs, graph, given, num_classes, kernel)]
    pool = opinion_pool.fit(parts, given[fitted], kernel)
    return _Evidence(given, num_classes, probs, graph, pool, rows), class_names


def _sources(
    probs: np.ndarray | None,
    graph: Graph | None,
    given: np.ndarray,
    num_classes: int,
    kernel: float,
) -> list[Callable[[slice | np.ndarray], np.ndarray]]:
    """Functions rows -> predictions `[n, K]`; of a single sample all classes are alike."""
    sources = []
    if probs is not None:
        sources.append(lambda where: np.asarray(probs[where], np.float32))
    if graph is not None:
        sources.append(
            lambda where: opinion_pool.votes(
                Graph(*(column[where] for column in graph)), given, num_classes, kernel
            )
        )
    flat = np.full((len(given), num_classes), 1 / num_classes, np.float32)
    return sources or [lambda where: flat[where]]


# 2. The noise, and P(wrong) ----------------------------------------------------------------------


class _Judged(NamedTuple):
    noise: str  # kind and amount
    gain: float
    transition: np.ndarray  # [K, K]
    prior: np.ndarray  # [K]
    wrong: np.ndarray  # float32 [N], P(wrong)
    other: np.ndarray  # int32 [N], the likeliest other class
    likelier: np.ndarray  # bool [N], whether it is likelier than the given one
    posterior: np.ndarray | None  # float32 [N, K]


def _judged(evidence: _Evidence, keep: bool) -> _Judged:
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
        return _judged_by_image(evidence, seen, labels, keep)
    clean = noise_structure.clean_probs(seen, noise.noise)
    scaling = temperature_scaling.fit(clean, labels, noise.model, noise.temperature)
    model = PosteriorModel(noise.noise, noise.model, scaling, size)
    return _judged_by_class(evidence, noise, model, keep)


def _judged_by_class(
    evidence: _Evidence,
    noise: noise_structure.NoiseEstimate,
    posterior_model: PosteriorModel,
    keep: bool,
) -> _Judged:
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
    return _Judged(noise.name, noise.gain, table, mass / size, wrong, other, likelier, kept)


@jax.jit
def posterior_of(probs: jax.Array, given: jax.Array, posterior_model: PosteriorModel) -> jax.Array:
    """P(true | x, given) `[n, K]` of positive p(given | x) `[n, K]` and labels `[n]`."""
    prior = posterior_model.model.prior
    clean = noise_structure.clean_probs(probs, posterior_model.noise)
    clean = temperature_scaling.scaled(clean, prior, posterior_model.scaling)
    clean = temperature_scaling.smoothed(clean, prior, posterior_model.size)
    return label_posterior(clean / prior, given, posterior_model.model)


def _judged_by_image(
    evidence: _Evidence, seen: np.ndarray, labels: np.ndarray, keep: bool
) -> _Judged:
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
    return _Judged(name, 0.0, table, prior, wrong, other, likelier, kept)
