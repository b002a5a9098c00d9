"""The kinds of noise: against the label generators, and products against tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax.data.noise import NoiseSpec, corrupt
from dull_jax.data.noises.t2h import tailness
from dull_jax.stats import look_alikes, noise_kinds, noise_structure, noise_undone

COUNTS = np.array([400, 200, 100, 50, 25])
SIZE = len(COUNTS)
TIED = np.array([3.0, 50, 7, 7, 3, 50, 3, 20, 1, 7])  # in no order


def table_by_definition(counts, rate, cap):
    """T of tail-to-head noise class by class."""
    made = np.eye(len(counts))
    lost = 1 - noise_kinds.table(noise_kinds.t2h(counts, rate, cap)).diagonal()
    for i, n in enumerate(counts):
        larger = [j for j, m in enumerate(counts) if m > n]
        made[i, i] = 1 - lost[i]
        for j in larger:
            made[i, j] = lost[i] * counts[j] / sum(counts[m] for m in larger)
    return made


@pytest.mark.parametrize("counts", [TIED, COUNTS.astype(float), np.geomspace(1000, 9, 60)])
def test_products_are_those_with_the_table(counts):
    rng, size = np.random.default_rng(0), len(counts)
    x = rng.random((3, size))
    others = 1 - np.eye(size)
    expected = {
        "symmetric": 0.7 * np.eye(size) + 0.3 * others / (size - 1),
        "joint": 0.7 * np.eye(size)
        + 0.3 * others * counts / (others * counts).sum(1, keepdims=True),
        "t2h": table_by_definition(counts, 0.2, 0.6),
    }
    made = {
        "symmetric": noise_kinds.symmetric(counts, 0.3),
        "joint": noise_kinds.joint(counts, 0.3),
        "t2h": noise_kinds.t2h(counts, 0.2, 0.6),
    }
    for name, noise in made.items():
        table = expected[name]
        np.testing.assert_allclose(noise_kinds.table(noise), table, atol=1e-12, err_msg=name)
        for product, right in ((noise.forward, table), (noise.backward, table.T)):
            actual = noise.named(product(noise.sorted(x)))
            np.testing.assert_allclose(actual, x @ right, rtol=1e-10, err_msg=name)
            actual = noise.named(product(noise.sorted(jnp.asarray(x, jnp.float32))))
            np.testing.assert_allclose(actual, x @ right, rtol=2e-5, err_msg=name)


def test_noise_is_undone_alike_by_products_and_by_the_table():
    rng = np.random.default_rng(1)
    for counts in (TIED, np.geomspace(500, 5, 48)):
        noise = noise_kinds.t2h(counts, 0.2, 0.6)
        probs = noise_structure.positive(rng.dirichlet(np.full(len(counts), 0.3), 7))
        dense = noise_kinds.Table(noise_kinds.table(noise))
        np.testing.assert_allclose(
            noise_undone.clean_probs(probs, noise),
            noise_undone.clean_probs(probs, dense),
            atol=2e-4,
        )


def test_running_sums():
    for size in (1, 7, 48, 60, 1000):
        x = np.random.default_rng(size).random((4, size)).astype(np.float32)
        actual = jax.jit(noise_kinds.cumulative)(x)
        np.testing.assert_allclose(actual, np.cumsum(x.astype(np.float64), 1), rtol=1e-5)


def test_kinds_are_those_of_the_noise_that_is_drawn():
    """Against the label generators, on counts so large that their rounding does not matter."""
    counts = COUNTS * 400
    clean = np.repeat(np.arange(SIZE), counts)

    def realised(given):
        table = np.zeros((SIZE, SIZE))
        np.add.at(table, (clean, given), 1)
        return table / table.sum(1, keepdims=True)

    for cap in noise_kinds.CAPS:
        given = corrupt(NoiseSpec("t2h", 0.2, 0, cap=cap), clean, SIZE).given
        np.testing.assert_allclose(
            noise_kinds.table(noise_kinds.t2h(counts, 0.2, cap)), realised(given), atol=0.01
        )
    given = corrupt(NoiseSpec("symmetric", 0.3), clean, SIZE).given
    np.testing.assert_allclose(
        noise_kinds.table(noise_kinds.symmetric(counts, 0.3)), realised(given), atol=0.01
    )
    given = corrupt(NoiseSpec("joint", 0.3), clean, SIZE).given
    np.testing.assert_allclose(
        noise_kinds.table(noise_kinds.joint(counts, 0.3)), realised(given), atol=0.02
    )


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_transitions_are_transitions(rate):
    counts = COUNTS.astype(float)
    confused = look_alikes.confident_confusions(
        np.random.default_rng(0).dirichlet(np.ones(SIZE), 50), np.arange(50) % SIZE
    )
    made = {kind: make(counts) for kind, _, make in noise_kinds.kinds(counts, [rate])}
    made["confused"] = look_alikes.confusion(confused, rate)
    for name, noise in made.items():
        table = noise_kinds.table(noise)
        assert (table >= 0).all(), name
        np.testing.assert_allclose(table.sum(1), 1, err_msg=name)
    t2h = noise_kinds.table(noise_kinds.t2h(counts, rate, 0.6))
    assert (np.triu(t2h, 1) == 0).all() and t2h[0, 0] == 1, "never towards a rarer class"
    assert t2h.diagonal().min() >= 0.4 - 1e-9
    slope = tailness(COUNTS)
    assert (np.diff((1 - t2h.diagonal())[np.argsort(slope)]) >= -1e-9).all()


@pytest.mark.parametrize("size", [3, 256, 257])
def test_the_quickest_form_is_the_same_noise(size):
    counts = np.geomspace(900, 9, size)
    noise = noise_kinds.t2h(counts, 0.3, 0.6)
    quick = noise_kinds.quickest(noise)
    assert isinstance(quick, noise_kinds.Table) == (size <= 256)
    np.testing.assert_allclose(noise_kinds.table(quick), noise_kinds.table(noise), atol=1e-15)
    x = np.random.default_rng(0).dirichlet(np.ones(size), 5)
    for of in ("forward", "backward"):
        plain = noise.named(getattr(noise, of)(noise.sorted(x)))
        np.testing.assert_allclose(getattr(quick, of)(x), plain, atol=1e-12)
        in_jax = quick.named(getattr(quick, of)(quick.sorted(jnp.asarray(x, jnp.float32))))
        np.testing.assert_allclose(in_jax, plain, atol=1e-6)
