"""The mapped axis of a step: what one device's shard of a batch needs of the others' shards.

Inside a mapped step only. The collectives are JAX's, over `AXIS` and over trees. Gradients flow
through `all_gather` and `pmean`; the step averages gradients over devices, so a loss that is a
mean over its own rows is a mean over the global batch.
"""

from typing import Any

import jax
import jax.numpy as jnp

AXIS = "devices"


def first_index(size: int) -> jax.Array:
    """The row in the global batch of this device's first example, where a shard has `size`."""
    return jax.lax.axis_index(AXIS) * size


def all_gather(tree: Any) -> Any:
    """Leaves `[b, …]` -> `[B, …]`: the global batch, in its order."""
    return jax.tree.map(lambda leaf: jax.lax.all_gather(leaf, AXIS, tiled=True), tree)


def own_rows(part: jax.Array, indices: jax.Array) -> jax.Array:
    """Where samples lie in this device's part `[n, …]` of an array of all samples.

    Args:
      indices: `[B]`, in the array of all samples. What lies on other devices becomes n.
    """
    local = indices - jax.lax.axis_index(AXIS) * len(part)
    return jnp.where((local >= 0) & (local < len(part)), local, len(part))


def of_samples(parts: Any, indices: jax.Array) -> Any:
    """Rows `[b, …]` of arrays of all samples that are divided over the devices.

    Args:
      parts: a tree of this device's blocks `[n, …]` of them; numbers.
      indices: `[b]`, which samples.
    """
    batch = all_gather(indices)  # the global one: each device adds what it holds of it

    def taken(part: jax.Array) -> jax.Array:
        held = part.at[own_rows(part, batch)].get(mode="fill", fill_value=0)
        return jax.lax.psum_scatter(held, AXIS, tiled=True)

    return jax.tree.map(taken, parts)


def pmean(tree: Any) -> Any:
    """The mean over devices; what is not a number (a count) stays as it is."""
    return jax.lax.pmean(tree, AXIS)


def psum(tree: Any) -> Any:
    """The sum over devices."""
    return jax.lax.psum(tree, AXIS)


def pmax(number: jax.Array) -> jax.Array:
    """The greatest over devices."""
    return jax.lax.pmax(number, AXIS)


def weighted_mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    """This device's part of the mean of `values` `[b]` by `weights` `[b]` over the global batch.

    Parts differ between devices; their mean over devices is the weighted mean. 0 where all
    weights are 0.
    """
    return jnp.sum(values * weights) / jnp.maximum(pmean(jnp.sum(weights)), 1e-12)
