"""A network's state, and the average of its weights over training."""

from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax


@flax.struct.dataclass
class NetState:
    """All of one network that training changes."""

    step: jax.Array  # int32 scalar, updates so far
    params: Any
    batch_stats: Any
    opt: Any
    average: Any  # {'params', 'batch_stats'}: the moving average; {} without
    extra: Any  # the method's device state
    samples: Any  # its device state of every train sample; of `[N, …]` each device holds a block

    def averaged(self) -> "NetState":
        """The network with its averaged weights, or as it is where there are none."""
        return self.replace(**self.average) if self.average else self

    def without_samples(self) -> "NetState":
        """The network as others see it: the same on all devices."""
        return self.replace(samples={})


def updated_average(net: NetState, params: Any, batch_stats: Any, decay: float) -> Any:
    """The moving average after an update; a young one follows faster: min(decay, (1+t)/(10+t))."""
    if not net.average:
        return {}
    t = net.step.astype(jnp.float32)
    d = jnp.minimum(decay, (1 + t) / (10 + t))
    new = {"params": params, "batch_stats": batch_stats}
    # d average + (1 - d) new. The other way round, with step size 1 - d, optax would compute
    # 1 - (1 - d), which is not d to the last bit.
    return optax.incremental_update(net.average, new, step_size=d)
