"""What a method is: pure losses, and a generator that says what an epoch consists of.

The trainer owns gradients, the optimiser, averaging over devices and weights, the learning rate
and checkpoints; a method owns its losses and `epoch`. Every choice on the host is made in
`epoch`, from `run.memory` (saved) and `run.observe` (journalled): whatever is in neither does
not exist, which is why a run resumes exactly.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import flax
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from scipy.special import softmax

from dull_jax.data.dataset import TrainSet
from dull_jax.models.network import Network
from dull_jax.stats.transition import class_shares

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Stream:
    """Examples that enter a step together."""

    indices: np.ndarray  # [n] in the train set
    views: tuple[str, ...]  # ('weak', 'strong'): one image array per view
    batch_size: int  # global
    columns: Arrays = dataclasses.field(default_factory=dict)  # [N, …] in train-set order


@dataclasses.dataclass(frozen=True)
class Phase:
    """One pass over the first stream: which loss trains which network on which streams."""

    loss: str
    streams: Mapping[str, Stream]
    network: int = 0
    constants: Arrays = dataclasses.field(default_factory=dict)  # small arrays for the loss
    frozen: tuple[str, ...] = ()  # parts of the network that do not learn: "backbone", "head"
    fresh_optimizer: bool = False  # it begins anew, as where a part that was frozen learns


@flax.struct.dataclass
class Examples:
    """One stream's part of a step, on one device. b examples."""

    views: dict[str, jax.Array]  # view -> float32 [b, H, W, C] or [b, D], normalised
    given: jax.Array  # int32 [b] given labels
    indices: jax.Array  # int32 [b] in the train set
    columns: dict[str, jax.Array]  # the stream's columns, gathered: [b, …]
    keys: jax.Array  # [b] random keys; an example's key does not depend on how batches are split


@flax.struct.dataclass
class Aux:
    """What a loss returns beside its mean."""

    batch_stats: Any
    per_example: jax.Array  # [b] losses of the first stream, to name the culprits of a NaN
    metrics: dict[str, tuple[jax.Array, jax.Array]]  # name -> (sum, count)
    extra: Any = None  # the network's new extra state; None: unchanged
    samples: Any = None  # the same of its state of every sample


class Net(Protocol):
    """A network's state as a method sees it (`train.state.NetState`)."""

    params: Any
    batch_stats: Any
    extra: Any
    samples: Any


Batch = Mapping[str, Examples]  # stream -> its part of a step

LossFn = Callable[
    [Any, Net, tuple[Net, ...], Batch, Mapping[str, jax.Array], jax.Array],
    tuple[jax.Array, Aux],
]


class Run(Protocol):
    """What the trainer offers to `Method.epoch`."""

    epoch: int  # from 0
    memory: dict[str, np.ndarray]  # in and out, checkpointed
    train: TrainSet
    rng: np.random.Generator  # of this epoch

    def observe(self, network: int = 0, averaged: bool = False) -> dict[str, np.ndarray]:
        """One pass over the train set, plain view: `Method.forward`'s arrays, `[N, …]`."""

    def log(self, values: Mapping[str, float]) -> None: ...


class Cost(NamedTuple):
    """What a step of the main phase computes, in batches of images: `COST` of a method's file."""

    forward: float  # forward alone
    both: float  # forward and backward


