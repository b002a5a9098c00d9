"""Tail-to-head noise (t2h): rare classes take the name of more frequent ones, never the reverse.

Our own definition, version 1 (the generator of the DULL paper is not public). With n_i the true
class counts, N their sum and `rate` the share of all N labels that end up wrong:

1. tailness  t_i = ln(n_max / n_i) / ln(n_max / n_min): 0 for the head, 1 for the rarest class;
2. flip share  r_i = min(cap, (n_i - 1) / n_i, c * t_i), c such that sum n_i r_i = round(rate * N);
   made whole by largest remainder, so the total is exact (and a class may pass the cap by less than
   one sample);
3. destination  j with n_j > n_i, probability proportional to n_j, or to n_j * exp(s_ij / T) for a
   similarity s;
4. which samples of class i: any, or those nearest to the destination.
"""

import numpy as np

from dull_jax.data import draws
from dull_jax.data.noises import Truth
from dull_jax.data.noises.resemblance import class_distance, class_similarity
from dull_jax.errors import UserError
from dull_jax.fields import choice, number

TITLE = "tail-to-head"
FIELDS = {
    "cap": number(0.6, "t2h: largest share of a class that loses its label", 0, 1),
    "profile": choice(
        "tailness", "t2h: share grows with tailness, or uniform", ("tailness", "uniform")
    ),
    "destination": choice(
        "frequency", "t2h: towards frequent classes, or similar ones", ("frequency", "similar")
    ),
    "temperature": number(
        0.1, "t2h, destination=similar: of the class similarity (cosine)", 1e-6, 1e6
    ),
    "which": choice(
        "uniform", "t2h: which images of a class: uniform or confusing", ("uniform", "confusing")
    ),
}


def draw(
    truth: Truth,
    rng: np.random.Generator,
    rate: float,
    *,
    cap: float,
    profile: str,
    destination: str,
    temperature: float,
    which: str,
) -> np.ndarray:
    """Given labels int `[N]`. Raises UserError: a rate beyond the cap, classes of one size."""
    counts = np.bincount(truth.clean, minlength=truth.num_classes)
    similarity = _similarity(truth) if destination == "similar" else None
    distance = _distance(truth) if which == "confusing" else None
    flips = flip_counts(counts, rate, cap, profile)
    weights = destination_weights(counts, similarity, temperature)
    return relabel(truth.clean, flips, weights, rng, distance)


def _similarity(truth: Truth) -> np.ndarray:
    similarity, classes = truth.similarity, truth.num_classes
    if similarity is None and truth.features:
        similarity = class_similarity(truth.features(), truth.clean, classes)
    if np.shape(similarity) != (classes, classes):
        raise UserError("t2h destination='similar' needs a class similarity [K, K]")
    if not np.isfinite(similarity).all():
        raise UserError("t2h destination='similar': the class similarity must be finite")
    return similarity


def _distance(truth: Truth) -> np.ndarray:
    distance = truth.distance
    if distance is None and truth.features:
        distance = class_distance(truth.features(), truth.clean, truth.num_classes)
    if np.shape(distance) != (len(truth.clean), truth.num_classes):
        raise UserError("t2h which='confusing' needs a distance [N, K] of samples to classes")
    return distance


def tailness(counts: np.ndarray) -> np.ndarray:
    """t [K] float64 in [0, 1] from true counts [K]; classes without a sample count as head (0).

    >>> tailness(np.array([100, 10, 1]))
    array([0. , 0.5, 1. ])
    """
    counts = np.asarray(counts, np.float64)
    present = counts > 0
    if not present.any() or counts.max() == counts[present].min():
        raise UserError(
            "t2h needs classes of different size; this set is balanced: the largest feasible rate "
            "is 0; raise imbalance_factor or use symmetric noise"
        )
    ratio = np.log(counts.max() / np.where(present, counts, counts.max()))
    # Rounded, since the last bit of a logarithm differs between CPUs.
    return np.round(ratio / ratio.max(), 12)


