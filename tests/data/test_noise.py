"""Label noise: properties of every definition, published maps, legacy draws and pinned digests."""

import itertools

import numpy as np
import pytest

from dull_jax.data import longtail, noise
from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.data.noises import asymmetric, t2h, tabasco
from dull_jax.errors import UserError

CIFAR10_IF100 = longtail.class_counts("exponential", 5000, 100, 10)


def labels_of(counts, seed=None):
    clean = np.repeat(np.arange(len(counts)), counts)
    return clean if seed is None else np.random.default_rng(seed).permutation(clean)


# --- t2h ---------------------------------------------------------------------


def random_counts(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 400, rng.integers(2, 30))
    counts[0] += 401  # a single head, so that the set is never balanced
    return rng.permutation(counts)


def feasible_rate(counts, cap):
    tail = counts[counts < counts.max()]
    return np.floor(np.minimum(cap * tail, tail - 1).sum() + 1e-9) / counts.sum()


@pytest.mark.parametrize("profile", ["tailness", "uniform"])
@pytest.mark.parametrize("seed", range(40))
def test_t2h_properties(seed, profile):
    counts, cap = random_counts(seed), (0.6, 0.9, 0.3)[seed % 3]
    largest = feasible_rate(counts, cap)
    clean = labels_of(counts, seed)
    for part in (0.0, 0.1, 0.7, 1.0):
        rate = part * largest
        noisy = corrupt(NoiseSpec("t2h", rate, seed, cap=cap, profile=profile), clean, len(counts))
        moved = noisy.given != noisy.clean
        lost = np.bincount(clean[moved], minlength=len(counts))
        assert (counts[noisy.given[moved]] > counts[clean[moved]]).all()
        assert lost[counts == counts.max()].sum() == 0
        assert moved.sum() == round(rate * len(clean)) and noisy.rate == moved.mean()
        assert (lost < np.maximum(counts, 1)).all(), "every class keeps a label"
        assert (lost < cap * counts + 1).all()
        given_counts = np.bincount(noisy.given, minlength=len(counts))
        assert given_counts.max() / given_counts.min() >= counts.max() / counts.min()
        if lost[counts.argmin()]:
            assert given_counts.max() / given_counts.min() > counts.max() / counts.min()
        assert_share_does_not_fall(lost, counts)


def assert_share_does_not_fall(lost, counts):
    """A rarer class loses no smaller share, to one sample of rounding and the label it keeps."""
    for i, j in itertools.permutations(range(len(counts)), 2):
        if counts[i] < counts[j] and lost[i] < counts[i] - 1:
            assert (lost[i] + 1) / counts[i] >= (lost[j] - 1) / counts[j]


@pytest.mark.parametrize("profile", ["tailness", "uniform"])
@pytest.mark.parametrize(("rate", "cap"), [(0.05, 0.6), (0.2, 0.6), (0.3, 0.6), (0.4, 0.9)])
def test_t2h_counts_equal_a_slow_version(rate, cap, profile):
    """The same definition by scanning c in steps and handing out remainders one by one."""
    counts = CIFAR10_IF100.astype(float)
    slope = np.log(counts[0] / counts) / np.log(counts[0] / counts[-1])
    slope = slope if profile == "tailness" else (slope > 0) * 1.0
    total = round(rate * counts.sum())

    def ideal(c):
        return np.array(
            [n * min(cap, (n - 1) / n, c * t) for n, t in zip(counts, slope, strict=True)]
        )

    c = 0.0
    for step in 10.0 ** -np.arange(0, 15):
        while ideal(c + step).sum() < total and c < 1000:
            c += step
    want = np.floor(ideal(c) + 1e-6)
    while want.sum() < total:
        want[np.argmax(ideal(c) - want)] += 1
    got = t2h.flip_counts(CIFAR10_IF100, rate, cap, profile)
    assert got.tolist() == want.astype(int).tolist()


