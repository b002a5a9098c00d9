"""The states of a method's networks on the devices, and the weights that they start with."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from dull_jax.methods.base import Method
from dull_jax.models import pretrained
from dull_jax.optim import optimizer
from dull_jax.train import initial
from dull_jax.train.parallel import Devices
from dull_jax.train.state import NetState

Say = Callable[[str], None]


class Networks:
    """The networks of a method, one `NetState` each, replicated but for their `samples`.

    Attributes:
      states: the networks, in the method's order.
      observed: (network, averaged) -> what a pass has seen of these weights (`passes`);
        forgotten as soon as one of the networks changes.
    """

    states: tuple[NetState, ...]

    def __init__(self, config: ConfigDict, method: Method, devices: Devices):
        self.config, self.method, self.devices = config, method, devices
        self.optimizer: optax.GradientTransformation = optimizer(config)
        self.observed: dict[tuple[int, bool], dict[str, np.ndarray]] = {}
        shape = (2, *method.train.input_shape)
        self._variables = jax.jit(
            lambda key: method.network.init(key, jnp.zeros(shape), train=False)
        )
        self.reset()

    # Starting ----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Newly initialised networks in place of those there are."""
        self.place(self.fresh())

    def fresh(self) -> tuple[NetState, ...]:
        """Newly initialised networks; the weights depend on the seed and the network's number."""
        key = jax.random.key(self.config.seed)
        numbers = range(self.method.num_networks)
        return tuple(self._initialised(jax.random.fold_in(key, n)) for n in numbers)

    def _initialised(self, key: jax.Array) -> NetState:
        variables = self._variables(key)
        batch_stats = variables.get("batch_stats", {})
        params = self.method.project(variables["params"])
        average = {"params": params, "batch_stats": batch_stats} if self.config.optim.ema else {}
        return NetState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=batch_stats,
            opt=self.optimizer.init(params),
            average=jax.tree.map(jnp.copy, average),
            extra=self.method.init_extra(jax.random.fold_in(key, 1)),
            samples=self.method.init_samples(),
        )

    def load_initial_weights(self, say: Say) -> None:
        """The backbone of another run or of a file of weights, where the recipe names one.

        Raises:
          UserError: it is not there, or of another shape.
        """
        config = self.config
        if config.init:
            backbone, step = initial.backbone(config.init)
            self.load_backbone(backbone)
            say(f"starting from the backbone of {config.init}, checkpoint {step}")
        if pretrained.is_wanted(config.model) and not config.model.frozen:
            self.load_backbone(pretrained.load(config.model), "config.model.pretrained")
            say(f"starting from the weights of {pretrained.source(config.model)}")

    def load_backbone(self, backbone: initial.Leaves, field: str = "config.init") -> None:
        """Gives every network the backbone of another run, or of the file that `field` names."""
        self.place(initial.with_backbone(self.whole(), backbone, field))

    # Moving ------------------------------------------------------------------------------------

    def place(self, states: tuple[NetState, ...]) -> None:
        """Takes these networks, as `whole` gives them, onto the devices."""
        devices = self.devices
        self.states = tuple(
            devices.replicate(net.without_samples()).replace(samples=devices.divide(net.samples))
            for net in states
        )
        self.observed.clear()

    def whole(self) -> tuple[NetState, ...]:
        """The networks with their states of all samples, `[N, …]`: what a checkpoint holds."""
        size = len(self.method.train.given)
        return tuple(
            net.replace(samples=self.devices.whole(net.samples, size)) for net in self.states
        )

    # Training ----------------------------------------------------------------------------------

    def peers(self, n: int) -> tuple[NetState, ...]:
        """All networks but `n`, as that one sees them."""
        return tuple(net.without_samples() for net in self.states[:n] + self.states[n + 1 :])

    def update(self, n: int, state: NetState) -> None:
        """Network `n` after training steps."""
        self.states = (*self.states[:n], state, *self.states[n + 1 :])
        self.observed.clear()

    def restart_optimizer(self, n: int) -> None:
        """Network `n`'s optimiser forgets what it has seen."""
        state = self.states[n]
        opt = self.devices.replicate(self.optimizer.init(state.params))
        self.states = (*self.states[:n], state.replace(opt=opt), *self.states[n + 1 :])

    def exchange(self) -> None:
        """The method's exchange of extra states between networks, once an epoch."""
        extras = self.method.exchange(tuple(net.extra for net in self.states))
        self.states = tuple(
            net.replace(extra=extra) for net, extra in zip(self.states, extras, strict=True)
        )

    def averaged(self) -> tuple[Any, ...]:
        """The networks with their averaged weights, where there are any, as others see them."""
        return tuple(net.averaged().without_samples() for net in self.states)
