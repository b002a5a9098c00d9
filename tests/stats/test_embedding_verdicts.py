"""Near copies and outliers, against float64 loops over all pairs, and what chance must not do."""

import numpy as np
import pytest

from dull_jax.stats import embedding_verdicts
from dull_jax.stats.embedding_verdicts import CHANCE, CLOSER, EXPLAINED, WITHIN
from dull_jax.stats.neighbour_graph import Graph, nearest

SIZE, DIM = 600, 100


def clusters(size=SIZE, dim=DIM, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, dim))[np.arange(size) % 6] + rng.normal(size=(size, dim))


def cosines(a, b):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return a @ b.T


@pytest.fixture
def planted():
    """(features, pairs): rows 500 to 509 are rows 0 to 9, a little changed."""
    features = clusters()
    noise = np.random.default_rng(1).normal(size=(10, DIM))
    features[500:510] = features[:10] + 0.2 * noise
    return features, {(n, 500 + n) for n in range(10)}


def bounds(features):
    """Distance below which each sample has copies, by sorting all of its distances."""
    distance = 1 - cosines(features, features)
    np.fill_diagonal(distance, np.inf)
    ordered = np.sort(distance, axis=1)
    reach = ordered[:, WITHIN - 1]
    return distance, min(CLOSER, np.median(ordered[:, 0] / reach) ** CHANCE), reach


def test_copies_are_found_and_nothing_else(planted):
    features, pairs = planted
    found = embedding_verdicts.near_copies(nearest(features, 100))
    assert set(zip(found.rows.tolist(), found.twins.tolist(), strict=True)) == pairs
    assert np.all(np.diff(found.cosine) <= 0)
    np.testing.assert_allclose(
        found.cosine, cosines(features, features)[found.rows, found.twins], atol=1e-5
    )


def test_all_pairs_are_judged_as_by_a_loop():
    features = clusters(dim=20)
    rng = np.random.default_rng(2)
    amount = rng.uniform(0, 1, (90, 1))  # on both sides of the bound
    features[510:] = features[:90] + amount * rng.normal(size=(90, 20))
    distance, limit, reach = bounds(features)
    bound = limit * np.minimum(reach[:, None], reach)
    wanted = set(zip(*np.nonzero(np.triu(distance <= bound)), strict=True))
    found = embedding_verdicts.near_copies(nearest(features, WITHIN))
    found = set(zip(found.rows.tolist(), found.twins.tolist(), strict=True))
    unsure = np.abs(distance - bound) < 1e-6  # float32
    assert 10 < len(wanted) < 80 and not any(not unsure[pair] for pair in wanted ^ found)


@pytest.mark.parametrize("dim", [5, 10, 100, 400])
def test_chance_brings_no_copies(dim):
    features = np.random.default_rng(dim).normal(size=(2000, dim)) + 0.5
    assert len(embedding_verdicts.near_copies(nearest(features, WITHIN)).rows) <= 1


def test_leaks_are_named_by_train_and_test(planted):
    features, _ = planted
    train, test = features[:500], features[500:]
    found = embedding_verdicts.leaks(train, test, nearest(train, 100))
    assert set(zip(found.rows.tolist(), found.twins.tolist(), strict=True)) == {
        (n, n) for n in range(10)
    }
    none = embedding_verdicts.leaks(train, test[20:], nearest(train, 100))
    assert len(none.rows) == 0


def test_copies_within_the_test_part_are_no_leaks():
    train, test = clusters(), clusters(seed=5)[:40]
    found = embedding_verdicts.leaks(train, np.concatenate([test, test]), nearest(train, WITHIN))
    assert len(found.rows) == 0


def test_equal_rows_are_copies_however_many():
    features = np.concatenate([clusters(), np.tile(clusters(1, seed=3), (80, 1))])
    found = embedding_verdicts.near_copies(nearest(features, 100))
    assert set(found.rows) | set(found.twins) == set(range(SIZE, SIZE + 80))
    stays = embedding_verdicts.spare(found, np.arange(len(features))[::-1])
    assert len(stays) >= WITHIN and SIZE + 79 not in stays  # a row has but so many neighbours


