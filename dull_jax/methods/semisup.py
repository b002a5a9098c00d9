"""Co-training on split labels: what DivideMix, TABASCO, SFA and DaSC share (Li et al., ICLR 2020).

Two networks. An epoch:

  1. Warm-up, in the first epochs: each network trains on all labels as given.
  2. After it, each network splits the train set into samples whose label is probably right
     ("labelled") and the rest ("unlabelled").
  3. The *other* network trains on that split in the manner of MixMatch (Berthelot et al. 2019):
     guessed labels, sharpened, and mixup of all with all.

`CoTraining` is the base of the four methods and none itself; below it are the parts of a step.
b examples a stream on this device, B in all; K classes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from dull_jax import mixmatch
from dull_jax.fields import number
from dull_jax.losses import cross_entropy
from dull_jax.methods import base

FIELDS = {
    "warmup": number(0.3, "share of the epochs of plain training before the split", 0, 1),
    "threshold": number(
        0.5, "P(clean) above which a sample counts as labelled; not read by TABASCO", 0, 1
    ),
    "temperature": number(0.5, "sharpening of guessed labels", 0.01, 100),
    "alpha": number(4.0, "mixup: Beta(alpha, alpha)", 0.01, 1e3),
    "lambda_u": number(25.0, "weight of the unlabelled loss", 0, 1e4),
    "ramp": number(16, "epochs after warm-up until lambda_u is reached", 1, 10**6),
}


class Split(NamedTuple):
    """A network's opinion of the given labels."""

    clean: np.ndarray  # bool [N]
    probability: np.ndarray  # float32 [N], P(label is right)


