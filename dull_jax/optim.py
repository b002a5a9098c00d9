"""The optimiser, and the learning rate as a function of the epoch: `config.optim`."""

import math
from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from dull_jax.fields import choice, number, several, switch

FIELDS = {
    "name": choice("sgd", "sgd or adamw; auto: for images of your own", ("sgd", "adamw", "auto")),
    "lr": number(0.1, "peak learning rate; 0, for images or vectors of your own: chosen", 0, 1e3),
    "momentum": number(0.9, "sgd: of the running mean of gradients", 0, 1, below=True),
    "nesterov": switch(False, "sgd: Nesterov's momentum"),
    "weight_decay": number(5e-4, "joins the gradient (sgd) or the update (adamw)", 0, 10),
    "decay": choice("kernels", "what decays: kernels only, or all parameters", ("kernels", "all")),
    "schedule": choice(
        "cosine", "over epochs: cosine, step, constant", ("cosine", "step", "constant")
    ),
    "warmup_epochs": number(0, "linear warm-up of the learning rate", 0, 10**6),
    "milestones": several(
        (),
        "step: shares of training after which lr is multiplied by gamma",
        lambda shares: all(0 < share < 1 for share in shares),
        "shares of training, each between 0 and 1",
    ),
    "gamma": number(0.1, "step: what lr is multiplied by", 0, 1),
    "clip_norm": number(0.0, "global gradient norm; 0: no clipping", 0, 1e9),
    "ema": number(
        0.0, "decay per step of averaged weights, used for prediction; 0: none", 0, 1, below=True
    ),
}


def optimizer(config: ConfigDict) -> optax.GradientTransformation:
    """The update direction for `config.optim`; `scaled_updates` gives it its length.

    Weight decay joins the gradient for SGD (as PyTorch does) and the update for AdamW.
    Matrix G of the disentangled head never decays.
    """
    optim = config.optim

    def decays(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: (
                path[-1].key != "gate" and (optim.decay == "all" or path[-1].key == "kernel")
            ),
            params,
        )

    clip = optax.clip_by_global_norm(optim.clip_norm) if optim.clip_norm else optax.identity()
    decay = optax.add_decayed_weights(optim.weight_decay, mask=decays)
    if optim.name == "adamw":
        return optax.chain(clip, optax.scale_by_adam(), decay)
    return optax.chain(clip, decay, optax.trace(optim.momentum, nesterov=optim.nesterov))


def learning_rate(config: ConfigDict, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0; constant within it, as is usual."""
    optim, epochs = config.optim, config.train.epochs
    if epoch < optim.warmup_epochs:
        return optim.lr * (epoch + 1) / (optim.warmup_epochs + 1)
    share = (epoch - optim.warmup_epochs) / max(epochs - optim.warmup_epochs, 1)
    if optim.schedule == "cosine":
        return optim.lr * 0.5 * (1 + math.cos(math.pi * share))
    if optim.schedule == "step":
        return optim.lr * optim.gamma ** sum(epoch / epochs >= at for at in optim.milestones)
    return optim.lr


def scaled_updates(direction: Any, lr: jax.Array, multipliers: Any) -> Any:
    """What is added to the parameters: -lr times each one's multiplier times the direction.

    Without a state of its own: `optax.inject_hyperparams` would keep the rate in the checkpoint,
    where versions that did not save it have nothing.

    Args:
      multipliers: a tree of numbers like `direction`; what has 0 does not move.
    """
    rates = {
        m: optax.scale_by_learning_rate(lr * m) if m else optax.set_to_zero()
        for m in set(jax.tree.leaves(multipliers))
    }
    scaled = optax.partition(rates, multipliers)
    return scaled.update(direction, scaled.init(direction))[0]
