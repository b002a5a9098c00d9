"""Label noise as a value: a specification goes in, given labels with their realised noise come out.

    noisy = corrupt(NoiseSpec("t2h", rate=0.3, seed=0), clean, num_classes)

needs nothing but an array of labels. Labels are drawn once, saved and digested; the realised rate
and matrix belong to every result, since "noise 0.4" is a different quantity in different papers.
"""

import dataclasses
import hashlib

import numpy as np

from dull_jax.data import class_noise, draws, legacy_noise, tail_to_head
from dull_jax.data.longtail import class_counts
from dull_jax.data.tail_to_head import class_distance, class_similarity
from dull_jax.errors import UserError

__all__ = [
    "VERSION",
    "NoiseSpec",
    "NoisyLabels",
    "T2HNoise",
    "class_distance",
    "class_similarity",
    "corrupt",
    "describe",
    "labels_digest",
    "tabasco_draw",
]

# Raised whenever a change would alter the labels that a specification draws.
VERSION = 1

# name -> the options that it reads.
NOISES = {
    "none": (),
    "t2h": ("cap", "profile", "destination", "temperature", "which"),
    "symmetric": (),
    "asymmetric": ("dataset",),
    "joint": (),
    "tabasco_symmetric": (),
    "tabasco_asymmetric": (),
    "file": (),
}
CHOICES = {
    "profile": ("tailness", "uniform"),
    "destination": ("frequency", "similar"),
    "which": ("uniform", "confusing"),
}


@dataclasses.dataclass(frozen=True)
class NoiseSpec:
    """Which noise: a name, the share of labels to make wrong, a seed, and options.

    `rate` is per class for the asymmetric noises and not read by 'none' and 'file'. Options of t2h:
    `cap` on the share a class loses, `profile` of that share, `destination`, `temperature` of
    'similar', `which` samples. Option of asymmetric: `dataset` ('cifar10', 'cifar100', else the
    next class id). Raises UserError for a value that means nothing.
    """

    name: str = "none"
    rate: float = 0.0
    seed: int = 0
    cap: float = 0.6
    profile: str = "tailness"
    destination: str = "frequency"
    temperature: float = 0.1
    which: str = "uniform"
    dataset: str = ""

    def __post_init__(self):
        if self.name not in NOISES:
            raise UserError(f"unknown noise {self.name!r}; use one of {', '.join(NOISES)}")
        if not 0 <= self.rate <= 1:
            raise UserError(f"noise rate={self.rate} must be in [0, 1]")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise UserError(f"noise seed={self.seed} must be a whole number, 0 or more")
        if not 0 <= self.cap <= 1:
            raise UserError(f"noise cap={self.cap} must be in [0, 1]")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise UserError(f"noise temperature={self.temperature} must be finite and positive")
        for option, choices in CHOICES.items():
            if getattr(self, option) not in choices:
                raise UserError(
                    f"noise {option}={getattr(self, option)!r}; use one of {', '.join(choices)}"
                )

    def options(self) -> dict[str, object]:
        """The options that this noise reads, for a run's record."""
        return {option: getattr(self, option) for option in NOISES[self.name]}


@dataclasses.dataclass(frozen=True)
class T2HNoise:
    """Tail-to-head noise as a function of labels: rare classes get the names of frequent ones.

    Args and errors as those of `NoiseSpec`; K is the largest label + 1 unless given.

    >>> labels = np.repeat([0, 1, 2], [100, 30, 10])
    >>> noisy = T2HNoise(rate=0.1, seed=0)(labels)
    >>> noisy.rate, int((noisy.given[labels == 2] != 2).sum())
    (0.1, 5)
    """

    rate: float = 0.3
    seed: int = 0
    cap: float = 0.6
    profile: str = "tailness"

    def __call__(self, labels: np.ndarray, num_classes: int = 0) -> "NoisyLabels":
        """labels: int `[N]`."""
        spec = NoiseSpec("t2h", self.rate, self.seed, self.cap, self.profile)
        return corrupt(spec, labels, num_classes or int(np.max(labels, initial=0)) + 1)


@dataclasses.dataclass(frozen=True)
class NoisyLabels:
    """Given and clean labels with the noise that came out.

    given, clean: int32 [N]. rate: share of wrong labels. rate_by_class: float64 [K], by clean
    class. transition: float64 [K, K], P(given | clean) as realised, rows sum to 1. For a class
    without a sample both are NaN. sha256: `labels_digest(given)`.
    """

    given: np.ndarray
    clean: np.ndarray
    rate: float
    rate_by_class: np.ndarray
    transition: np.ndarray
    sha256: str


def labels_digest(labels: np.ndarray) -> str:
    """Hex sha256 of labels [N] as little-endian int64 bytes, whatever their dtype.

    >>> labels_digest(np.array([0, 1, 2], np.int32)) == labels_digest(np.array([0, 1, 2], ">i8"))
    True
    """
    return hashlib.sha256(np.asarray(labels).astype("<i8").tobytes()).hexdigest()


def describe(given: np.ndarray, clean: np.ndarray, num_classes: int) -> NoisyLabels:
    """NoisyLabels of two label arrays [N], for instance given labels that were read from a file.

    >>> describe(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]), 2).transition
    array([[1. , 0. ],
           [0.5, 0.5]])
    """
    given = _checked(given, num_classes, None)
    clean = _checked(clean, num_classes, None)
    if given.shape != clean.shape:
        raise UserError(f"{len(given)} given labels, but {len(clean)} clean ones; join them by id")
    pairs = np.bincount(clean * num_classes + given, minlength=num_classes**2)
    pairs = pairs.reshape(num_classes, num_classes)
    counts = pairs.sum(axis=1)
    transition = pairs / np.where(counts, counts, np.nan)[:, None]
    rate = float(np.mean(given != clean)) if len(clean) else 0.0
    rate_by_class = 1.0 - np.diag(transition)
    given, clean = given.astype(np.int32), clean.astype(np.int32)
    return NoisyLabels(given, clean, rate, rate_by_class, transition, labels_digest(given))


