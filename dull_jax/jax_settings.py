"""Settings of JAX that change types, shapes or random numbers, as this package computes.

A command sets them for its process; what the environment says was meant for other programs. From
Python they hold within a call and its thread alone: the caller's own code keeps what it has set.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax

_CONTEXTS = {
    "jax_enable_x64": (False, jax.enable_x64),
    "jax_numpy_dtype_promotion": ("standard", jax.numpy_dtype_promotion),
    "jax_numpy_rank_promotion": ("allow", jax.numpy_rank_promotion),
    "jax_default_prng_impl": ("threefry2x32", jax.default_prng_impl),
    "jax_threefry_partitionable": (True, jax.threefry_partitionable),
    "jax_disable_jit": (False, jax.disable_jit),
}
_PINNED = {name: value for name, (value, _) in _CONTEXTS.items()} | {"jax_random_seed_offset": 0}


def pin() -> dict[str, object]:
    """Sets them for this process; {name: value} of those that were set otherwise."""
    differing = {
        name: actual
        for name, value in _PINNED.items()
        if (actual := jax.config.values.get(name, value)) != value
    }
    for name in differing:
        jax.config.update(name, _PINNED[name])
    return differing


@contextmanager
def pinned() -> Iterator[None]:
    """Sets them in this thread, for as long as it lasts; as a decorator for each call.

    What is right already stays untouched, so nothing is compiled again.

    >>> with jax.enable_x64(True):
    ...     with pinned():
    ...         inside = jax.config.jax_enable_x64
    ...     inside, jax.config.jax_enable_x64
    (False, True)
    """
    with ExitStack() as stack:
        for name, (value, context) in _CONTEXTS.items():
            if getattr(jax.config, name) != value:
                stack.enter_context(context(value))
        yield
