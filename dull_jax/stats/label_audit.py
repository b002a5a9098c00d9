"""Which given labels are wrong: anybody's cross-validated probabilities in, P(wrong) out.

1. The kind and amount of noise that explain the given labels best (`noise_structure`).
2. Row by row: the noise undone, the predictions scaled (`temperature_scaling`), and by Bayes
   P(true | x, given), so P(given is wrong).
3. A label is flagged where another class is likelier and P(wrong) exceeds its group's threshold.
   Rare classes are what an audit accuses first: the tail's threshold rises until the expected share
   of its right labels that are flagged is within a budget.

Array in, array out; N samples, K classes. Rows pass in blocks, so that `[N, K]` need not fit into
memory: about 4 GB on disk and half a GB here for N = 1,000,000 and K = 1,000.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dull_jax.errors import UserError
from dull_jax.stats import check_probs, noise_structure, temperature_scaling
from dull_jax.stats.noise_kinds import Noise
from dull_jax.stats.temperature_scaling import Scaling
from dull_jax.stats.transition import LabelModel, label_posterior

THRESHOLD = 0.5
TAIL_FALSE_ALARMS = 0.03  # of the tail's right labels, expected to be flagged; unless asked
BLOCK_NUMBERS = 2**18  # probabilities looked at together: three such arrays fit a core's cache
KINDS = {
    "none": "none",
    "symmetric": "symmetric",
    "joint": "joint (towards frequent classes)",
    "t2h": "tail-to-head",
    "confused": "between classes that look alike",
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

    suggested: int32 [N], the likeliest class. wrong: float32 [N], P(the given label is wrong).
    flagged: bool [N]. groups: group -> class ids. threshold: group -> P(wrong) to exceed.
    transition: float32 [K, K], P(given j | true i). prior: float32 [K], true class shares.
    noise: kind and amount, in words. gain: evidence for it, nats per label over no noise; about 0
    says nothing. estimated: group and 'all' -> GroupEstimate. posterior: float32 [N, K], if asked.
    """

    suggested: np.ndarray
    wrong: np.ndarray
    flagged: np.ndarray
    groups: dict[str, list[int]]
    threshold: dict[str, float]
    transition: np.ndarray
    prior: np.ndarray
    noise: str
    gain: float
    estimated: dict[str, GroupEstimate]
    posterior: np.ndarray | None = None


class PosteriorModel(NamedTuple):
    """All that the posterior of a row depends on."""

    noise: Noise
    model: LabelModel
    scaling: Scaling
    size: int  # samples that the class shares are counted on


def audit_labels(
    pred_probs: np.ndarray,
    given: np.ndarray,
    *,
    class_names: Sequence[str] | None = None,
    groups: Mapping[str, Sequence[int]] | None = None,
    max_tail_false_alarms: float | None = None,
    block: int | None = None,
    posterior: bool = False,
) -> LabelAudit:
    """Finds wrong labels from cross-validated probabilities of the given labels.

    Args:
      pred_probs: `[N, K]` p(given | x), rows sum to 1; float16, 32 or 64, in memory or an
        `np.memmap`. From models that were not trained on the row they predict.
      given: `[N]` labels, integers 0 to K - 1.
      class_names: `[K]`, for messages.
      groups: group -> class ids, for thresholds and estimates. Head, medium and tail by the
        estimated true counts unless given (`data.groups.class_groups`): noise fills rare classes.
      max_tail_false_alarms: the largest expected share of the right labels of the group 'tail' that
        may be flagged; 0.03 when None, 1 for no guard.
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
    budget = TAIL_FALSE_ALARMS if max_tail_false_alarms is None else max_tail_false_alarms
    if not 0 <= budget <= 1:
        raise UserError(f"max_tail_false_alarms={budget} must be in [0, 1]")
    probs = check_probs.matrix(pred_probs)
    class_names = check_probs.names(class_names, probs.shape[1])
    given = check_probs.labels(given, probs.shape, class_names)
    rows = max(BLOCK_NUMBERS // probs.shape[1], 1) if block is None else block
    if rows < 1:
        raise UserError(f"block={block} must be 1 or more rows")
    for start, part in check_probs.blocks(probs, rows):
        check_probs.rows_sum_to_one(part, start)

    noise, posterior_model = _prepared(probs, given)
    verdicts = _verdicts(probs, given, posterior_model, rows, posterior)
    groups = check_probs.grouped(groups, np.rint(verdicts.counts), class_names)
    inside = {group: np.isin(given, ids) for group, ids in groups.items()}
    suggested, wrong = verdicts.suggested, verdicts.wrong
    flagged, threshold = flags(wrong, suggested != given, inside, budget)
    inside["all"] = np.ones(len(given), bool)
    return LabelAudit(
        suggested,
        wrong,
        flagged,
        groups,
        threshold,
        posterior_model.model.transition,
        (verdicts.counts / len(given)).astype(np.float32),
        in_words(noise.name),
        noise.gain,
        {group: estimate(wrong, flagged, members) for group, members in inside.items()},
        verdicts.posterior,
    )


def flags(
    wrong: np.ndarray, differs: np.ndarray, inside: Mapping[str, np.ndarray], budget: float
) -> tuple[np.ndarray, dict[str, float]]:
    """Which labels are flagged, and the threshold of each group.

    Args:
      wrong: `[N]` P(wrong).  differs: `[N]`, another class is likelier than the given one.
      inside: group -> `[N]`, whether the given class is in it.  budget: see `guarded`.
    """
    flagged = differs & (wrong > THRESHOLD)
    threshold = dict.fromkeys(inside, THRESHOLD)
    if "tail" in inside:
        threshold["tail"] = guarded(wrong, flagged, inside["tail"], budget)
        flagged &= ~inside["tail"] | (wrong > threshold["tail"])
    return flagged, threshold


def guarded(wrong: np.ndarray, doubtful: np.ndarray, inside: np.ndarray, budget: float) -> float:
    """The lowest threshold, 0.5 or more, that keeps the expected false alarms within `budget`.

    Flagging what exceeds it, of the samples that are `inside` and `doubtful`, flags no more than
    the share `budget` of the right labels inside: sum of 1 - P(wrong), over the flagged and all.
    All `[N]`.
    """
    candidates = np.sort(wrong[inside & doubtful].astype(np.float64))[::-1]
    right = (1 - wrong[inside].astype(np.float64)).sum()
    within = int(np.count_nonzero(np.cumsum(1 - candidates) <= budget * right))
    return float(max(candidates[within], THRESHOLD)) if within < len(candidates) else THRESHOLD


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
    """
    kind, _, rest = name.partition(" ")
    rest = rest.replace("rate", ", rate").replace(" cap", ", a class loses at most")
    return KINDS[kind] + rest