def flip_counts(
    counts: np.ndarray, rate: float, cap: float = 0.6, profile: str = "tailness"
) -> np.ndarray:
    """Labels each class loses (steps 1 and 2), int64 [K]; their sum is round(rate * N) exactly.

    `profile='uniform'` gives every class but the head the same share instead of one that grows with
    tailness. Raises UserError when no multiple c reaches the rate, naming the largest feasible one.

    >>> flip_counts(np.array([100, 30, 10]), rate=0.1)
    array([0, 9, 5])
    """
    counts = np.asarray(counts, np.int64)
    slope = tailness(counts)
    if profile == "uniform":
        slope = (slope > 0).astype(np.float64)
    ceiling = np.where(slope > 0, np.minimum(cap * counts, counts - 1), 0.0)
    total, feasible = round(rate * int(counts.sum())), draws.whole(ceiling.sum())
    if total > feasible:
        largest = np.floor(feasible / counts.sum() * 1e4) / 1e4
        raise UserError(
            f"t2h rate={rate:g} asks for {total} wrong labels, these class counts allow {feasible} "
            f"at cap={cap:g}: the largest feasible rate is {largest:g}; lower it or raise the cap"
        )
    return _round_to_total(_solve(counts * slope, ceiling, total), ceiling, total)


def _solve(slope: np.ndarray, ceiling: np.ndarray, total: int) -> np.ndarray:
    """min(ceiling, c * slope) [K] with sum `total`; c by bisection, the sum grows with c."""
    low, high = 0.0, float(np.max(ceiling[slope > 0] / slope[slope > 0], initial=0.0))
    for _ in range(200):
        middle = (low + high) / 2
        if np.minimum(ceiling, middle * slope).sum() < total:
            low = middle
        else:
            high = middle
    return np.minimum(ceiling, high * slope)


def _round_to_total(shares: np.ndarray, ceiling: np.ndarray, total: int) -> np.ndarray:
    """Largest remainder: whole numbers [K] next to `shares`, sum `total`; ties by class id."""
    base = np.floor(shares + 1e-9)
    remainder = np.round(shares - base, 9)
    remainder[base + 1 > np.ceil(ceiling - 1e-9)] = -1.0
    rounded = base.astype(np.int64)
    rounded[np.argsort(-remainder, kind="stable")[: total - rounded.sum()]] += 1
    return rounded


def destination_weights(
    counts: np.ndarray, similarity: np.ndarray | None = None, temperature: float = 0.1
) -> np.ndarray:
    """Step 3: unnormalised probabilities [K, K], row = true class; zero unless n_j > n_i.

    `similarity` [K, K], when given, multiplies by exp(s_ij / temperature).

    >>> destination_weights(np.array([6, 3, 3]))
    array([[0., 0., 0.],
           [6., 0., 0.],
           [6., 0., 0.]])
    """
    counts = np.asarray(counts, np.float64)
    larger = counts[None, :] > counts[:, None]
    weights = np.where(larger, counts[None, :], 0.0)
    if similarity is None:
        return weights
    scores = np.where(larger, np.asarray(similarity, np.float64) / temperature, -np.inf)
    # The best destination gets factor 1: a small temperature must not underflow a whole row.
    best = np.where(larger.any(axis=1), scores.max(axis=1), 0.0)
    return weights * np.exp(scores - best[:, None])


def relabel(
    clean: np.ndarray,
    flips: np.ndarray,
    weights: np.ndarray,
    rng: np.random.Generator,
    distance: np.ndarray | None = None,
) -> np.ndarray:
    """Steps 3 and 4: given labels [N] after `flips[i]` samples of each class i were renamed.

    Without `distance` the samples are uniform. With `distance` [N, K] (sample to class mean) a
    destination takes the nearest samples of class i still there; the destination drawn most often
    chooses first.
    """
    given = clean.copy()
    for i, positions in enumerate(draws.members(clean, len(flips))):
        if flips[i] == 0:
            continue
        targets = draws.categorical(rng, weights[i], flips[i])
        if distance is None:
            given[draws.pick(rng, positions, flips[i])] = targets
            continue
        taken = np.bincount(targets, minlength=len(flips))
        for j in np.argsort(-taken, kind="stable")[: np.count_nonzero(taken)]:
            nearest = np.argsort(distance[positions, j], kind="stable")
            given[positions[nearest[: taken[j]]]] = j
            positions = np.sort(positions[nearest[taken[j] :]])
    return given
