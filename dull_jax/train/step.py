"""The compiled programs: one training step (or several in a scan) and one forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dull_jax.data import pipeline
from dull_jax.data.augment import AugmentSpec, view
from dull_jax.methods.base import Examples, LossFn, Method
from dull_jax.models import axis
from dull_jax.train.state import NetState, updated_average

Views = Mapping[str, tuple[str, ...]]  # stream -> its views


def train_step(
    own: NetState,
    peers: tuple[NetState, ...],
    data: Mapping[str, jax.Array],
    columns: Mapping[str, Mapping[str, jax.Array]],
    constants: Mapping[str, jax.Array],
    lr: jax.Array,
    clock: jax.Array,
    indices: Mapping[str, jax.Array],
    *,
    method: Method,
    loss_fn: LossFn,
    views: Views,
    augment: AugmentSpec,
    optimizer: optax.GradientTransformation,
    ema: float,
    frozen: tuple[str, ...],
) -> tuple[NetState, dict[str, tuple[jax.Array, jax.Array]], jax.Array]:
    """S updates of one network on this device's shard of the batches.

    Args:
      own, peers: the network trained and the others.
      data: 'images' uint8 `[N, H, W, C]`, 'given' int32 `[N]`.
      columns: stream -> name -> `[N, …]`.  constants: name -> array.
      lr: scalar.
      clock: int32 `[4]`: run seed, epoch, phase, first step.
      indices: stream -> int32 `[S, b]`.

    Returns:
      own after the updates; metrics, name -> (sums `[S]`, counts `[S]`) over all devices; and
      the first stream's per-example losses `[S, b]` of this device.
    """

    def update(own: NetState, turn: tuple[jax.Array, Mapping[str, jax.Array]]):
        step, places = turn
        key = step_key(clock, step)
        batch = {
            name: gather(name, places[name], key, data, columns[name], views[name], augment)
            for name in places
        }
        gradient = jax.grad(loss_fn, has_aux=True)
        grads, aux = gradient(own.params, own, peers, batch, constants, key)
        own, norm = apply_gradients(own, axis.mean(grads), aux, lr, method, optimizer, ema, frozen)
        counted = axis.total(aux.metrics) | {"update_norm": (norm, jnp.ones(()))}
        return own, (counted, aux.per_example)

    steps = next(iter(indices.values())).shape[0]
    turns = (clock[3] + jnp.arange(steps), indices)
    if steps == 1:  # XLA:CPU runs convolutions inside a loop about seven times slower
        own, (metrics, losses) = update(own, jax.tree.map(lambda x: x[0], turns))
        return own, jax.tree.map(lambda x: x[None], metrics), losses[None]
    own, (metrics, losses) = jax.lax.scan(update, own, turns)
    return own, metrics, losses


def step_key(clock: jax.Array, step: jax.Array) -> jax.Array:
    """The random key of a step: a function of run seed, epoch, phase and step only."""
    key = jax.random.key(clock[0])
    for part in (clock[1], clock[2], step):
        key = jax.random.fold_in(key, part)
    return key


def gather(
    stream: str,
    places: jax.Array,
    key: jax.Array,
    data: Mapping[str, jax.Array],
    columns: Mapping[str, jax.Array],
    names: tuple[str, ...],
    augment: AugmentSpec,
) -> Examples:
    """The examples at `places` `[b]`, in the views asked for."""
    first = axis.first_place(len(places))
    keys = pipeline.example_keys(key, stream, first, len(places))
    view_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 0)
    return Examples(
        views=pipeline.views_of(names, view_keys, data["images"][places], augment),
        given=data["given"][places],
        columns={name: column[places] for name, column in columns.items()},
        keys=jax.vmap(jax.random.fold_in, (0, None))(keys, 1),
    )


def apply_gradients(
    own, grads, aux, lr, method, optimizer, ema, frozen
) -> tuple[NetState, jax.Array]:
    """(the state after an update with gradients averaged over devices, the update's length).

    The length is not finite when the new weights are not: a NaN shows in the step that made it.
    """
    direction, opt = optimizer.update(grads, own.opt, own.params)
    multipliers = jax.tree_util.tree_map_with_path(
        lambda path, m: 0.0 if path[0].key in frozen else m, method.learning_rates(own.params)
    )
    params = jax.tree.map(lambda p, d, m: p - lr * m * d, own.params, direction, multipliers)
    params, batch_stats = method.project(params), axis.mean(aux.batch_stats)
    new = own.replace(
        step=own.step + 1,
        params=params,
        batch_stats=batch_stats,
        opt=opt,
        average=updated_average(own, params, batch_stats, ema),
        extra=own.extra if aux.extra is None else aux.extra,
    )
    return new, lr * optax.tree.norm(direction)


def forward_pass(
    function: Callable[[Any, jax.Array], Any], augment: AugmentSpec
) -> Callable[..., Any]:
    """(nets, data, indices `[b]`) -> function(nets, plain views): evaluation of one batch."""

    def run(nets: Any, data: Mapping[str, jax.Array], indices: jax.Array) -> Any:
        images = data["images"][indices]
        # The plain view draws nothing: one key serves all.
        keys = jnp.broadcast_to(jax.random.key(0), (len(indices),))
        return function(nets, view("plain", keys, images, augment))

    return run