def test_t2h_destinations_follow_class_size():
    clean = labels_of([6000, 3000, 3000, 20])
    noisy = corrupt(NoiseSpec("t2h", 0.29, 3, cap=0.9, profile="uniform"), clean, 4)
    # A tie is not larger: classes 1 and 2 lose to class 0 only.
    assert noisy.transition[1, 2] == noisy.transition[2, 1] == 0
    assert noisy.transition[1, 0] > 0.4
    weights = t2h.destination_weights(np.array([6000, 3000, 3000, 20]))
    assert weights[3].tolist() == [6000, 3000, 3000, 0] and weights[0].sum() == 0
    flips = np.array([0, 0, 0, 4000])
    given = t2h.relabel(np.full(5000, 3), flips, weights, np.random.default_rng(0))
    share = np.bincount(given, minlength=4)[:3] / 4000
    np.testing.assert_allclose(share, [0.5, 0.25, 0.25], atol=0.03)


def test_t2h_similar_prefers_the_class_it_resembles():
    counts = np.array([300, 300, 100, 100])
    similarity = np.array([[1, 0, 0, 0.9], [0, 1, 0.9, 0], [0, 0.9, 1, 0], [0.9, 0, 0, 1]])
    spec = NoiseSpec("t2h", 0.1, 0, destination="similar", temperature=0.1)
    noisy = corrupt(spec, labels_of(counts), 4, similarity=similarity)
    assert noisy.transition[2, 1] > 0.35 and noisy.transition[2, 0] < 0.01
    assert noisy.transition[3, 0] > 0.35 and noisy.transition[3, 1] < 0.01
    weights = t2h.destination_weights(counts, similarity, 0.5)
    assert weights[2, 1] / weights[2, 0] == pytest.approx(np.exp(0.9 / 0.5))
    # A temperature this small underflows exp(s/T) unless it is taken relative to the best.
    tiny = t2h.destination_weights(counts, -100 * np.ones((4, 4)), 1e-3)
    assert tiny[2].tolist() == [300, 300, 0, 0]


def test_t2h_confusing_takes_the_nearest():
    clean = labels_of([50, 20])
    distance = np.random.default_rng(0).random((70, 2))
    spec = NoiseSpec("t2h", 0.1, 0, which="confusing")
    noisy = corrupt(spec, clean, 2, distance=distance)
    wrong = np.flatnonzero(noisy.given != clean)
    nearest = 50 + np.argsort(distance[50:, 0])[:7]
    assert sorted(wrong) == sorted(nearest)


@pytest.mark.parametrize("seed", range(5))
def test_t2h_confusing_keeps_the_totals_of_the_definition(seed):
    counts = random_counts(seed)
    clean = labels_of(counts, seed)
    rate = 0.8 * feasible_rate(counts, 0.6)
    distance = np.random.default_rng(seed).random((len(clean), len(counts)))
    spec = NoiseSpec("t2h", rate, seed, which="confusing")
    noisy = corrupt(spec, clean, len(counts), distance=distance)
    moved = noisy.given != clean
    lost = np.bincount(clean[moved], minlength=len(counts))
    assert lost.tolist() == t2h.flip_counts(counts, rate).tolist()
    assert (counts[noisy.given[moved]] > counts[clean[moved]]).all()


def test_t2h_names_the_largest_feasible_rate():
    clean = labels_of(CIFAR10_IF100)
    with pytest.raises(UserError, match=r"largest feasible rate is 0\.358\d") as raised:
        corrupt(NoiseSpec("t2h", 0.4), clean, 10)
    named = float(str(raised.value).split("rate is ")[1].split(";")[0])
    assert corrupt(NoiseSpec("t2h", named), clean, 10).rate == pytest.approx(named, abs=1e-4)
    assert corrupt(NoiseSpec("t2h", 0.4, cap=0.9), clean, 10).rate == pytest.approx(0.4, abs=1e-4)


