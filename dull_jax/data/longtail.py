"""Long-tailed class counts and the subset that has them.

The class id is the rank: class 0 is the head. Source of both profiles: Cao et al., LDAM (NeurIPS
2019); the exponential one is what RoLT, SFA, TABASCO and DaSC train on.
"""

import numpy as np

from dull_jax import fields
from dull_jax.data import draws
from dull_jax.errors import UserError
from dull_jax.fields import choice, number

PROFILES = ("exponential", "step")
FIELDS = {
    "profile": choice(
        "exponential", "long tail: exponential, step, or none (all images)", (*PROFILES, "none")
    ),
    "imbalance_factor": number(10.0, "images of the largest class per image of the rarest", 1, 1e6),
    "max_count": number(0, "images of the largest class; 0: as many as every class has", 0, 10**9),
    "seed": number(0, "which images of a class are kept", 0, 2**31 - 1, follows="seed"),
}


def class_counts(
    profile: str, max_count: int, imbalance_factor: float, num_classes: int
) -> np.ndarray:
    """Samples of each class, int64 [K], non-increasing; the first class has `max_count`.

    `exponential`: int(max_count * IF^(-c/(K-1))). `step`: the first K // 2 classes have
    `max_count`, the rest int(max_count / IF). `imbalance_factor` IF >= 1 is the largest count over
    the smallest; 1 is balanced. Raises UserError for an unknown profile, for IF < 1, and when the
    tail would be left without a sample.

    >>> class_counts("exponential", 5000, 100, 10)
    array([5000, 2997, 1796, 1077,  645,  387,  232,  139,   83,   50])
    """
    if profile not in PROFILES:
        raise UserError(f"profile = {profile!r}: {fields.suggestion(profile, PROFILES)}")
    fields.check("imbalance_factor", FIELDS["imbalance_factor"], imbalance_factor)
    if max_count < 1 or num_classes < 1:
        raise UserError(f"max_count={max_count} and num_classes={num_classes} must be 1 or more")
    if profile == "step":
        share = [1.0 if c < num_classes // 2 else 1 / imbalance_factor for c in range(num_classes)]
    else:
        last = max(num_classes - 1, 1)
        share = [float(imbalance_factor) ** (-c / last) for c in range(num_classes)]
    # Plain int() loses a sample where a float falls an ulp short: 160 * 32^(-2/5) is 40, not 39.
    counts = np.array([draws.whole(max_count * s) for s in share], np.int64)
    if counts[-1] < 1:
        raise UserError(
            f"imbalance_factor={imbalance_factor:g} leaves class {num_classes - 1} empty "
            f"(max_count={max_count}); use an imbalance_factor of at most {max_count}"
        )
    return counts


def subsample(labels: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions to keep, int64 [sum(counts)], ascending: `counts[c]` random samples of class c.

    Each class is permuted with `rng` (`draws.pick`, stable across NumPy releases) and its first
    `counts[c]` samples stay. Raises UserError when a class has fewer samples than asked for.

    >>> subsample(np.array([0, 1, 0, 0, 1]), [2, 1], draws.generator(0, "subset"))
    array([1, 2, 3])
    """
    counts = np.asarray(counts, np.int64)
    kept = []
    for c, positions in enumerate(draws.members(labels, len(counts))):
        if len(positions) < counts[c]:
            raise UserError(
                f"class {c} has {len(positions)} samples, the long tail asks for {counts[c]}; "
                f"lower max_count (the smallest class decides) or raise imbalance_factor"
            )
        kept.append(draws.pick(rng, positions, counts[c]))
    return np.sort(np.concatenate(kept))
