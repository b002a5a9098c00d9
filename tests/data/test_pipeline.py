import jax
import numpy as np
import pytest

from dull_jax.data import pipeline


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (8, 4), (3, 8), (1, 5)])
def test_a_sweep_sees_every_example(n, batch):
    indices = np.arange(100, 100 + n)
    steps = pipeline.num_steps(n, batch)
    found = pipeline.batches(indices, batch, steps, (0, 1, 2), "main")
    assert found.shape == (steps, batch) and found.dtype == np.int32
    assert set(found.ravel()) == set(indices)
    passes = found.ravel()[: n * (found.size // n)].reshape(-1, n)
    assert (np.sort(passes, 1) == indices).all(), "each pass is a permutation"


def test_the_order_is_a_function_of_seed_epoch_phase_and_stream():
    def order(seed, stream):
        return pipeline.batches(np.arange(50), 10, 5, seed, stream).tobytes()

    base = order((0, 1, 2), "main")
    assert base == order((0, 1, 2), "main")
    assert len({base, order((1, 1, 2), "main"), order((0, 2, 2), "main"), order((0, 1, 3), "main"),
                order((0, 1, 2), "rare")}) == 5  # fmt: skip


def test_padding_repeats_only_the_last():
    found = pipeline.padded(np.arange(7), 4)
    assert found.tolist() == [[0, 1, 2, 3], [4, 5, 6, 6]]


def test_keys_do_not_depend_on_the_split():
    key = jax.random.key(3)
    whole = jax.random.key_data(pipeline.example_keys(key, "main", 0, 8))
    parts = [jax.random.key_data(pipeline.example_keys(key, "main", i, 4)) for i in (0, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert len(np.unique(whole, axis=0)) == 8


def test_channel_statistics_against_numpy():
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
    mean, std = pipeline.channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)), atol=1e-6)
    assert pipeline.channel_statistics(np.zeros((2, 4, 4, 1), np.uint8))[1] == (1.0,)
