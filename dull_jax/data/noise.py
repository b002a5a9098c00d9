"""Label noise as a value: a specification goes in, given labels with their realised noise come out.

    noisy = corrupt(NoiseSpec("t2h", rate=0.3, seed=0), clean, num_classes)

needs nothing but an array of labels. Labels are drawn once, saved and digested; the realised rate
and matrix belong to every result, since "noise 0.4" is a different quantity in different papers.
The noises are the files of `dull_jax/data/noises`.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from dull_jax import fields
from dull_jax.data import draws
from dull_jax.data.longtail import class_counts
from dull_jax.data.noises import Truth, Whole
from dull_jax.data.noises.resemblance import class_distance, class_similarity
from dull_jax.errors import UserError
from dull_jax.fields import Field, choice, number

__all__ = [
    "FIELDS",
    "VERSION",
    "NoiseSpec",
    "NoisyLabels",
    "T2HNoise",
    "Whole",
    "class_distance",
    "class_similarity",
    "corrupt",
    "describe",
    "draws_subset",
    "gathered",
    "labels_digest",
    "subset_and_labels",
    "tabasco_draw",
    "title",
]

# Raised whenever a change would alter the labels that a specification draws.
VERSION = 1

_NOISES = "dull_jax.data.noises"
# What means something for labels alone; a recipe may want less.
_RATE = number(0.0, "share of all labels that end up wrong", 0, 1)
_SEED = number(0, "of the draw", 0, 2**64)
FIELDS = {  # of every noise
    "rate": number(0.3, "share of all labels that end up wrong", 0, 1, below=True),
    "seed": number(0, "tabasco_*: 25 is the published draw", 0, 2**31 - 1, follows="seed"),
}


def gathered() -> dict[str, Field]:
    """The fields of `config.noise`: those of every noise, and of each."""
    name = choice("t2h", "which noise; a file of dull_jax/data/noises", [*fields.kinds(_NOISES)])
    return fields.gathered({"name": name}, FIELDS, fields.gathered_of(_NOISES))


def title(name: str) -> str:
    """The noise as people call it; an unknown one, of another version, as it is."""
    return fields.title(_NOISES, name)


@dataclasses.dataclass(frozen=True, init=False)
class NoiseSpec:
    """Which noise: a name, the share of labels to make wrong, a seed, and its own fields.

    `rate` is per class for the asymmetric noises and not read by 'none' and 'file'. Another spec
    that differs in a field is `spec.replace(seed=1)`.

    Args:
      dataset: of 'asymmetric': 'cifar10', 'cifar100', else the next class id.
      **own: fields of that noise, `FIELDS` of its file; those left out have their defaults.

    Raises:
      UserError: a name, field or value that means nothing.
    """

    name: str
    rate: float
    seed: int
    dataset: str
    own: tuple[tuple[str, Any], ...]

    def __init__(
        self,
        name: str = "none",
        rate: float = 0.0,
        seed: int = 0,
        *,
        dataset: str = "",
        **own: Any,
    ):
        declared = getattr(fields.kind(_NOISES, name, "noise"), "FIELDS", {})
        fields.check("noise.rate", _RATE, rate)
        fields.check("noise.seed", _SEED, seed)
        fields.check_all(f"noise {name}", declared, own)
        values = {key: field.default for key, field in declared.items()} | own
        parts = {"name": name, "rate": rate, "seed": seed, "dataset": dataset}
        for key, value in (parts | {"own": tuple(values.items())}).items():
            object.__setattr__(self, key, value)

    @classmethod
    def of(cls, section: Mapping[str, Any], dataset: str) -> "NoiseSpec":
        """Of `config.noise`, which holds the fields of all noises."""
        module = fields.kind(_NOISES, section["name"], "noise")
        own = {key: section[key] for key in getattr(module, "FIELDS", {})}
        return cls(section["name"], section["rate"], section["seed"], dataset=dataset, **own)

    def replace(self, **changes: Any) -> "NoiseSpec":
        """The same noise but for these fields. Raises UserError."""
        parts = {"rate": self.rate, "seed": self.seed, "dataset": self.dataset}
        return NoiseSpec(self.name, **(parts | dict(self.own) | changes))

    @property
    def module(self) -> ModuleType:
        """The file of the noise."""
        return fields.kind(_NOISES, self.name, "noise")

    @property
    def drawn(self) -> bool:
        """False where the labels are as they were, or a file's: rate and seed mean nothing."""
        return getattr(self.module, "DRAWN", True)

    def options(self) -> dict[str, object]:
        """What else decided the draw, for a run's record."""
        if not self.drawn:
            return {}
        context = {"dataset": self.dataset} if hasattr(self.module, "READS_DATASET") else {}
        return dict(self.own) | context


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
        spec = NoiseSpec("t2h", self.rate, self.seed, cap=self.cap, profile=self.profile)
        return corrupt(spec, labels, num_classes or int(np.max(labels, initial=0)) + 1)


