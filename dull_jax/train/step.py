"""The compiled programs: one training step (or several in a scan) and one forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dull_jax.data import pipeline
from dull_jax.data.pipeline import Rows
from dull_jax.data.views.augment import AugmentSpec, view
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
    rows: Mapping[str, Rows],
    said: jax.Array,
    *,
    method: Method,
    loss_fn: LossFn,
    views: Views,
    augment: AugmentSpec,
    optimizer: optax.GradientTransformation,
    ema: float,
    frozen: tuple[str, ...],
) -> tuple[NetState, dict[str, tuple[jax.Array, jax.Array]], dict[str, jax.Array], jax.Array]:
    """S updates of one network on this device's shard of the batches.

    Args:
      own, peers: the network trained and the others.
      data: 'given' int32 `[N]`, and 'images' uint8 `[N, H, W, C]` unless the rows bring them.
      columns: stream -> name -> this device's block of `[N, …]`.  constants: name -> array.
      lr: scalar.
      clock: int32 `[4]`: run seed, epoch, phase, first step.
      rows: stream -> the examples, `[S, b]`.
      said: int32, a number that this device's process says to all: a signal that came to it.

    Returns:
      own after the updates; metrics, name -> (sums `[S]`, counts `[S]`) over all devices; news,
      equal on all devices: the greatest number `said`, and how many losses are `not_finite`; and
      the first stream's per-example losses `[S, b]` of this device.
    """

    def update(own: NetState, turn: tuple[jax.Array, Mapping[str, Rows]]):
        step, streams = turn
        key = step_key(clock, step)
        batch = {
            name: gather(name, rows, key, data, columns[name], views[name], augment)
            for name, rows in streams.items()
        }
        gradient = jax.grad(loss_fn, has_aux=True)
        grads, aux = gradient(own.params, own, peers, batch, constants, key)
        own, norm = apply_gradients(own, axis.pmean(grads), aux, lr, method, optimizer, ema, frozen)
        counted = axis.psum(aux.metrics) | {"update_norm": (norm, jnp.ones(()))}
        return own, (counted, aux.per_example)

    steps = next(iter(rows.values())).places.shape[0]
    turns = (clock[3] + jnp.arange(steps), rows)
    if steps == 1:  # XLA:CPU runs convolutions inside a loop about seven times slower
        own, out = update(own, jax.tree.map(lambda x: x[0], turns))
        metrics, losses = jax.tree.map(lambda x: x[None], out)
    else:
        own, (metrics, losses) = jax.lax.scan(update, own, turns)
    not_finite = axis.psum(jnp.sum(~jnp.isfinite(losses)))
    return own, metrics, {"said": axis.pmax(said), "not_finite": not_finite}, losses


def step_key(clock: jax.Array, step: jax.Array) -> jax.Array:
    """The random key of a step: a function of run seed, epoch, phase and step only."""
    key = jax.random.key(clock[0])
    for part in (clock[1], clock[2], step):
        key = jax.random.fold_in(key, part)
    return key


def gather(
    stream: str,
    rows: Rows,
    key: jax.Array,
    data: Mapping[str, jax.Array],
    columns: Mapping[str, jax.Array],
    names: tuple[str, ...],
    augment: AugmentSpec,
) -> Examples:
    """The examples of one device `[b]`, in the views asked for."""
    places, size = rows.places, len(rows.places)
    keys = pipeline.example_keys(key, stream, axis.first_index(size), size)
    view_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 0)
    return Examples(
        views=pipeline.views_of(names, view_keys, pipeline.images_at(data, rows), augment),
        given=data["given"][places],
        places=places,
        columns=axis.of_samples(columns, places),
        keys=jax.vmap(jax.random.fold_in, (0, None))(keys, 1),
    )


def apply_gradients(
    own, grads, aux, lr, method, optimizer, ema, frozen
) -> tuple[NetState, jax.Array]:
    """(the state after an update with gradients averaged over devices, the update's length).

    The length is not finite when the new weights or batch statistics are not: a NaN shows in the
    step that made it.
    """
    direction, opt = optimizer.update(grads, own.opt, own.params)
    multipliers = jax.tree_util.tree_map_with_path(
        lambda path, m: 0.0 if path[0].key in frozen else m, method.learning_rates(own.params)
    )
    params = jax.tree.map(lambda p, d, m: p - lr * m * d, own.params, direction, multipliers)
    params, batch_stats = method.project(params), axis.pmean(aux.batch_stats)
    new = own.replace(
        step=own.step + 1,
        params=params,
        batch_stats=batch_stats,
        opt=opt,
        average=updated_average(own, params, batch_stats, ema),
        extra=own.extra if aux.extra is None else aux.extra,
        samples=own.samples if aux.samples is None else aux.samples,
    )
    sound = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(batch_stats)]
    length = lr * optax.tree.norm(direction)
    return new, jnp.where(jnp.all(jnp.array(sound)), length, jnp.nan)


def forward_pass(
    function: Callable[[Any, jax.Array], Any], augment: AugmentSpec
) -> Callable[..., Any]:
    """(nets, data, rows `[b]`) -> function(nets, plain views): evaluation of one batch."""

    def run(nets: Any, data: Mapping[str, jax.Array], rows: Rows) -> Any:
        images = pipeline.images_at(data, rows)
        # The plain view draws nothing: one key serves all.
        keys = jnp.broadcast_to(jax.random.key(0), (len(images),))
        return function(nets, view("plain", keys, images, augment))

    return run
