"""What the tests of the co-training methods share: a run without a trainer, a mapped step."""

from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from test_every_method import recipe

from dull_jax import models
from dull_jax.data.dataset import TrainSet
from dull_jax.methods.base import Examples
from dull_jax.models.axis import AXIS

B = 6  # examples a stream


@flax.struct.dataclass
class Net:
    params: Any
    batch_stats: Any
    extra: Any


class Recorder:
    """A run of one epoch, whose passes over the train set return what is put in."""

    def __init__(self, epoch, memory=None, seen=None):
        self.epoch, self.memory, self.seen = epoch, {} if memory is None else memory, seen
        self.logged, self.rng = {}, np.random.default_rng(epoch)

    def observe(self, network=0, averaged=False):
        return self.seen

    def log(self, values):
        self.logged |= values


def train_set(size=8, classes=2):
    images = np.zeros((size, 8, 8, 1), np.uint8)
    given = (np.arange(size) % classes).astype(np.int32)
    names = tuple(f"class {k}" for k in range(classes))
    return TrainSet(images, given, np.array([f"i{n}" for n in range(size)]), names)


def built(module, classes=2, **fields):
    """A method with a small network in it, and a state of that network."""
    name = module.__name__.rpartition(".")[2]
    config = recipe(name, **fields)
    network = models.build(config.model, classes, AXIS, module.Method.head_of(config))
    method = module.Method(config, network, train_set(classes=classes))
    return method, net_of(method, seed=0)


def net_of(method, seed):
    classes = method.train.num_classes
    outside = models.build(method.config.model, classes, None, method.head_of(method.config))
    init = jax.jit(outside.init)
    variables = init(jax.random.key(seed), jnp.zeros((1, 8, 8, 1)))
    return Net(**variables, extra=method.init_extra(jax.random.key(1)))


def batch(views, streams=("labelled", "unlabelled"), classes=2):
    """Random images, labels in turn, half of the trust."""
    draw = np.random.default_rng(1)
    return {
        stream: Examples(
            {v: jnp.asarray(draw.normal(size=(B, 8, 8, 1)), jnp.float32) for v in views},
            jnp.arange(B) % classes,
            None,
            {"trust": jnp.full(B, 0.5)},
            jax.random.split(jax.random.key(2), B),
        )
        for stream in streams
    }


def on_one_device(function, *arguments):
    """`function` inside a mapped step of one device."""
    batched = jax.tree.map(lambda a: jnp.asarray(a)[None], arguments)
    return jax.tree.map(lambda a: np.asarray(a[0]), jax.pmap(function, AXIS)(*batched))


def softmax64(logits):
    raised = np.exp(np.float64(logits) - np.max(logits, axis=-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def cross_entropy64(logits, labels):
    return np.array([-np.log(p[k]) for p, k in zip(softmax64(logits), labels, strict=True)])