class CoTraining(base.Method):
    """A method says `split`, and overrides those steps that are not as in DivideMix."""

    num_networks = 2

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": base.supervised(self, self.warmup_loss), "mixmatch": self.mixmatch_loss}

    @property
    def two_views(self) -> tuple[str, str]:
        """Two independent draws of the recipe's view."""
        return self.config.train.view, self.config.train.view + "2"

    def batch_sizes(self) -> Mapping[str, int]:
        """The warm-up's batch, and half of it for each of the two streams after it."""
        whole = self.config.train.batch_size
        half = max(1, whole // 2)
        return {"main": whole, "labelled": half, "unlabelled": half}

    def init_memory(self) -> dict[str, np.ndarray]:
        """`clean` [2, N]: P(label is right) as each network sees it; 1 before the first split."""
        return {"clean": np.ones((2, len(self.train.given)), np.float32)}

    # The host: an epoch -------------------------------------------------------------------------

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        """Steps 1 to 3. Both splits are made before either network is trained."""
        if run.epoch < warmup_epochs(self.config):
            for n in (0, 1):
                yield self.warmup_phase(run, n)
            return
        splits = [self.split(run, n) for n in (0, 1)]
        run.memory["clean"] = np.stack([s.probability for s in splits]).astype(np.float32)
        run.log({f"split/labelled_{n}": float(s.clean.mean()) for n, s in enumerate(splits)})
        for n in (0, 1):
            yield self.training_phase(run, n, splits[1 - n])

    def split(self, run: base.Run, n: int) -> Split:
        """2. What network n, whose pass is `run.observe(n)`, holds of the given labels."""
        raise NotImplementedError

    def warmup_phase(self, run: base.Run, n: int) -> base.Phase:
        """1. Network n on all samples."""
        return base.whole_set_phase(self, "warmup", n)

    def training_phase(self, run: base.Run, n: int, split: Split) -> base.Phase:
        """3. Network n on the other one's split."""
        return self.phase_on_split("mixmatch", run, n, split)

    def phase_on_split(
        self,
        loss: str,
        run: base.Run,
        n: int,
        split: Split,
        *,
        more_views: tuple[str, ...] = (),
        trust: np.ndarray | None = None,
        constants: base.Arrays | None = None,
    ) -> base.Phase:
        """Network n on the streams 'labelled' and 'unlabelled'; an empty one becomes the whole set.

        Args:
          more_views: beside `two_views`.
          trust: `[N]`, in a labelled sample's given label; None: the split's probability.
          constants: beside `lambda_u`.
        """
        views, size = self.two_views + more_views, self.batch_sizes()["labelled"]
        columns = {"trust": split.probability if trust is None else trust}
        streams = {
            "labelled": base.Stream(side(split.clean), views, size, columns),
            "unlabelled": base.Stream(side(~split.clean), views, size),
        }
        constants = {"lambda_u": ramp(self.config, run.epoch)} | (constants or {})
        return base.Phase(loss, streams, n, constants)

    def by_threshold(self, probability: np.ndarray) -> Split:
        """The split where P(label is right), float32 `[N]`, exceeds `semisup.threshold`."""
        return Split(probability > self.config.semisup.threshold, probability)

    def labelled_log_prior(self, split: Split) -> np.ndarray:
        """float32 `[K]`: log of the classes' shares in the stream 'labelled'."""
        labelled = self.train.given[side(split.clean)]
        return base.log_prior(np.bincount(labelled, minlength=self.train.num_classes))

    def score_labels(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        """1 - P(clean) of the networks' mean, and the label they predict; see `base.Method`."""
        score, suggested = super().score_labels(run)
        if run.epoch <= warmup_epochs(self.config) and (run.memory["clean"] == 1).all():
            return score, suggested
        return 1 - run.memory["clean"].mean(0, dtype=np.float64), suggested

    # The device: a step -------------------------------------------------------------------------

    def warmup_loss(
        self, logits: jax.Array, main: base.Examples, constants: Mapping[str, jax.Array]
    ) -> jax.Array:
        """1. Cross entropy `[b]` of the given labels."""
        return cross_entropy(logits, main.given)

    def mixmatch_loss(self, params, own, peers, batch, constants, rng):
        """3. L_x + lambda_u L_u + L_reg of one classifier (DivideMix, eqs. 10 to 13).

        Cost, in images through the backbone: 6 b forward, 4 b with gradient.
        """
        images, targets, stats = self.mixed_batch(params, own, peers[0], batch, rng)
        outputs, _ = base.applied(self.network, params, own, images)
        total, loss_x, metrics = two_sided(outputs["logits"], targets, batch, constants["lambda_u"])
        total += mixmatch.evenness(jax.nn.softmax(outputs["logits"]))
        return total, base.Aux(stats, loss_x, metrics)

    def plain_images(self, batch: base.Batch) -> list[jax.Array]:
        """Four parts of `[b, H, W, C]`: two views of the labelled samples, two of the others."""
        sides = batch["labelled"], batch["unlabelled"]
        return [side.views[v] for side in sides for v in self.two_views]

    def mixed_batch(
        self, params: Any, own: base.Net, peer: base.Net, batch: base.Batch, rng: jax.Array
    ) -> tuple[jax.Array, jax.Array, Any]:
        """Guesses, co-refinement and mixup: (images `[4 b, H, W, C]`, targets `[4 b, K]`, stats).

        Guesses for an unlabelled sample: two networks by two views; for a labelled one: the own
        network by two views. Order of the rows: two views of the labelled samples, two of the
        unlabelled ones. The batch statistics are those of the guesses' images, which are not
        mixed, as what is evaluated later. Mixed images vary less (lambda^2 + (1 - lambda)^2 of the
        variance): running averages of theirs would be wrong for the peer's guesses, the split and
        the test. The released codes let both kinds move the averages, the plain ones by four
        steps of five.
        """
        c, x = self.config.semisup, batch["labelled"]
        images = self.plain_images(batch)
        mine, stats = own_outputs(self.network, params, own, jnp.concatenate(images))
        theirs = peer_outputs(self.network, peer, jnp.concatenate(images[2:]))["logits"]
        x1, x2, u1, u2 = jnp.split(jax.nn.softmax(mine["logits"]), 4)
        v1, v2 = jnp.split(jax.nn.softmax(theirs), 2)
        target_x = mixmatch.refined(x.given, x.columns["trust"], (x1 + x2) / 2, c.temperature)
        target_u = mixmatch.sharpen((u1 + u2 + v1 + v2) / 4, c.temperature)
        return *mixmatch.mixup(rng, images, [target_x] * 2 + [target_u] * 2, c.alpha), stats


def warmup_epochs(config: ConfigDict) -> int:
    """Epochs before the first split, one at least: a split needs a network that has learnt."""
    return max(1, round(config.semisup.warmup * config.train.epochs))


def side(chosen: np.ndarray) -> np.ndarray:
    """Where a side of a split, bool `[N]`, is; an empty one becomes the whole set: int `[n]`.

    >>> side(np.array([False, True, True])), side(np.array([False, False]))
    (array([1, 2]), array([0, 1]))
    """
    return np.flatnonzero(chosen) if chosen.any() else np.arange(len(chosen))


def ramp(config: ConfigDict, epoch: int) -> np.float32:
    """lambda_u of an epoch: linear over `semisup.ramp` epochs after warm-up, its value in between.

    The released codes raise it with every step; here it is held for an epoch.
    """
    c = config.semisup
    return np.float32(c.lambda_u * np.clip((epoch - warmup_epochs(config) + 0.5) / c.ramp, 0, 1))


# The parts of a step -----------------------------------------------------------------------------


def peer_outputs(network: Any, peer: base.Net, images: jax.Array) -> dict[str, jax.Array]:
    """The other network in evaluation mode, without gradient."""
    return jax.lax.stop_gradient(base.evaluated(network, peer, images))


def own_outputs(
    network: Any, params: Any, own: base.Net, images: jax.Array
) -> tuple[dict[str, jax.Array], Any]:
    """The network that is trained, in training mode, without gradient: (outputs, statistics)."""
    return jax.lax.stop_gradient(base.applied(network, params, own, images))


def two_sided(
    logits: jax.Array, targets: jax.Array, batch: base.Batch, lambda_u: jax.Array
) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
    """L_x + lambda_u L_u of one classifier on a mixed batch: (scalar, L_x `[b]`, metrics).

    logits, targets: `[4 b, K]`, rows as `CoTraining.mixed_batch` orders them.
    """
    half = len(logits) // 2
    loss_x = cross_entropy(logits[:half], targets[:half])
    loss_u = mixmatch.consistency(jax.nn.softmax(logits[half:]), targets[half:])
    metrics = base.sums(
        loss=loss_x, unlabelled_loss=loss_u, trust=batch["labelled"].columns["trust"]
    )
    total = jnp.mean(loss_x) + lambda_u * jnp.mean(loss_u)
    return total, loss_x.reshape(2, -1).mean(0), metrics


def two_classifier_loss(
    outputs: Mapping[str, jax.Array],
    targets: jax.Array,
    batch: base.Batch,
    constants: Mapping[str, jax.Array],
) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
    """`two_sided` of the conventional and of the balanced classifier, and L_reg: as `two_sided`.

    The balanced logits are raised by `constants["log_prior"]` `[K]`: balanced softmax.
    """
    lambda_u = constants["lambda_u"]
    total, loss_x, metrics = two_sided(outputs["logits"], targets, batch, lambda_u)
    raised = outputs["balanced_logits"] + constants["log_prior"]
    balanced, _, _ = two_sided(raised, targets, batch, lambda_u)
    return total + balanced + mixmatch.evenness(jax.nn.softmax(outputs["logits"])), loss_x, metrics


def two_classifier_logits(
    nets: tuple[base.Net, ...], forward: Callable[..., Any], images: jax.Array
) -> jax.Array:
    """`Method.predict` of two networks with two classifiers each: the mean of all four logits."""
    outputs = [forward(net, images) for net in nets]
    return sum(o["logits"] + o["balanced_logits"] for o in outputs) / (2 * len(nets))
