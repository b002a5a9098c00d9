"""The compiled programs: one training step (or several in a scan) and one forward pass."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dull_jax.data import pipeline
from dull_jax.data.pipeline import Rows
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.vectors import VectorSpec
from dull_jax.methods.base import Aux, Examples, LossFn, Method
from dull_jax.models import axis
from dull_jax.optim import scaled_updates
from dull_jax.train.state import NetState, updated_average


@dataclasses.dataclass(frozen=True)
class StepSpec:
    """What a program is compiled for."""

    method: Method
    loss_fn: LossFn
    views: Mapping[str, tuple[str, ...]]  # stream -> its views
    augment: AugmentSpec | VectorSpec
    optimizer: optax.GradientTransformation
    ema: float  # decay of averaged weights; 0: there are none
    frozen: tuple[str, ...] = ()  # parts of the network that do not learn


class PhaseInputs(NamedTuple):
    """What is on the devices for a whole phase."""

    data: Any  # 'given' int32 [N], and 'images' [N, …] unless the rows bring them
    columns: Any  # stream -> name -> this device's block of [N, …]
    constants: Any  # name -> array
    lr: Any  # scalar


class StepInputs(NamedTuple):
    """What comes with each dispatch of S steps."""

    clock: Any  # int32 [4]: run seed, epoch, phase, first step
    rows: Any  # stream -> `Rows` [S, b], this device's examples
    stop_signal: Any  # int32, the number of a signal that came to this device's process; or 0


class StepOutputs(NamedTuple):
    """What a dispatch of S steps brings back beside the network."""

    metrics: Any  # name -> (sums [S], counts [S]) over all devices
    not_finite: Any  # int32, how many losses are not, over all devices
    stop_signal: Any  # int32, the greatest of all devices
    losses: Any  # [S, b] per example of the first stream, this device's


def train_step(
    own: NetState,
    peers: tuple[NetState, ...],
    phase: PhaseInputs,
    inputs: StepInputs,
    *,
    spec: StepSpec,
) -> tuple[NetState, StepOutputs]:
    """S updates of one network on this device's shard of the batches.

    Args:
      own, peers: the network trained and the others.
    """

    def update(own: NetState, turn: tuple[jax.Array, Mapping[str, Rows]]):
        step, streams = turn
        key = step_key(inputs.clock, step)
        batch = {name: gather(name, rows, key, phase, spec) for name, rows in streams.items()}
        gradient = jax.grad(spec.loss_fn, has_aux=True)
        grads, aux = gradient(own.params, own, peers, batch, phase.constants, key)
        own, norm = apply_gradients(own, axis.pmean(grads), aux, phase.lr, spec)
        counted = axis.psum(aux.metrics) | {"update_norm": (norm, jnp.ones(()))}
        return own, (counted, aux.per_example)

    steps = len(next(iter(inputs.rows.values())).indices)
    turns = (inputs.clock[3] + jnp.arange(steps), inputs.rows)
    if steps == 1:  # XLA:CPU runs convolutions inside a loop about seven times slower
        own, out = update(own, jax.tree.map(lambda x: x[0], turns))
        metrics, losses = jax.tree.map(lambda x: x[None], out)
    else:
        own, (metrics, losses) = jax.lax.scan(update, own, turns)
    not_finite = axis.psum(jnp.sum(~jnp.isfinite(losses)))
    return own, StepOutputs(metrics, not_finite, axis.pmax(inputs.stop_signal), losses)


def step_key(clock: jax.Array, step: jax.Array) -> jax.Array:
    """The random key of a step: a function of run seed, epoch, phase and step only."""
    key = jax.random.key(clock[0])
    for part in (clock[1], clock[2], step):
        key = jax.random.fold_in(key, part)
    return key


def gather(stream: str, rows: Rows, key: jax.Array, phase: PhaseInputs, spec: StepSpec) -> Examples:
    """A stream's examples of one device `[b]`, in its views and with its columns."""
    indices, size = rows.indices, len(rows.indices)
    keys = pipeline.example_keys(key, stream, axis.first_index(size), size)
    view_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 0)
    images = pipeline.images_at(phase.data, rows)
    return Examples(
        views=pipeline.views_of(spec.views[stream], view_keys, images, spec.augment),
        given=phase.data["given"][indices],
        indices=indices,
        columns=axis.of_samples(phase.columns[stream], indices),
        keys=jax.vmap(jax.random.fold_in, (0, None))(keys, 1),
    )


def apply_gradients(
    own: NetState, grads: Any, aux: Aux, lr: jax.Array, spec: StepSpec
) -> tuple[NetState, jax.Array]:
    """(the state after an update with gradients averaged over devices, the update's length).

    The length is not finite when the new weights or batch statistics are not: a NaN shows in the
    step that made it.
    """
    direction, opt = spec.optimizer.update(grads, own.opt, own.params)
    multipliers = jax.tree_util.tree_map_with_path(
        lambda path, m: 0.0 if path[0].key in spec.frozen else m,
        spec.method.learning_rates(own.params),
    )
    updates = scaled_updates(direction, lr, multipliers)
    params = spec.method.project(optax.apply_updates(own.params, updates))
    batch_stats = axis.pmean(aux.batch_stats)
    new = own.replace(
        step=own.step + 1,
        params=params,
        batch_stats=batch_stats,
        opt=opt,
        average=updated_average(own, params, batch_stats, spec.ema),
        extra=own.extra if aux.extra is None else aux.extra,
        samples=own.samples if aux.samples is None else aux.samples,
    )
    sound = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(batch_stats)]
    sound.append(jnp.isfinite(optax.tree.norm(direction)))  # also of parts that do not learn
    return new, jnp.where(jnp.all(jnp.array(sound)), optax.tree.norm(updates), jnp.nan)


def forward_pass(
    function: Callable[[Any, jax.Array], Any], augment: AugmentSpec | VectorSpec
) -> Callable[..., Any]:
    """(nets, data, rows `[b]`) -> function(nets, plain views): evaluation of one batch."""

    def run(nets: Any, data: Mapping[str, jax.Array], rows: Rows) -> Any:
        images = pipeline.images_at(data, rows)
        # The plain view draws nothing: one key serves all.
        keys = jnp.broadcast_to(jax.random.key(0), (len(images),))
        return function(nets, augment.view("plain", keys, images))

    return run