def test_one_of_each_group_stays():
    copies = embedding_verdicts.Copies(
        np.array([0, 1, 4]), np.array([1, 2, 5]), np.array([0.99, 0.98, 0.97], np.float32)
    )
    doubt = np.array([0.5, 0.1, 0.9, 0, 0.3, 0.2])
    assert embedding_verdicts.spare(copies, doubt) == {0: 1, 2: 1, 4: 5}
    chain = embedding_verdicts.spare(copies, np.array([0.1, 0.5, 0.2, 0, 0, 0]))
    assert chain == {1: 0, 5: 4}  # 2 is no copy of 0


def residuals(features):
    """By the definition: halves by length, and the fewest axes of the other half that suffice."""
    x = features.astype(np.float64)
    order, found = np.argsort((x**2).sum(1), kind="stable"), np.zeros(len(x))
    for mine, others in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        _, lengths, axes = np.linalg.svd(x[others], full_matrices=False)
        held = np.cumsum(lengths**2) / (lengths**2).sum()
        count = 1 + np.flatnonzero(held >= EXPLAINED)[0]
        rest = x[mine] - x[mine] @ axes[:count].T @ axes[:count]
        found[mine] = (rest**2).sum(1) / (x[mine] ** 2).sum(1)
    return found


def test_outliers_are_the_farthest():
    features, rng = clusters(), np.random.default_rng(4)
    alone = rng.choice(SIZE, 4, replace=False)
    features = np.c_[features, np.zeros((SIZE, 4))]
    features[alone] = np.eye(DIM + 4)[DIM:] * 9 + 0.1 * features[alone]
    features -= features.mean(0)
    found = embedding_verdicts.outliers(features)
    assert set(found[:4]) == set(alone) and len(found) <= 4 + 0.01 * SIZE
    share = residuals(features)
    np.testing.assert_allclose(embedding_verdicts.residual_share(features), share, atol=1e-9)
    assert np.all(np.diff(share[found]) <= 0) and share[found].min() > np.delete(share, found).max()


def test_residuals_do_not_depend_on_order_blocks_and_scale(monkeypatch):
    features = clusters().astype(np.float32)
    features -= features.mean(0)
    expected = embedding_verdicts.residual_share(features)
    order = np.random.default_rng(0).permutation(SIZE)
    monkeypatch.setattr(embedding_verdicts, "_BLOCK", 7)
    for factor in (1, 1e-3, 1e3):
        found = embedding_verdicts.residual_share(features[order] * np.float32(factor))
        np.testing.assert_allclose(found, expected[order], rtol=1e-4)


def test_more_features_than_samples():
    features = clusters(120, 300)
    features -= features.mean(0)
    found = embedding_verdicts.residual_share(features)
    np.testing.assert_allclose(found, residuals(features), atol=1e-9)


def test_axes_of_wide_features_are_sought_among_some_samples(monkeypatch):
    features = np.c_[clusters(), np.zeros(SIZE)]
    features[3] = 9 * np.eye(DIM + 1)[DIM]
    features -= features.mean(0)
    monkeypatch.setattr(embedding_verdicts, "WIDEST", DIM - 1)
    sizes, solve = [], embedding_verdicts.eigenvectors.of_symmetric
    monkeypatch.setattr(
        embedding_verdicts.eigenvectors,
        "of_symmetric",
        lambda matrix: sizes.append(len(matrix)) or solve(matrix),
    )
    assert embedding_verdicts.outliers(features)[0] == 3
    assert max(sizes) < DIM


@pytest.mark.parametrize("dim", [20, 100, 400])
def test_ordinary_data_has_few_outliers(dim):
    features = clusters(2000, dim, seed=dim)
    assert len(embedding_verdicts.outliers(features - features.mean(0))) < 0.01 * 2000


@pytest.mark.parametrize("features", [
    np.ones((1, 4)), np.eye(2), np.zeros((5, 4)), np.ones((60, 4)), np.zeros((60, 4)), np.eye(60),
])  # fmt: skip
def test_sets_that_say_nothing(features):
    assert len(embedding_verdicts.outliers(features)) == 0
    assert len(embedding_verdicts.outliers(features - features.mean(0))) == 0
    found = embedding_verdicts.near_copies(nearest(features, 100))
    if features[0].sum() != 4:  # all rows are equal
        assert len(found.rows) == 0


def test_neighbours_that_a_search_missed():
    """They have index 0 and cosine -inf."""
    graph = nearest(clusters(), WITHIN)
    cosine = graph.cosine.copy()
    cosine[7, 3:] = -np.inf
    indices = graph.indices.copy()
    indices[7, 3:] = 0
    assert len(embedding_verdicts.near_copies(Graph(indices, cosine)).rows) == 0