def test_t2h_refuses_a_balanced_set_and_missing_arrays():
    with pytest.raises(UserError, match="balanced: the largest feasible rate is 0"):
        corrupt(NoiseSpec("t2h", 0.1), labels_of([5, 5, 5]), 3)
    with pytest.raises(UserError, match="similarity"):
        corrupt(NoiseSpec("t2h", 0.1, destination="similar"), labels_of([5, 3]), 2)
    with pytest.raises(UserError, match="finite"):
        spec = NoiseSpec("t2h", 0.1, destination="similar")
        corrupt(spec, labels_of([5, 3]), 2, similarity=np.full((2, 2), np.nan))
    with pytest.raises(UserError, match="distance"):
        spec = NoiseSpec("t2h", 0.1, which="confusing")
        corrupt(spec, labels_of([5, 3]), 2, distance=np.ones((2, 8)))


def test_t2h_with_empty_and_single_sample_classes():
    noisy = corrupt(NoiseSpec("t2h", 0.1), labels_of([30, 0, 10, 1]), 4)
    assert np.bincount(noisy.given, minlength=4).tolist() == [34, 0, 6, 1]
    assert np.isnan(noisy.rate_by_class[1]) and np.isnan(noisy.transition[1]).all()
    assert noisy.rate_by_class[[0, 2, 3]] == pytest.approx([0, 0.4, 0])


# --- the others --------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.0, 0.13, 0.6, 1.0])
def test_symmetric(seed, rate):
    clean = labels_of([400, 300, 200, 100], seed)
    noisy = corrupt(NoiseSpec("symmetric", rate, seed), clean, 4)
    assert (noisy.given != clean).sum() == round(rate * 1000)
    if rate == 1.0:
        off_diagonal = noisy.transition[~np.eye(4, dtype=bool)]
        np.testing.assert_allclose(off_diagonal, 1 / 3, atol=0.12)


def test_asymmetric_maps():
    assert asymmetric.next_class("cifar10", 10).tolist() == [0, 1, 0, 5, 7, 3, 6, 7, 8, 1]
    assert asymmetric.next_class("digits", 3).tolist() == [1, 2, 0]
    target = asymmetric.next_class("cifar100", 100)
    # Superclass 4, fruit and vegetables: apple 0, mushroom 51, orange 53, pear 57, pepper 83.
    assert target[[0, 51, 53, 57, 83]].tolist() == [51, 53, 57, 83, 0]
    assert sorted(target) == list(range(100))
    assert np.bincount(asymmetric.CIFAR100_SUPERCLASS).tolist() == [5] * 20
    fifth = np.arange(100)
    for _ in range(5):
        assert (asymmetric.CIFAR100_SUPERCLASS[fifth] == asymmetric.CIFAR100_SUPERCLASS).all()
        fifth = target[fifth]
    assert fifth.tolist() == list(range(100))
    with pytest.raises(UserError, match="needs 10 classes, got 5"):
        asymmetric.next_class("cifar10", 5)


def test_asymmetric_rate_holds_in_every_class():
    clean = labels_of(CIFAR10_IF100, 1)
    noisy = corrupt(NoiseSpec("asymmetric", 0.4, dataset="cifar10"), clean, 10)
    sources = [2, 3, 4, 5, 9]
    for i in range(10):
        wrong = (noisy.given != clean) & (clean == i)
        assert wrong.sum() == (round(0.4 * CIFAR10_IF100[i]) if i in sources else 0)
        assert set(noisy.given[wrong]) <= {asymmetric.next_class("cifar10", 10)[i]}