@dataclasses.dataclass(frozen=True)
class NoisyLabels:
    """Given and clean labels with the noise that came out.

    Attributes:
      given: int32 `[N]`.
      clean: int32 `[N]`.
      rate: share of wrong labels.
      rate_by_class: float64 `[K]`, by clean class; NaN for a class without a sample.
      transition: float64 `[K, K]`, P(given | clean) as realised; rows sum to 1, or NaN as above.
      sha256: `labels_digest(given)`.
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
    features: Callable[[], np.ndarray] | None = None,
    whole: Whole | None = None,
    ids: np.ndarray | None = None,
    stream: np.random.RandomState | None = None,
) -> NoisyLabels:
    """Draws the given labels of `clean` [N] (integers in [0, K)) as `spec` says.

    similarity [K, K] is needed by t2h with destination='similar' (`class_similarity`), distance
    [N, K] with which='confusing' (`class_distance`), or `features`, which returns [N, …] to compute
    them from; `whole` by 'file'. ids [N] only name a bad label in the error message. Our noises
    depend on nothing but (spec, clean, K) and those arrays, on every platform.

    The legacy names 'tabasco_*' continue a stream: hand in the `RandomState` that has drawn the
    subset, or let `subset_and_labels` do both. Without one they start at RandomState(spec.seed):
    the same law, and for 'tabasco_asymmetric' even the same labels (it reseeds itself), but for
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
    if spec.drawn and num_classes < 2:
        raise UserError(f"noise {spec.name!r} needs two classes or more, got {num_classes}")
    truth = Truth(clean, num_classes, spec.dataset, similarity, distance, features, whole)
    rng = _generator(spec) if stream is None else stream
    return describe(spec.module.draw(truth, rng, spec.rate, **dict(spec.own)), clean, num_classes)


def _generator(spec: NoiseSpec) -> Any:
    if hasattr(spec.module, "generator"):
        return spec.module.generator(spec.seed)
    return draws.generator(spec.seed, f"noise {spec.name} {VERSION}")


def _checked(labels: np.ndarray, num_classes: int, ids: np.ndarray | None) -> np.ndarray:
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


# Noises that draw the long tail too --------------------------------------------------------------


def draws_subset(spec: NoiseSpec) -> bool:
    """Whether this noise draws the long-tailed subset with the same random numbers."""
    return hasattr(spec.module, "subset")


def subset_and_labels(
    spec: NoiseSpec, labels: np.ndarray, num_classes: int, counts: np.ndarray
) -> tuple[np.ndarray, NoisyLabels]:
    """(positions kept, ascending; the NoisyLabels of those samples in that order).

    Args:
      spec: of a noise for which `draws_subset` holds.
      labels: [N] of the whole train set in the order of the official archive.
      counts: [K] samples of each class to keep.

    Raises:
      UserError: a class has fewer samples than asked for.
    """
    labels = _checked(labels, num_classes, None)
    short = np.flatnonzero(np.bincount(labels, minlength=num_classes) < counts)
    if len(short):
        raise UserError(f"class {short[0]} has fewer samples than the {counts[short[0]]} asked for")
    stream = _generator(spec)
    positions = spec.module.subset(labels, counts, stream)
    return positions, corrupt(spec, labels[positions], num_classes, stream=stream)


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

    The recipe is in `noises.tabasco`; kind: 'symmetric' or 'asymmetric'. See `subset_and_labels`.

    >>> positions, noisy = tabasco_draw(np.arange(500) % 10, 10, 50, 10, "symmetric", 0.4)
    >>> len(positions), len(noisy.given)
    (199, 199)
    """
    spec = NoiseSpec(f"tabasco_{kind}", rate, seed)
    counts = class_counts("exponential", max_count, imbalance_factor, num_classes)
    return subset_and_labels(spec, labels, num_classes, counts)
