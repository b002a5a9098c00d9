"""What is kept of every sample, divided over two devices and asked for by both."""

import jax.numpy as jnp
import numpy as np

import commands
from dull_jax.models import axis
from dull_jax.train import parallel
from outside import cpu_as

N = 7  # the last device's block is filled up


def test_a_block_on_each_device():
    done = commands.run(__file__, env=cpu_as(2))
    assert done.returncode == 0, done.stderr


def two_devices():
    import jax

    devices, rng = parallel.Devices(), np.random.default_rng(0)
    assert devices.count == 2
    arrays = {
        "target": rng.normal(size=(N, 3)).astype(np.float32),
        "place": np.arange(N, dtype=np.int32),
    }
    blocks = devices.divide(arrays)
    assert blocks["target"].shape == (2, 4, 3)
    held = [np.asarray(shard.data)[0] for shard in blocks["place"].addressable_shards]
    np.testing.assert_array_equal(held, [[0, 1, 2, 3], [4, 5, 6, 0]])
    whole = devices.whole(blocks, N)
    asked = np.array([[6, 0, 6], [3, 2, 4]])  # each of the devices wants rows of both
    taken = jax.pmap(
        axis.of_samples, axis_name=axis.AXIS, devices=devices.devices
    )(blocks, asked)  # fmt: skip
    for name, array in arrays.items():
        np.testing.assert_array_equal(whole[name], array)
        np.testing.assert_array_equal(taken[name], array[asked])

    def doubled(part, places):
        here = axis.own_rows(part, axis.all_gather(places))
        return part.at[here].multiply(2, mode="drop")

    written = jax.pmap(doubled, axis.AXIS)(blocks["target"], jnp.array([[6, 0], [3, 2]]))
    factors = np.where(np.isin(np.arange(N), [6, 0, 3, 2]), 2, 1)[:, None]
    np.testing.assert_array_equal(devices.whole(written, N), factors * arrays["target"])


if __name__ == "__main__":
    two_devices()