@pytest.mark.parametrize("seed", range(3))
def test_joint_moves_towards_frequent_classes(seed):
    clean = labels_of(CIFAR10_IF100, seed)
    noisy = corrupt(NoiseSpec("joint", 0.5, seed), clean, 10)
    assert (noisy.given != clean).sum() == int(0.5 * len(clean))
    counts = np.bincount(noisy.given, minlength=10)
    # The expected counts of the definition for CIFAR-10, IF 100, rate 0.5.
    expected = np.array([4278, 3098, 1991, 1234, 752, 455, 275, 165, 99, 60])
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_joint_count_survives_float_rounding():
    noisy = corrupt(NoiseSpec("joint", 0.29), labels_of([60, 40]), 2)
    assert (noisy.given != noisy.clean).sum() == 29  # int(0.29 * 100) would be 28


def test_none_and_single_class():
    noisy = corrupt(NoiseSpec(), labels_of([3, 2]), 2)
    assert noisy.rate == 0 and (noisy.given == noisy.clean).all()
    assert corrupt(NoiseSpec(), labels_of([3]), 1).transition.tolist() == [[1.0]]
    for name in ("symmetric", "joint", "asymmetric", "t2h"):
        with pytest.raises(UserError, match="two classes"):
            corrupt(NoiseSpec(name, 0.0), labels_of([3]), 1)
    with pytest.raises(UserError, match="two classes"):
        corrupt(NoiseSpec("joint", 0.5), labels_of([3, 0]), 2)


def test_thousand_classes():
    clean = labels_of(longtail.class_counts("exponential", 128, 64, 1000))
    for name in ("t2h", "symmetric", "asymmetric", "joint"):
        noisy = corrupt(NoiseSpec(name, 0.3), clean, 1000)
        assert noisy.rate == pytest.approx(0.3, abs=0.02)
        np.testing.assert_allclose(noisy.transition.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "pairflip"}, "noise 'pairflip': one of"),
        ({"name": "symetric"}, "did you mean 'symmetric'"),
        ({"rate": 1.2}, r"noise\.rate = 1\.2"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 0.5}, r"seed = 0\.5: must be a whole number"),
        ({"name": "t2h", "cap": 1.5}, r"cap = 1\.5"),
        ({"name": "t2h", "temperature": 0.0}, "temperature"),
        ({"name": "t2h", "profile": "linear"}, "profile = 'linear'"),
        ({"name": "t2h", "which": "hard"}, "which = 'hard'"),
        ({"name": "t2h", "destination": "head"}, "destination = 'head'"),
        ({"name": "joint", "cap": 0.5}, "noise joint has no 'cap'"),
    ],
)
def test_meaningless_specifications_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        NoiseSpec(**fields)


def test_another_spec_that_differs_in_a_field():
    spec = NoiseSpec("t2h", 0.3, 1, cap=0.9)
    assert spec.replace(seed=2) == NoiseSpec("t2h", 0.3, 2, cap=0.9)
    assert spec.replace(cap=0.5).options()["cap"] == 0.5 and hash(spec.replace()) == hash(spec)
    assert NoiseSpec("asymmetric", 0.2, dataset="cifar10").options() == {"dataset": "cifar10"}
    with pytest.raises(TypeError):
        NoiseSpec("t2h", 0.3, 0, 0.9)  # which field is it?


def test_seeds_of_a_library_may_be_larger_than_those_of_a_recipe():
    clean = labels_of([30, 20])
    assert corrupt(NoiseSpec("symmetric", 1.0, 2**40), clean, 2).rate == 1


def test_bad_labels_are_named():
    with pytest.raises(UserError, match="label 3 at id c is outside"):
        corrupt(NoiseSpec(), np.array([0, 1, 3]), 3, ids=np.array(["a", "b", "c"]))
    with pytest.raises(UserError, match="label -1 at position 0"):
        corrupt(NoiseSpec(), np.array([-1, 1]), 3)
    with pytest.raises(UserError, match="integers"):
        corrupt(NoiseSpec(), np.array([0.0, 1.0]), 3)
    with pytest.raises(UserError, match="describe"):
        corrupt(NoiseSpec("file"), np.array([0, 1]), 2)
    with pytest.raises(UserError, match="3 given labels, but 2"):
        noise.describe(np.array([0, 1, 1]), np.array([0, 1]), 2)