def corrupt(
    spec: NoiseSpec,
    clean: np.ndarray,
    num_classes: int,
    *,
    similarity: np.ndarray | None = None,
    distance: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    stream: np.random.RandomState | None = None,
) -> NoisyLabels:
    """Draws the given labels of `clean` [N] (integers in [0, K)) as `spec` says.

    similarity [K, K] is needed by t2h with destination='similar' (`class_similarity`), distance
    [N, K] with which='confusing' (`class_distance`). ids [N] only name a bad label in the error
    message. Our noises depend on nothing but (spec, clean, K) and those arrays, on every platform.

    The legacy names 'tabasco_*' continue a stream: hand in the `RandomState` that has drawn the
    subset, or let `tabasco_draw` do both. Without one they start at RandomState(spec.seed): the
    same law, and for 'tabasco_asymmetric' even the same labels (it reseeds itself), but for
    'tabasco_symmetric' another draw than the papers'. Raises UserError for labels, rates or options
    that cannot be served.

    >>> clean = np.repeat([0, 1, 2], [100, 30, 10])
    >>> noisy = corrupt(NoiseSpec("t2h", rate=0.1, seed=0), clean, 3)
    >>> noisy.rate, noisy.rate_by_class
    (0.1, array([0. , 0.3, 0.5]))
    >>> np.bincount(noisy.given)
    array([113,  22,   5])
    """
    clean = _checked(clean, num_classes, ids)
    if spec.name == "file":
        raise UserError("noise 'file' is not drawn: read the labels and hand them to describe()")
    if spec.name.startswith("tabasco_"):
        stream = np.random.RandomState(spec.seed) if stream is None else stream
        kind = spec.name.removeprefix("tabasco_")
        matrix = legacy_noise.transition(kind, spec.rate, num_classes, stream)
        return describe(legacy_noise.draw(clean, matrix, stream), clean, num_classes)
    if spec.name != "none" and num_classes < 2:
        raise UserError(f"noise {spec.name!r} needs two classes or more, got {num_classes}")
    rng = draws.generator(spec.seed, f"noise {spec.name} {VERSION}")
    if spec.name == "none":
        given = clean
    elif spec.name == "t2h":
        given = _t2h(spec, clean, num_classes, similarity, distance, rng)
    elif spec.name == "symmetric":
        given = class_noise.symmetric(spec.rate, clean, num_classes, rng)
    elif spec.name == "asymmetric":
        target = class_noise.next_class(spec.dataset, num_classes)
        given = class_noise.asymmetric(spec.rate, clean, target, rng)
    else:
        given = class_noise.joint(spec.rate, clean, num_classes, rng)
    return describe(given, clean, num_classes)


def _checked(labels, num_classes, ids):
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"labels must be integers [N], got {labels.dtype} {labels.shape}")
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        name = f"position {bad[0]}" if ids is None else f"id {ids[bad[0]]!s}"
        raise UserError(
            f"label {labels[bad[0]]} at {name} is outside 0..{num_classes - 1} ({len(bad)} such)"
        )
    return labels.astype(np.int64)


def _t2h(spec, clean, num_classes, similarity, distance, rng):
    counts = np.bincount(clean, minlength=num_classes)
    similar, confusing = spec.destination == "similar", spec.which == "confusing"
    if similar and np.shape(similarity) != (num_classes, num_classes):
        raise UserError("t2h destination='similar' needs a class similarity [K, K]")
    if similar and not np.isfinite(similarity).all():
        raise UserError("t2h destination='similar': the class similarity must be finite")
    if confusing and np.shape(distance) != (len(clean), num_classes):
        raise UserError("t2h which='confusing' needs a distance [N, K] of samples to classes")
    flips = tail_to_head.flip_counts(counts, spec.rate, spec.cap, spec.profile)
    weights = tail_to_head.destination_weights(
        counts, similarity if similar else None, spec.temperature
    )
    return tail_to_head.relabel(clean, flips, weights, rng, distance if confusing else None)


def tabasco_draw(
    labels: np.ndarray,
    num_classes: int,
    max_count: int,
    imbalance_factor: float,
    kind: str,
    rate: float,
    seed: int = 25,
) -> tuple[np.ndarray, NoisyLabels]:
    """The long-tailed subset and the labels that DaSC trains on, number for number.

    The recipe is in `legacy_noise`. labels [N] of the whole train set in the order of the official
    archive; kind 'symmetric' or 'asymmetric'. Returns positions kept (ascending) and the
    NoisyLabels of those samples in that order.

    >>> positions, noisy = tabasco_draw(np.arange(500) % 10, 10, 50, 10, "symmetric", 0.4)
    >>> len(positions), len(noisy.given)
    (199, 199)
    """
    labels = _checked(labels, num_classes, None)
    spec = NoiseSpec(f"tabasco_{kind}", rate, seed)
    counts = class_counts("exponential", max_count, imbalance_factor, num_classes)
    short = np.flatnonzero(np.bincount(labels, minlength=num_classes) < counts)
    if len(short):
        raise UserError(f"class {short[0]} has fewer samples than the {counts[short[0]]} asked for")
    stream = np.random.RandomState(seed)
    positions = legacy_noise.subset(labels, counts, stream)
    return positions, corrupt(spec, labels[positions], num_classes, stream=stream)
