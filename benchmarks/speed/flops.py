"""FLOPs of a function and of a network's image, by XLA's count; FLOP/s that a machine reaches."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import timing
from dull_jax.models import Network


def of(function: Callable[..., Any], *arguments: Any) -> float:
    """Of one compiled call; arguments may be `jax.ShapeDtypeStruct`."""
    return float(jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"])


def of_image(network: Network, side: int, batch_size: int) -> tuple[float, float]:
    """(forward, forward and backward) FLOPs of an image, as a part of a training batch."""
    images = jnp.zeros((batch_size, side, side, 3))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))

    def loss(params, others):
        outputs, _ = network.apply(
            others | {"params": params}, images, train=True, mutable=["batch_stats"]
        )
        return jax.nn.logsumexp(outputs["logits"], axis=1).mean() + outputs["features"].mean()

    others = {name: tree for name, tree in variables.items() if name != "params"}
    arguments = variables["params"], others
    return of(loss, *arguments) / batch_size, of(jax.grad(loss), *arguments) / batch_size


def matmul_rate(size: int = 2048, dtype: Any = jnp.float32) -> float:
    """FLOP/s of the best of eight square matrix products: what the machine can do."""
    a = jnp.ones((size, size), dtype)
    product = jax.jit(lambda a: a @ a)
    return 2 * size**3 / timing.best(lambda: product(a).block_until_ready(), repetitions=8)