def test_description_of_a_draw():
    noisy = noise.describe(np.array([0, 1, 1, 2, 0]), np.array([0, 0, 1, 2, 2]), 4)
    assert noisy.given.dtype == noisy.clean.dtype == np.int32
    assert noisy.rate == pytest.approx(0.4)
    assert noisy.rate_by_class[:3].tolist() == [0.5, 0.0, 0.5]
    assert noisy.transition[2, :3].tolist() == [0.5, 0.0, 0.5]
    assert NoiseSpec("t2h", 0.2).options() == {
        "cap": 0.6,
        "profile": "tailness",
        "destination": "frequency",
        "temperature": 0.1,
        "which": "uniform",
    }


# --- TABASCO / DaSC ----------------------------------------------------------

# fmt: off
CIFAR100_PARTNERS = [
    38, 13, 73, 10, 76, 6, 80, 65, 17, 1, 77, 72, 6, 26, 51, 21, 19, 85, 11, 29,
    30, 14, 51, 69, 88, 88, 95, 97, 87, 13, 9, 7, 64, 62, 22, 58, 1, 0, 61, 82,
    8, 89, 13, 48, 73, 30, 72, 3, 71, 21, 49, 58, 3, 69, 24, 43, 77, 26, 52, 81,
    41, 83, 15, 65, 69, 25, 99, 88, 7, 26, 25, 22, 9, 67, 23, 27, 37, 57, 84, 38,
    8, 32, 34, 10, 23, 15, 88, 25, 71, 93, 74, 62, 46, 32, 88, 23, 55, 65, 77, 3,
]
# fmt: on


def test_partners_are_the_published_maps():
    stream = np.random.RandomState(25)
    assert tabasco.partners(10, stream).tolist() == [6, 9, 6, 0, 0, 1, 8, 6, 2, 4]
    assert tabasco.partners(100, stream).tolist() == CIFAR100_PARTNERS


def slow_tabasco(labels, num_classes, max_count, factor, kind, rate, seed):
    """The recipe with Python lists and one `choice` a sample."""
    stream = np.random.RandomState(seed)
    kept = []
    for c in range(num_classes):
        positions = [n for n, label in enumerate(labels) if label == c]
        stream.shuffle(positions)
        kept += positions[: int(max_count * (1 / factor) ** (c / (num_classes - 1)))]
    kept = sorted(kept)
    matrix = np.eye(num_classes) * (1 - rate)
    if kind == "symmetric":
        matrix = rate * np.full((num_classes, num_classes), 1 / num_classes) + matrix
    else:
        stream.seed(1)
        for c in range(num_classes):
            matrix[c, stream.choice([j for j in range(num_classes) if j != c])] = rate
    return kept, [stream.choice(num_classes, p=matrix[labels[n]]) for n in kept]


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
@pytest.mark.parametrize(
    ("num_classes", "max_count", "factor", "rate", "seed"),
    [(10, 400, 10, 0.4, 25), (10, 500, 100, 0.6, 25), (100, 50, 10, 0.2, 25), (7, 90, 10, 1.0, 3)],
)
def test_tabasco_draw_equals_a_slow_version(kind, num_classes, max_count, factor, rate, seed):
    labels = np.random.default_rng(seed).permutation(
        np.arange(num_classes * max_count) % num_classes
    )
    kept, given = slow_tabasco(labels, num_classes, max_count, factor, kind, rate, seed)
    positions, noisy = noise.tabasco_draw(
        labels, num_classes, max_count, factor, kind, rate, seed=seed
    )
    assert positions.tolist() == kept and noisy.given.tolist() == given
    assert (noisy.clean == labels[positions]).all()


