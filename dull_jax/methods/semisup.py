"""Co-training on split labels: what DivideMix, TABASCO, SFA and DaSC share (Li et al., ICLR 2020).

Two networks. After a warm-up each of them splits the train set into samples whose label is
probably right ("labelled") and the rest ("unlabelled"), and the *other* one trains on that split
in the manner of MixMatch (Berthelot et al. 2019): guessed labels, sharpened, and mixup of all with
all. b examples a stream on this device, B in all; K classes.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from dull_jax.losses import cross_entropy
from dull_jax.methods import base
from dull_jax.models import axis


class Split(NamedTuple):
    """A network's opinion of the given labels."""

    clean: np.ndarray  # bool [N]
    probability: np.ndarray  # float32 [N], P(label is right)


def views(config: ConfigDict) -> tuple[str, str]:
    """Two independent draws of the recipe's view."""
    return config.train.view, config.train.view + "2"


def batch_sizes(config: ConfigDict) -> dict[str, int]:
    """The warm-up's batch, and half of it for each of the two streams after it."""
    whole = config.train.batch_size
    half = max(1, whole // 2)
    return {"main": whole, "labelled": half, "unlabelled": half}


def init_memory(size: int) -> dict[str, np.ndarray]:
    """`clean` [2, N]: P(label is right) as each network sees it; 1 before the first split."""
    return {"clean": np.ones((2, size), np.float32)}


# The host: an epoch -----------------------------------------------------------------------------


def co_training(
    run: base.Run,
    warmup_epochs: int,
    warmup: Callable[[int], base.Phase],
    select: Callable[[int], Split],
    train: Callable[[int, Split], base.Phase],
) -> Iterator[base.Phase]:
    """The phases of an epoch: network 0, then 1, each on the split that the other one made.

    Both splits are made before either network is trained.

    Args:
      warmup: n -> a phase of plain training of network n, in the first `warmup_epochs`.
      select: n -> network n's split.
      train: (n, split of the other network) -> a phase of network n.
    """
    if run.epoch < warmup_epochs:
        for n in (0, 1):
            yield warmup(n)
        return
    splits = [select(n) for n in (0, 1)]
    run.memory["clean"] = np.stack([s.probability for s in splits]).astype(np.float32)
    run.log({f"split/labelled_{n}": float(s.clean.mean()) for n, s in enumerate(splits)})
    for n in (0, 1):
        yield train(n, splits[1 - n])


def mixmatch_training(
    run: base.Run, config: ConfigDict, size: int, select: Callable[[int], Split]
) -> Iterator[base.Phase]:
    """`co_training` of networks with one classifier: the losses are "warmup" and "mixmatch"."""
    constants = {"lambda_u": ramp(config, run.epoch)}
    yield from co_training(
        run,
        config.semisup.warmup,
        warmup=lambda n: warmup_phase(config, size, n),
        select=select,
        train=lambda n, split: base.Phase(
            "mixmatch", streams(split, config, views(config)), n, constants
        ),
    )


def warmup_phase(config: ConfigDict, size: int, n: int, **constants: np.ndarray) -> base.Phase:
    """Plain training of network n on all `size` samples."""
    stream = base.Stream(np.arange(size), (config.train.view,), config.train.batch_size)
    return base.Phase("warmup", {"main": stream}, n, constants)


def streams(
    split: Split,
    config: ConfigDict,
    views: tuple[str, ...],
    weights: np.ndarray | None = None,
) -> dict[str, base.Stream]:
    """The two streams of a step. An empty side is filled with the whole train set.

    Args:
      weights: `[N]` trust in the given label of a labelled sample; None: the split's probability.
    """
    everything = np.arange(len(split.clean))
    weights = split.probability if weights is None else weights
    size = batch_sizes(config)["labelled"]

    def side(chosen: np.ndarray) -> np.ndarray:
        return everything[chosen] if chosen.any() else everything

    return {
        "labelled": base.Stream(side(split.clean), views, size, {"trust": weights}),
        "unlabelled": base.Stream(side(~split.clean), views, size),
    }


def ramp(config: ConfigDict, epoch: int) -> np.float32:
    """lambda_u of an epoch: linear over `semisup.ramp` epochs after warm-up, its value in between.

    The released codes raise it with every step; here it is held for an epoch.
    """
    c = config.semisup
    return np.float32(c.lambda_u * np.clip((epoch - c.warmup + 0.5) / c.ramp, 0, 1))


def log_prior(split: Split, given: np.ndarray, num_classes: int) -> np.ndarray:
    """float32 [K]: log of the classes' shares among the labelled samples."""
    return base.log_prior(np.bincount(given[split.clean], minlength=num_classes))


def judge(method: base.Method, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
    """1 - P(clean) of the networks' mean, and the label they predict; see `Method.judge`."""
    score, suggested = base.Method.judge(method, run)
    if run.epoch <= method.config.semisup.warmup and (run.memory["clean"] == 1).all():
        return score, suggested
    return 1 - run.memory["clean"].mean(0, dtype=np.float64), suggested


# The device: a step -----------------------------------------------------------------------------


def peer_outputs(network: Any, peer: base.Net, images: jax.Array) -> dict[str, jax.Array]:
    """The other network in evaluation mode, without gradient."""
    return jax.lax.stop_gradient(base.evaluated(network, peer, images))


def own_outputs(
    network: Any, params: Any, own: base.Net, images: jax.Array
) -> tuple[dict[str, jax.Array], Any]:
    """The network that is trained, in training mode, without gradient: (outputs, statistics)."""
    return jax.lax.stop_gradient(base.applied(network, params, own, images))


def sharpen(probs: jax.Array, temperature: float) -> jax.Array:
    """p_k^(1/T) / sum_j p_j^(1/T): probs [b, K], rows sum to 1 -> [b, K]. DivideMix, eq. 7."""
    raised = probs ** (1 / temperature)
    return raised / raised.sum(1, keepdims=True)


def refined(given: jax.Array, trust: jax.Array, probs: jax.Array, temperature: float) -> jax.Array:
    """Co-refinement: sharpen(w y + (1 - w) p). DivideMix, eqs. 6 and 7.

    given int [b], trust w [b] in [0, 1], probs p [b, K] -> [b, K].
    """
    label = jax.nn.one_hot(given, probs.shape[1])
    return sharpen(trust[:, None] * label + (1 - trust[:, None]) * probs, temperature)


def mixup(
    rng: jax.Array, parts: list[jax.Array], targets: list[jax.Array], alpha: float
) -> tuple[jax.Array, jax.Array]:
    """Mixup of each row with a random one of the global batch; the larger share is its own.

    One lambda = max(l, 1 - l), l ~ Beta(alpha, alpha), for the whole step, as in DivideMix.

    Args:
      rng: the step's key, the same on all devices.
      parts: images `[b, H, W, C]` of this device.  targets: `[b, K]` each.

    Returns:
      Mixed (images `[sum b, H, W, C]`, targets `[sum b, K]`), the parts in order.
    """
    beta, permutation = jax.random.split(rng)
    drawn = jax.random.beta(beta, alpha, alpha)
    lam = jnp.maximum(drawn, 1 - drawn)
    everything = jax.tree.map(axis.all_gather, (parts, targets))
    sizes = [len(part) for part in everything[0]]
    order = jax.random.permutation(permutation, sum(sizes))
    starts = np.cumsum([0, *sizes[:-1]])
    places = [
        start + axis.first_index(len(part)) + jnp.arange(len(part))
        for start, part in zip(starts, parts, strict=True)
    ]
    partner = order[jnp.concatenate(places)]

    def mixed(mine: list[jax.Array], all_of_them: list[jax.Array]) -> jax.Array:
        return lam * jnp.concatenate(mine) + (1 - lam) * jnp.concatenate(all_of_them)[partner]

    return mixed(parts, everything[0]), mixed(targets, everything[1])


def consistency(probs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean over classes of the squared difference: [b, K] each -> [b]. DivideMix, eq. 11."""
    return jnp.mean((probs - targets) ** 2, axis=1)


def evenness(probs: jax.Array) -> jax.Array:
    """KL(uniform || mean prediction over the global batch): probs [b, K] -> scalar. Eq. 12."""
    mean = axis.pmean(jnp.mean(probs, axis=0))
    return jnp.mean(-jnp.log(jnp.maximum(mean, 1e-12) * len(mean)))


def mixmatch(network: Any, config: ConfigDict) -> base.LossFn:
    """DivideMix's step on one classifier: L_x + lambda_u L_u + L_reg (eqs. 10 to 13).

    Guesses for an unlabelled sample: two networks by two views; for a labelled one: the own
    network by two views. Cost, in images through the backbone: 6 b forward, 4 b with gradient.
    """

    def loss_fn(params, own, peers, batch, constants, rng):
        images, targets, stats = mixed_batch(network, config, params, own, peers[0], batch, rng)
        outputs, _ = base.applied(network, params, own, images)
        total, loss_x, metrics = two_sided(outputs["logits"], targets, batch, constants["lambda_u"])
        total += evenness(jax.nn.softmax(outputs["logits"]))
        return total, base.Aux(stats, loss_x, metrics)

    return loss_fn


def mixed_batch(
    network: Any,
    config: ConfigDict,
    params: Any,
    own: base.Net,
    peer: base.Net,
    batch: base.Batch,
    rng: jax.Array,
) -> tuple[jax.Array, jax.Array, Any]:
    """Guesses, co-refinement and mixup: images `[4 b, H, W, C]`, targets `[4 b, K]`, statistics.

    Order of the rows: two views of the labelled samples, two of the unlabelled ones. The batch
    statistics are those of the guesses' images, which are not mixed, as what is evaluated later.
    Mixed images vary less (lambda^2 + (1 - lambda)^2 of the variance): running averages of theirs
    would be wrong for the peer's guesses, the split and the test. The released codes let both
    kinds move the averages, the plain ones by four steps of five.
    """
    c, x, u = config.semisup, batch["labelled"], batch["unlabelled"]
    parts = [x.views[v] for v in views(config)] + [u.views[v] for v in views(config)]
    mine, stats = own_outputs(network, params, own, jnp.concatenate(parts))
    theirs = peer_outputs(network, peer, jnp.concatenate(parts[2:]))["logits"]
    x1, x2, u1, u2 = jnp.split(jax.nn.softmax(mine["logits"]), 4)
    v1, v2 = jnp.split(jax.nn.softmax(theirs), 2)
    target_x = refined(x.given, x.columns["trust"], (x1 + x2) / 2, c.temperature)
    target_u = sharpen((u1 + u2 + v1 + v2) / 4, c.temperature)
    return *mixup(rng, parts, [target_x] * 2 + [target_u] * 2, c.alpha), stats


def two_sided(
    logits: jax.Array, targets: jax.Array, batch: base.Batch, lambda_u: jax.Array
) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
    """L_x + lambda_u L_u of one classifier on a mixed batch: (scalar, L_x `[b]`, metrics).

    logits, targets: `[4 b, K]`, rows as `mixed_batch` orders them.
    """
    half = len(logits) // 2
    loss_x = cross_entropy(logits[:half], targets[:half])
    loss_u = consistency(jax.nn.softmax(logits[half:]), targets[half:])
    metrics = base.sums(
        loss=loss_x, unlabelled_loss=loss_u, trust=batch["labelled"].columns["trust"]
    )
    total = jnp.mean(loss_x) + lambda_u * jnp.mean(loss_u)
    return total, loss_x.reshape(2, -1).mean(0), metrics


def both_heads(nets: tuple[base.Net, ...], forward: Callable[..., Any], images: jax.Array):
    """`Method.predict` of two networks with two classifiers each: the mean of all four logits."""
    outputs = [forward(net, images) for net in nets]
    return sum(o["logits"] + o["balanced_logits"] for o in outputs) / (2 * len(nets))