def _prepared(
    probs: np.ndarray, given: np.ndarray
) -> tuple[noise_structure.NoiseEstimate, PosteriorModel]:
    """The noise and the scaling, from evenly spaced samples."""
    rows = noise_structure.searched(*probs.shape)
    seen, labels = noise_structure.positive(probs[rows]), given[rows]
    counts = np.bincount(given, minlength=probs.shape[1])
    estimate = noise_structure.search(seen, labels, counts)
    if estimate.name == "none":
        estimate = noise_structure.lookalikes(seen, labels, counts) or estimate
    clean = noise_structure.clean_probs(seen, estimate.noise)
    scaling = temperature_scaling.fit(clean, labels, estimate.model, estimate.temperature)
    return estimate, PosteriorModel(estimate.noise, estimate.model, scaling, len(given))


@jax.jit
def posterior_of(probs: jax.Array, given: jax.Array, posterior_model: PosteriorModel) -> jax.Array:
    """P(true | x, given) `[n, K]` of positive p(given | x) `[n, K]` and labels `[n]`."""
    prior = posterior_model.model.prior
    clean = noise_structure.clean_probs(probs, posterior_model.noise)
    clean = temperature_scaling.scaled(clean, prior, posterior_model.scaling)
    clean = temperature_scaling.smoothed(clean, prior, posterior_model.size)
    return label_posterior(clean / prior, given, posterior_model.model)


class _Verdicts(NamedTuple):
    suggested: np.ndarray  # int32 [N]
    wrong: np.ndarray  # float32 [N]
    counts: np.ndarray  # float64 [K], the posterior's mass: expected true counts
    posterior: np.ndarray | None  # [N, K]


def _verdicts(
    probs: np.ndarray, given: np.ndarray, posterior_model: PosteriorModel, rows: int, keep: bool
) -> _Verdicts:
    """`posterior_of`, `rows` at a time; the posterior itself only if it is to be kept."""
    wrong = np.empty(len(given), np.float32)
    verdicts = _Verdicts(
        np.empty(len(given), np.int32),
        wrong,
        np.zeros(probs.shape[1]),
        np.empty(probs.shape, np.float32) if keep else None,
    )
    posterior_model = jax.device_put(posterior_model)
    for start, part in check_probs.blocks(probs, rows):
        here = slice(start, start + len(part))
        posterior = np.asarray(
            posterior_of(noise_structure.positive(part), given[here], posterior_model)
        )
        verdicts.suggested[here] = posterior.argmax(1)
        wrong[here] = 1 - posterior[np.arange(len(part)), given[here]]
        verdicts.counts[:] += posterior.sum(0, dtype=np.float64)
        if keep:
            verdicts.posterior[here] = posterior
    np.clip(wrong, 0, 1, out=wrong)
    return verdicts
