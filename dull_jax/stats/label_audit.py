"""Which given labels are wrong: predictions and neighbours in, P(wrong) out.

1. Calibrated p(given | x), from cross-validated probabilities, the labels of the nearest
   neighbours, or both (`label_evidence`).
2. The noise that explains the labels, by the class or by the image, and P(wrong) of every label
   (`label_error_model`); by the image in two rounds, where there are features.
3. A label is flagged where P(wrong) exceeds a threshold, the one that promises the best F1. Rare
   classes are what an audit accuses first. So their labels are called wrong no surer than few
   examples allow (`rule_of_succession`), and the tail's threshold rises until the expected share
   of its right labels that are flagged is within a budget, or to `CERTAIN`.
4. Labels that a person has decided are known: they teach 1 and 2, and calibrate P(wrong) of the
   others (`decided_calibration`).

Array in, array out; N samples, K classes. Rows pass in blocks, so that `[N, K]` need not fit into
memory.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np

from dull_jax import jax_settings
from dull_jax.errors import UserError
from dull_jax.stats import (
    check_probs,
    decided_calibration,
    label_error_model,
    label_evidence,
    rule_of_succession,
)
from dull_jax.stats.label_evidence import ASIDE, UNDECIDED

THRESHOLDS = (0.25, 0.5)  # of P(wrong), lowest and highest, before the guard
# Share of the tail's right labels that may be flagged, by what is expected, unless asked. Where
# noise flows to frequent classes, labels of rare ones are mostly right, and a strict guard costs
# nothing; three times as many are flagged then. Other noise flows into rare classes too.
TAIL_FALSE_ALARMS = {
    "t2h": 0.01,
    "t2h-similar": 0.01,
    "joint": 0.01,
    "symmetric": 0.03,
    "asymmetric": 0.03,
    "none": 0.03,
    "image": 0.05,
}
# Where noise depends on the image, labels that are wrong so surely are flagged whatever the guard,
# which by this estimate would miss nine wrong ones for each right one that it spares.
CERTAIN = 0.9
FEW = 10  # labels; those of a class with fewer are not corrected unseen
RARE = 0.5  # a class is rare if it has less than this part of the largest's samples
KINDS = {
    "none": "none",
    "symmetric": "symmetric",
    "joint": "joint (towards frequent classes)",
    "t2h": "tail-to-head",
    "t2h-similar": "tail-to-head, towards look-alikes",
    "asymmetric": "asymmetric (from a class to one other)",
    "image": "between classes that look alike, depending on the image",
}
DETAILS = {
    "rate": ", rate",
    " cap": ", a class loses at most",
    " evenly": ", the same share of every class that loses any",
    " few": ", of few classes",
    " mostly": ", now and then to rarer classes",
}


class GroupEstimate(NamedTuple):
    """What is expected of a group (of the given class); a share of nothing is nan.

    Attributes:
      labels: how many there are.
      flagged: how many of them are flagged.
      precision: of the flagged labels, how many are wrong.
      false_alarm: of the right labels, how many are flagged.
      recall: of the wrong labels, how many are flagged.
    """

    labels: int
    flagged: int
    precision: float
    false_alarm: float
    recall: float


@dataclasses.dataclass(frozen=True)
class LabelAudit:
    """The verdict on every label, and what is behind it.

    Attributes:
      suggested: int32 `[N]`, the likeliest class; of a flagged label the likeliest other class.
      wrong: float32 `[N]`, P(the given label is wrong).
      flagged: bool `[N]`, to be looked at.
      ambiguous: bool `[N]`, flagged though no other class is likelier.
      replaceable: bool `[N]`, flagged, another class is likelier, and the given one is not of the
        guarded tail and has `FEW` labels or more: what may be corrected unseen.
      decided: bool `[N]`, known or put aside: nothing of the above. P(wrong) of what is known is 0
        or 1.
      groups: group -> class ids.
      threshold: group -> P(wrong) to exceed.
      transition: float32 `[K, K]`, P(given j | true i).
      prior: float32 `[K]`, true class shares.
      noise: kind and amount, in words.
      gain: evidence for it, nats per label over no noise; 0 where it depends on the image, for
        which there can be none.
      estimated: group and 'all' -> GroupEstimate, of the labels that are not decided.
      candidates: int32 `[N, n]`, the likeliest classes, the likeliest first, if asked.
      posterior: float32 `[N, K]`, if asked, before the rule of succession and decisions.
    """

    suggested: np.ndarray
    wrong: np.ndarray
    flagged: np.ndarray
    ambiguous: np.ndarray
    replaceable: np.ndarray
    decided: np.ndarray
    groups: dict[str, list[int]]
    threshold: dict[str, float]
    transition: np.ndarray
    prior: np.ndarray
    noise: str
    gain: float
    estimated: dict[str, GroupEstimate]
    candidates: np.ndarray
    posterior: np.ndarray | None = None


@jax_settings.pinned()
def audit_labels(
    pred_probs: np.ndarray | None,
    given: np.ndarray,
    *,
    features: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    groups: Mapping[str, Sequence[int]] | None = None,
    max_tail_false_alarms: float | None = None,
    known: np.ndarray | None = None,
    block: int | None = None,
    candidates: int = 0,
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
        may be flagged; 1 for no guard. None: by the kind of noise (`TAIL_FALSE_ALARMS`, `CERTAIN`),
        and of classes that are rare indeed, unless `groups` names them.
      known: `[N]`, true classes that a person has decided: int, -1 where nobody has, -2 for samples
        of none of the classes, -3 for samples that are put aside: they are not flagged, and nothing
        is known of their labels. `pred_probs` may come from models that were trained on them.
      block: rows at a time. The result does not depend on it, beyond rounding.
      candidates: how many of a sample's likeliest classes to keep.
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
    if budget is not None and not (isinstance(budget, Real) and 0 <= budget <= 1):
        raise UserError(f"max_tail_false_alarms={budget!r} must be in [0, 1]")
    evidence, class_names = label_evidence.gathered(
        pred_probs, given, features, class_names, block, known
    )
    judged = label_error_model.judged(evidence, posterior, candidates)
    given = evidence.given
    known = np.full(len(given), UNDECIDED) if known is None else np.asarray(known)

    counts = judged.prior * len(given)
    rare, named = (counts < RARE * counts.max())[given], groups is not None
    labels = np.bincount(given, minlength=len(counts))
    groups = check_probs.grouped(groups, np.rint(counts), labels, class_names)
    decided = known != UNDECIDED
    inside = {group: np.isin(given, ids) & ~decided for group, ids in groups.items()}
    guard = inside.get("tail", np.zeros(len(given), bool)) & (rare | named)
    by_image, wrong = judged.noise.startswith("image"), judged.wrong
    if not by_image:  # whose transition is that of P(wrong) itself, and says no more
        smoothed = rule_of_succession.smoothed(wrong, given, judged.transition, judged.prior)
        wrong = np.where(rare | guard, smoothed, wrong)
    if (told := decided & (known != ASIDE)).any():
        wrong = _calibrated(wrong, known, told, given, groups)
    highest = CERTAIN if budget is None and by_image else 1.0
    if budget is None:
        budget = TAIL_FALSE_ALARMS[judged.noise.partition(" ")[0]]
    flagged, threshold = flags(np.where(decided, 0, wrong), inside, guard, budget, highest)
    inside["all"] = ~decided
    likelier = wrong * judged.part > 1 - wrong
    suggested = np.where(flagged | likelier, judged.other, given)
    return LabelAudit(
        suggested=np.where(known >= 0, known, suggested).astype(np.int32),
        wrong=wrong,
        flagged=flagged,
        ambiguous=flagged & ~likelier,
        replaceable=flagged & likelier & ~guard & (labels >= FEW)[given],
        decided=decided,
        groups=groups,
        threshold=threshold,
        transition=judged.transition.astype(np.float32),
        prior=judged.prior.astype(np.float32),
        noise=in_words(judged.noise),
        gain=judged.gain,
        estimated={group: estimate(wrong, flagged, members) for group, members in inside.items()},
        candidates=judged.candidates,
        posterior=judged.posterior,
    )


def _calibrated(
    wrong: np.ndarray,
    known: np.ndarray,
    told: np.ndarray,
    given: np.ndarray,
    groups: Mapping[str, Sequence[int]],
) -> np.ndarray:
    """P(wrong) `[N]` as the labels that were `told` say, which are 0 or 1.

    Doubtful ones teach: whoever decides on a label that no list holds has chosen it for what he
    saw, and six such errors would make an audit doubt everything.
    """
    group = np.zeros(len(given), int)
    for number, ids in enumerate(groups.values()):
        group[np.isin(given, ids)] = number
    errors = (known != given)[told]
    taught = wrong[told] >= THRESHOLDS[0]
    found = decided_calibration.fit(
        wrong[told][taught], errors[taught], group[told][taught], max(len(groups), 1)
    )
    wrong = found.apply(wrong, group)
    wrong[told] = errors
    return wrong


def flags(
    wrong: np.ndarray,
    inside: Mapping[str, np.ndarray],
    guard: np.ndarray,
    budget: float,
    highest: float,
) -> tuple[np.ndarray, dict[str, float]]:
    """Which labels are flagged, and the threshold of each group.

    Args:
      wrong: `[N]` P(wrong).  inside: group -> `[N]`, whether the given class is in it.
      guard: `[N]`, whether it is of the tail, and rare or named.  budget: see `guarded`.
      highest: to which the guard raises the tail's threshold at most.
    """
    lowest = best_threshold(wrong)
    flagged = wrong > lowest
    threshold = dict.fromkeys(inside, lowest)
    if guard.any():
        within = guarded(wrong, flagged & guard, guard, budget, lowest)
        threshold["tail"] = min(within, highest)
        flagged &= ~guard | (wrong > threshold["tail"])
    return flagged, threshold


def best_threshold(wrong: np.ndarray) -> float:
    """The threshold of P(wrong) `[N]` whose flags have the greatest expected F1.

    F1 of the first n is 2 sum of their P / (n + sum of all P), to first order. Within
    `THRESHOLDS`: nobody wants to look at labels that are right three times out of four.

    >>> round(best_threshold(np.array([0.9, 0.4, 0.35, 0.01])), 3)
    0.4
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
    >>> in_words("t2h-similar rate 0.12 mostly")
    'tail-to-head, towards look-alikes, rate 0.12, now and then to rarer classes'
    >>> in_words("image rate 0.17")
    'between classes that look alike, depending on the image, rate 0.17'
    """
    kind, _, rest = name.partition(" ")
    for word, words in DETAILS.items():
        rest = rest.replace(word, words)
    return KINDS[kind] + rest
