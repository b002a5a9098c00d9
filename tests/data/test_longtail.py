"""Long-tailed counts against the published lists, and the subset that has them."""

import numpy as np
import pytest

from dull_jax.data import draws, longtail
from dull_jax.errors import UserError


def test_cifar10_counts_are_the_published_ones():
    if10 = longtail.class_counts("exponential", 5000, 10, 10)
    if100 = longtail.class_counts("exponential", 5000, 100, 10)
    assert if10.tolist() == [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]
    assert if100.tolist() == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert (if10.sum(), if100.sum()) == (20431, 12406)


def test_cifar100_counts_are_the_published_ones():
    if10 = longtail.class_counts("exponential", 500, 10, 100)
    if100 = longtail.class_counts("exponential", 500, 100, 100)
    assert if10[:3].tolist() == [500, 488, 477] and if10[-2:].tolist() == [51, 50]
    assert if100[:3].tolist() == [500, 477, 455] and if100[-3:].tolist() == [5, 5, 5]
    assert (if10.sum(), if100.sum()) == (19573, 10847)


@pytest.mark.parametrize("factor", [1, 2, 10, 20, 50, 100])
@pytest.mark.parametrize(("max_count", "num_classes"), [(5000, 10), (500, 100), (1300, 1000)])
def test_counts_equal_the_formula_in_exact_arithmetic(factor, max_count, num_classes):
    """n is the largest whole number with n^(K-1) * IF^c <= n_max^(K-1); no float is involved."""
    counts = [int(n) for n in longtail.class_counts("exponential", max_count, factor, num_classes)]
    last = num_classes - 1
    for c in range(0, num_classes, max(1, num_classes // 20)):
        bound = max_count**last
        assert counts[c] ** last * factor**c <= bound < (counts[c] + 1) ** last * factor**c


def test_a_power_an_ulp_short_does_not_cost_a_sample():
    """Each list is exact division; int() of the float gives 39, 244 and, worst, an empty class."""
    assert longtail.class_counts("exponential", 160, 32, 6).tolist() == [160, 80, 40, 20, 10, 5]
    assert longtail.class_counts("exponential", 12005, 2401, 5).tolist() == [
        12005,
        1715,
        245,
        35,
        5,
    ]
    assert longtail.class_counts("exponential", 49, 49, 3).tolist() == [49, 7, 1]


def test_step_and_balanced_and_single_class():
    assert longtail.class_counts("step", 500, 10, 5).tolist() == [500, 500, 50, 50, 50]
    assert longtail.class_counts("step", 100, 3, 2).tolist() == [100, 33]
    assert longtail.class_counts("exponential", 7, 1, 3).tolist() == [7, 7, 7]
    assert longtail.class_counts("exponential", 7, 5, 1).tolist() == [7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("linear", 10, 2, 3), "linear"),
        (("step", 10, 0.5, 3), r"imbalance_factor = 0\.5"),
        (("step", 10, float("nan"), 3), "nan"),
        (("exponential", 10, 100, 3), "at most 10"),
        (("exponential", 0, 1, 3), "max_count=0"),
    ],
)
def test_meaningless_profiles_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        longtail.class_counts(*arguments)


@pytest.mark.parametrize("seed", range(5))
def test_subset_has_the_counts_and_keeps_the_order(seed):
    labels = np.random.default_rng(seed).integers(0, 6, 2000)
    counts = longtail.class_counts("exponential", 250, 25, 6)
    kept = longtail.subsample(labels, counts, draws.generator(seed, "subset"))
    assert (np.diff(kept) > 0).all()
    assert np.bincount(labels[kept], minlength=6).tolist() == counts.tolist()
    again = longtail.subsample(labels, counts, draws.generator(seed, "subset"))
    other = longtail.subsample(labels, counts, draws.generator(seed + 1, "subset"))
    assert (kept == again).all() and (kept != other).any()


def test_every_sample_is_equally_likely_to_stay():
    labels = np.repeat([0, 1], 10)
    rng = draws.generator(0, "subset")
    stayed = np.zeros(20)
    for _ in range(2000):
        stayed[longtail.subsample(labels, [8, 3], rng)] += 1
    np.testing.assert_allclose(stayed / 2000, np.repeat([0.8, 0.3], 10), atol=0.05)


def test_too_few_samples_names_the_class():
    with pytest.raises(UserError, match="class 1 has 2 samples, the long tail asks for 3"):
        longtail.subsample(np.array([0, 0, 0, 1, 1]), [3, 3], draws.generator(0, "subset"))


def test_subset_is_pinned():
    kept = longtail.subsample(np.arange(40) % 4, [8, 4, 2, 1], np.random.default_rng(0))
    assert kept.tolist() == [0, 2, 4, 5, 6, 8, 11, 12, 13, 16, 21, 24, 28, 32, 33]
