"""MixMatch's targets and losses against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax import mixmatch
from dull_jax.models.axis import AXIS

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_draws_in_any_order():
    """Which worker runs which test must not change what it draws."""
    rng.bit_generator.state = np.random.default_rng(0).bit_generator.state


B, K = 6, 4


def rows(*shape):
    drawn = rng.uniform(0.05, 1, shape)
    return drawn / drawn.sum(-1, keepdims=True)


def on_one_device(function, *arguments):
    """`function` inside a mapped step of one device."""
    batched = jax.tree.map(lambda a: jnp.asarray(a)[None], arguments)
    return jax.tree.map(lambda a: np.asarray(a[0]), jax.pmap(function, AXIS)(*batched))


def sharpened(probs, temperature):
    out = np.array([[p ** (1 / temperature) for p in row] for row in probs])
    return out / out.sum(1)[:, None]


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_sharpening_and_co_refinement(temperature):
    probs, given = rows(B, K), rng.integers(0, K, B)
    trust = np.array([0, 1, 0.5, 0.2, 0.9, 0.3])
    np.testing.assert_allclose(
        mixmatch.sharpen(jnp.asarray(probs), temperature), sharpened(probs, temperature), rtol=1e-5
    )
    blended = [
        [trust[i] * (given[i] == k) + (1 - trust[i]) * probs[i, k] for k in range(K)]
        for i in range(B)
    ]
    refined = mixmatch.refined(*map(jnp.asarray, (given, trust, probs)), temperature)
    np.testing.assert_allclose(refined, sharpened(blended, temperature), rtol=1e-5)


def test_mixup_takes_most_of_a_row_and_the_rest_of_another():
    parts = [rng.normal(size=(B, 2, 2, 1)).astype(np.float32) for _ in range(4)]
    targets = [rows(B, K).astype(np.float32) for _ in range(4)]
    key = jax.random.key(3)
    images, mixed = on_one_device(
        lambda *a: mixmatch.mixup(key, list(a[:4]), list(a[4:]), 4.0), *parts, *targets
    )
    before, labels = np.concatenate(parts).reshape(4 * B, -1), np.concatenate(targets)
    partners, lams = [], []
    for row, label in zip(images.reshape(4 * B, -1), mixed, strict=True):
        fits = []  # every possible partner, and the lambda that it would need
        me = len(partners)
        for other in range(4 * B):
            difference = before[me] - before[other]
            length = difference @ difference or 1
            lam = float((row - before[other]) @ difference / length)
            image = lam * before[me] + (1 - lam) * before[other]
            target = lam * labels[me] + (1 - lam) * labels[other]
            if np.abs(np.append(image - row, target - label)).max() < 1e-4:
                fits.append((other, lam))
        assert fits, "a blend of two rows, images and labels alike"
        alone = np.abs(row - before[me]).max() < 1e-5
        partners.append(me if alone else fits[0][0])
        lams += [] if alone else [fits[0][1]]
    assert sorted(partners) == list(range(4 * B)), "partners are a permutation"
    np.testing.assert_allclose(lams, lams[0], atol=1e-3)
    assert 0.5 <= lams[0] < 1


def test_consistency_and_evenness():
    probs, targets = rows(B, K), rows(B, K)
    expected = [sum((probs[i, k] - targets[i, k]) ** 2 for k in range(K)) / K for i in range(B)]
    np.testing.assert_allclose(
        mixmatch.consistency(jnp.asarray(probs), jnp.asarray(targets)), expected, rtol=1e-5
    )
    mean = probs.mean(0)
    kl = sum(1 / K * np.log(1 / K / mean[k]) for k in range(K))
    uneven = on_one_device(mixmatch.evenness, probs.astype(np.float32))
    np.testing.assert_allclose(uneven, kl, rtol=1e-4)
    even = on_one_device(mixmatch.evenness, np.full((B, K), 1 / K, np.float32))
    assert abs(even) < 1e-6
    assert np.isfinite(on_one_device(mixmatch.evenness, np.eye(K, dtype=np.float32)[[0, 0]]))