def test_tabasco_rates_are_the_nominal_ones_of_the_paper():
    labels = np.arange(50000) % 10
    positions, noisy = noise.tabasco_draw(labels, 10, 5000, 100, "symmetric", 0.6)
    assert len(positions) == 12406 and noisy.rate == pytest.approx(0.54, abs=0.02)
    assert np.bincount(noisy.given)[9] == pytest.approx(764, rel=0.1)
    _, noisy = noise.tabasco_draw(labels, 10, 5000, 10, "asymmetric", 0.4)
    assert noisy.rate == pytest.approx(0.4, abs=0.02)
    partners = tabasco.partners(10, np.random.RandomState())
    assert (noisy.transition[np.arange(10), partners] > 0.3).all()


def test_corrupt_continues_the_legacy_stream():
    labels = np.arange(1000) % 10
    counts = longtail.class_counts("exponential", 100, 10, 10)
    for kind in ("symmetric", "asymmetric"):
        positions, want = noise.tabasco_draw(labels, 10, 100, 10, kind, 0.4)
        spec = NoiseSpec(f"tabasco_{kind}", 0.4, seed=25)
        stream = np.random.RandomState(25)
        assert (tabasco.subset(labels, counts, stream) == positions).all()
        assert corrupt(spec, labels[positions], 10, stream=stream).sha256 == want.sha256
        alone = corrupt(spec, labels[positions], 10).sha256
        assert (alone == want.sha256) == (kind == "asymmetric")


def test_tabasco_draw_refuses_what_is_not_there():
    with pytest.raises(UserError, match="class 0 has fewer samples than the 200"):
        noise.tabasco_draw(np.arange(100) % 10, 10, 200, 10, "symmetric", 0.4)
    with pytest.raises(UserError, match="tabasco_pair"):
        noise.tabasco_draw(np.arange(100) % 10, 10, 10, 10, "pair", 0.4)


# --- features ----------------------------------------------------------------


def test_similarity_and_distance_against_numpy():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 4, 4, 3)).astype(np.uint8)
    labels = rng.integers(0, 4, 300)
    flat = images.reshape(300, -1).astype(np.float64)
    means = np.stack([flat[labels == k].mean(0) for k in range(4)])
    unit = means / np.linalg.norm(means, axis=1)[:, None]
    got = noise.class_similarity(images, labels, 5)
    np.testing.assert_allclose(got[:4, :4], unit @ unit.T, atol=1e-6)
    assert (got[4] == 0).all()
    want = np.sqrt(((flat[:, None] - means) ** 2).sum(-1))
    distance = noise.class_distance(images, labels, 5)
    np.testing.assert_allclose(distance[:, :4], want, rtol=1e-6)
    assert np.isinf(distance[:, 4]).all()


# --- the same labels for ever ------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        (NoiseSpec("t2h", 0.3), "8d118fa1e976967c"),
        (NoiseSpec("t2h", 0.3, seed=1), "6b57d84fda00e3e6"),
        (NoiseSpec("t2h", 0.4, cap=0.9), "beebeb8f9990af49"),
        (NoiseSpec("t2h", 0.2, profile="uniform"), "a731f1369e63d911"),
        (NoiseSpec("symmetric", 0.4), "63683bb7e2a9c3a4"),
        (NoiseSpec("asymmetric", 0.4, dataset="cifar10"), "c939767b93eb2d5b"),
        (NoiseSpec("joint", 0.3), "82ce63511d8680c3"),
        (NoiseSpec("tabasco_symmetric", 0.4, seed=25), "95f9ca3535608648"),
        (NoiseSpec("tabasco_asymmetric", 0.4, seed=25), "0719c2de95dae18d"),
    ],
    ids=lambda value: f"{value.name}{value.rate}" if isinstance(value, NoiseSpec) else "",
)
def test_golden_digests(spec, digest):
    """On CIFAR-10 counts, IF 100, sorted by class. A change here is a new `noise.VERSION`."""
    clean = labels_of(CIFAR10_IF100)
    assert corrupt(spec, clean, 10).sha256[:16] == digest
    assert corrupt(spec, clean.astype(np.uint8), 10).sha256[:16] == digest
