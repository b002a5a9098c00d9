"""Two devices with half the batch each are one device with all of it."""

import subprocess
import sys

from outside import cpu_as

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from ml_collections import ConfigDict
from dull_jax import models

config = ConfigDict(dict(name="small_cnn", stem="cifar", norm="batch", width=4, stages=0,
                         dtype="float32", projector=8, channels_per_class=4,
                         frozen=False, hidden=(512,)))
rng = np.random.default_rng(0)
images = rng.normal(np.arange(8).reshape(8, 1, 1, 1), 1, (8, 8, 8, 3)).astype(np.float32)
alone = models.build(config, 5)
shapes = jax.eval_shape(lambda x: alone.init(jax.random.key(1), x, train=False), images)
variables = jax.tree.map(lambda s: rng.uniform(0, 1, s.shape).astype(np.float32), shapes)
weight = rng.normal(size=(8, 5)).astype(np.float32)

def gradient(network, variables, images, weight, reduce=lambda x: x):
    def loss(params):
        outputs, state = network.apply({**variables, "params": params}, images, train=True,
                                       mutable=["batch_stats"])
        return jnp.mean(jnp.sum(weight * jax.nn.log_softmax(outputs["logits"]), -1)), state
    gradients, state = jax.grad(loss, has_aux=True)(variables["params"])
    return reduce(gradients), state["batch_stats"]

def on_two(axis_name):
    network = models.build(config, 5, axis_name)
    step = jax.pmap(
        lambda v, x, w: gradient(network, v, x, w, lambda g: jax.lax.pmean(g, "batch")),
        axis_name="batch", in_axes=(None, 0, 0), devices=jax.devices()[:2])
    return step(variables, images.reshape(2, 4, 8, 8, 3), weight.reshape(2, 4, 5))

def distance(tree, other):
    return max(float(np.abs(np.asarray(a, np.float64) - b).max() / np.abs(b).max())
               for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True))

assert jax.device_count() == 2
whole = jax.jit(lambda v, x, w: gradient(alone, v, x, w))(variables, images, weight)
shared = on_two("batch")
assert distance(shared[1], whole[1]) < 1e-4, distance(shared[1], whole[1])
assert distance(shared[0], whole[0]) < 1e-3, distance(shared[0], whole[0])
own = on_two(None)
assert distance(own[1], whole[1]) > 0.01, "the check could not fail"
assert distance(own[0], whole[0]) > 0.01, "the check could not fail"
"""


def test_statistics_and_gradients_are_those_of_the_whole_batch():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=cpu_as(2), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
