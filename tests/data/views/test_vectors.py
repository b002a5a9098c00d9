"""Views of vectors: drawn by the key of each row alone, normalised, with dropout."""

import jax
import numpy as np
import pytest

from dull_jax.data.views import vectors
from dull_jax.data.views.vectors import VectorSpec
from dull_jax.errors import UserError

N, V, D = 64, 5, 12


@pytest.fixture
def samples():
    return np.random.default_rng(0).normal(2, 3, (N, V, D)).astype(np.float16)


def keys(n=N, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def spec(dropout=0.0, views=V, mean=0.0, std=1.0):
    return VectorSpec((mean,) * D, (std,) * D, views, dropout)


def drawn_from(view, samples):
    """Which of its sample's vectors each row is, `[N]`."""
    equal = (np.asarray(view)[:, None] == samples.astype(np.float32)).all(2)
    assert (equal.sum(1) == 1).all()
    return equal.argmax(1)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("plain", {0}), *((name, {0, 1, 2, 3, 4}) for name in ("weak", "strong", "contrast"))],
)
def test_a_view_is_one_of_its_vectors(name, wanted, samples):
    assert set(drawn_from(spec().view(name, keys(), samples), samples)) == wanted


def test_of_one_vector_all_views_are_it(samples):
    alone = samples[:, :1]
    for name in ("plain", "weak", "strong"):
        found = spec(views=1).view(name, keys(), alone)
        np.testing.assert_array_equal(found, alone[:, 0].astype(np.float32))


def test_normalised_as_numpy_does(samples):
    found = spec(mean=2.0, std=3.0).view("plain", None, samples)
    np.testing.assert_allclose(found, (samples[:, 0].astype(np.float64) - 2) / 3, atol=1e-5)


def test_dropout_of_the_strong_view(samples):
    """A quarter is 0, and what stays is raised so that the mean is the same."""
    strong = np.asarray(spec(0.25, views=1).view("strong", keys(), samples[:, :1]))
    whole = samples[:, 0].astype(np.float32)
    kept = strong != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(strong[kept], whole[kept] / 0.75, rtol=1e-5)
    for name in ("plain", "weak"):
        assert (np.asarray(spec(0.25, views=1).view(name, keys(), samples[:, :1])) == whole).all()


@pytest.mark.parametrize("name", ["weak", "strong", "contrast"])
def test_a_row_depends_on_its_own_key_alone(name, samples):
    whole = np.asarray(spec(0.5).view(name, keys(), samples))
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(spec(0.5).view(name, keys()[order], samples[order]), whole[order])
    np.testing.assert_array_equal(spec(0.5).view(name, keys()[3:9], samples[3:9]), whole[3:9])


def test_statistics_keep_the_geometry(samples):
    """One scale for all numbers; the mean is taken out of each."""
    mean, std = vectors.statistics(samples)
    plain = samples[:, 0].astype(np.float64)
    np.testing.assert_allclose(mean, plain.mean(0), atol=1e-6)
    assert len(set(std)) == 1
    lengths = np.linalg.norm((plain - mean) / std[0], axis=1)
    assert np.sqrt(np.mean(lengths**2)) == pytest.approx(4, rel=1e-3)


def test_equal_vectors_have_a_scale():
    assert vectors.statistics(np.ones((5, 1, 3), np.float16)) == ((1.0,) * 3, (0.433013,) * 3)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("weird", (2, V, D), "view 'weird' is unknown"),
        ("plain", (2, D), "vectors must be"),
        ("weak", (2, V, D + 1), "vectors must be"),
    ],
)
def test_refusals(name, shape, message):
    with pytest.raises(UserError, match=message):
        spec().view(name, keys(2), np.zeros(shape, np.float16))