class Method:
    """The interface; `methods/ce.py` is the shortest example."""

    num_networks = 1
    head = "linear"  # of the network, a case of `models.network.build_head`
    observed = ("logits",)  # the network's outputs that come to the host, of every train image
    losses: Mapping[str, LossFn]

    def __init__(self, config: ConfigDict, network: Network, train: TrainSet):
        self.config, self.network, self.train = config, network, train

    @classmethod
    def validate(cls, config: ConfigDict) -> None:
        """Raises UserError for fields of its own that contradict each other."""

    @classmethod
    def head_of(cls, config: ConfigDict) -> str:
        """The head that a recipe asks for, of a method that has the choice."""
        return cls.head

    def init_extra(self, rng: jax.Array) -> Any:
        """Device state of one network beyond its parameters: a queue, prototypes."""
        return {}

    def init_samples(self) -> dict[str, np.ndarray]:
        """Device state of every train sample, `[N, …]`; each device holds a block of its rows."""
        return {}

    def exchange(self, extras: tuple[Any, ...]) -> tuple[Any, ...]:
        """At the end of an epoch: the networks' extra states, which may change owners."""
        return extras

    def init_memory(self) -> dict[str, np.ndarray]:
        """Host state: per-sample and per-class arrays."""
        return {}

    def batch_sizes(self) -> Mapping[str, int]:
        """Global batch size of every stream it will ask for: checked before anything is written."""
        return {"main": self.config.train.batch_size}

    def project(self, params: Any) -> Any:
        """Applied to the parameters after each update; pure."""
        return params

    def learning_rates(self, params: Any) -> Any:
        """Multipliers of the learning rate, a tree like `params`."""
        return jax.tree.map(lambda _: 1.0, params)

    def forward(self, net: Net, images: jax.Array) -> dict[str, jax.Array]:
        """`observed` in evaluation mode, of normalised images `[b, H, W, C]`; logits `[b, K]`."""
        outputs = evaluated(self.network, net, images)
        return {name: outputs[name] for name in self.observed}

    def predict(self, nets: tuple[Net, ...], images: jax.Array) -> jax.Array:
        """`[b, K]` logits that are scored on the test set: the networks' mean."""
        return sum(self.forward(net, images)["logits"] for net in nets) / len(nets)

    def epoch(self, run: Run) -> Iterator[Phase]:
        """The phases of one epoch; code between two yields runs on the host between them."""
        raise NotImplementedError

    def score_labels(self, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Which given labels look wrong: (score `[N]`, above 0.5 flags it; suggested label `[N]`).

        Here 1 - p(given label) of the networks' mean prediction on the plain train images.
        """
        logits = sum(run.observe(n, averaged=True)["logits"] for n in range(self.num_networks))
        probs = softmax(logits / self.num_networks, axis=1)
        return 1 - probs[np.arange(len(probs)), self.train.given], probs.argmax(1)

    def diagnostics(self, nets: tuple[Net, ...], memory: Arrays) -> dict[str, np.ndarray]:
        """Arrays for the report: gate `[C, K]`, transition_estimate `[K, K]`, where there are."""
        return {}


# What an epoch is made of ------------------------------------------------------------------------


def whole_set_stream(
    method: Method, views: tuple[str, ...] = (), columns: Arrays | None = None
) -> Stream:
    """All of the train set in batches of the recipe's size, in the recipe's view unless told."""
    train, size = method.config.train, len(method.train.given)
    return Stream(np.arange(size), views or (train.view,), train.batch_size, columns or {})


def whole_set_phase(
    method: Method,
    loss: str,
    network: int = 0,
    *,
    views: tuple[str, ...] = (),
    columns: Arrays | None = None,
    constants: Arrays | None = None,
    frozen: tuple[str, ...] = (),
    fresh_optimizer: bool = False,
) -> Phase:
    """The ordinary phase: all of the train set, once, as the stream 'main'.

    Args:
      loss, network, constants, frozen, fresh_optimizer: as in `Phase`.
      views, columns: as in `Stream`; the recipe's view unless told.
    """
    stream = whole_set_stream(method, views, columns)
    return Phase(loss, {"main": stream}, network, constants or {}, frozen, fresh_optimizer)


def log_prior(counts: np.ndarray) -> np.ndarray:
    """float32 `[K]`: log of `class_shares`.

    >>> log_prior(np.array([3, 1])).round(3)
    array([-0.288, -1.386], dtype=float32)
    """
    return np.log(class_shares(counts)).astype(np.float32)


# What a loss is made of --------------------------------------------------------------------------


def evaluated(network: Network, net: Net, images: jax.Array) -> dict[str, jax.Array]:
    """Evaluation mode: the network's outputs."""
    variables = {"params": net.params, "batch_stats": net.batch_stats}
    return network.apply(variables, images, train=False)


def applied(
    network: Network, params: Any, own: Net, images: jax.Array, part: str = "__call__"
) -> tuple[Any, Any]:
    """Training mode: (outputs of the network or of its part "embed", new batch statistics)."""
    variables = {"params": params, "batch_stats": own.batch_stats}
    outputs, updated = network.apply(
        variables, images, train=True, mutable=["batch_stats"], method=part
    )
    return outputs, updated.get("batch_stats", {})


def sums(**values: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
    """{name: (sum, count)} of per-example arrays `[b]`, as `Aux.metrics` wants them."""
    return {name: (jnp.sum(v), jnp.asarray(v.size, jnp.float32)) for name, v in values.items()}


def supervised(
    method: Method,
    per_example: Callable[[jax.Array, Examples, Mapping[str, jax.Array]], jax.Array],
) -> LossFn:
    """The loss of the methods that train on the recipe's view of one stream, 'main'.

    Args:
      per_example: (logits `[b, K]`, the examples, the phase's constants) -> losses `[b]`.
    """
    network, view = method.network, method.config.train.view

    def loss_fn(params, own, peers, batch, constants, rng):
        del peers, rng
        main = batch["main"]
        outputs, stats = applied(network, params, own, main.views[view])
        losses = per_example(outputs["logits"], main, constants)
        fits = outputs["logits"].argmax(1) == main.given
        return jnp.mean(losses), Aux(stats, losses, sums(loss=losses, fits=fits))

    return loss_fn
