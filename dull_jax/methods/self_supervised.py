"""Self-supervised pre-training: stage 1 of two-stage learning (Karthik et al., arXiv 2108.11096).

The paper pre-trains without labels and fine-tunes with a robust loss (`two_stage.py`). Which
self-supervision it uses, and how long, is not published in a form we could use: this is a
reconstruction, with two published methods to choose from.

  simsiam  SimSiam (Chen & He, CVPR 2021): two views, each predicts the other's projection.
           Cost per step: forward and backward of 2 batches.
  moco     MoCo v2 (He et al. 2020, Chen et al. 2020): a query finds its key among a queue of
           keys, which an average of the network makes. Cost per step: forward and backward of
           one batch, forward of another.

Labels never reach the backbone. A linear classifier reads the features through a stopped
gradient and learns the given labels along the way (logit-adjusted, or it would name frequent
classes only; at a high learning rate, as linear probes want), so that the accuracy of a run
means something; bit for bit, what is below it would be the same under any labels.

What differs from MoCo v2: its batch normalisation sees the shard of a device and shuffles the
keys between devices; ours sees the global batch, where shuffling changes nothing. The projector
is SimSiam's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax import contrastive_losses as contrastive
from dull_jax.errors import UserError
from dull_jax.fields import choice, number
from dull_jax.losses import info_nce, logit_adjusted, negative_cosine
from dull_jax.methods import base
from dull_jax.models import axis
from dull_jax.models.heads import unit_rows
from dull_jax.stats import neighbours
from dull_jax.stats.metrics import class_accuracy

TITLE = "Self-supervised"
COST = base.Cost(forward=0, both=2)
FIELDS = {
    "variant": choice("simsiam", "which self-supervision", ("simsiam", "moco")),
    "knn_every": number(10, "epochs between looks at the neighbours; 0: never", 0, 10**6),
    "queue": number(4096, "moco: keys kept as negatives; always fewer than images", 1, 10**7),
    "momentum": number(0.99, "moco: averaging of the key encoder over steps", 0, 1, below=True),
    "temperature": number(0.2, "moco: of the similarities", 0.001, 100),
}

VIEWS = ("contrast", "contrast2")
QUERIES = 8192  # images of a larger set whose neighbours are looked at
PROBE_RATE = 10.0  # learning rate of the probe relative to the network's


class Method(base.Method):
    """The variant is `config.self_supervised.variant`; a run's backbone is for `config.init`."""

    head = "siamese"
    observed = ("logits", "features")

    def __init__(self, config, network, train):
        super().__init__(config, network, train)
        if config.optim.clip_norm:
            raise UserError(
                "config.optim.clip_norm must be 0 for self_supervised: the norm is also that of "
                "the probe's gradient, through which labels would reach the backbone"
            )

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"simsiam": self._simsiam, "moco": self._moco}

    def init_extra(self, rng: jax.Array) -> Any:
        """MoCo: the key encoder (the first step makes it the network's copy) and the queue."""
        c = self.config.self_supervised
        if c.variant != "moco":
            return {}
        images = jnp.zeros((2, *self.train.input_shape))
        shapes = jax.eval_shape(lambda: self.network.init(rng, images, train=False))["params"]
        # Fewer keys than images: in a longer queue an image would meet its own older key.
        size = max(1, min(c.queue, len(self.train.given) - 1))
        return {
            "key": jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes),
            "queue": jnp.zeros((size, self.config.model.projector)),
            "count": jnp.zeros((), jnp.int32),  # as `contrastive_losses.push` counts
        }

    def learning_rates(self, params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: PROBE_RATE if path[1].key == "classifier" else 1.0, params
        )

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c = self.config.self_supervised
        constants = {"log_prior": base.log_prior(self.train.counts)}
        yield base.whole_set_phase(self, c.variant, views=VIEWS, constants=constants)
        if c.knn_every and (run.epoch + 1) % c.knn_every == 0:
            self._ask_neighbours(run)

    def _ask_neighbours(self, run: base.Run) -> None:
        """How often a sample's nearest others have its given label, in percent."""
        given, classes = self.train.given, self.train.num_classes
        queries = np.unique(np.linspace(0, len(given) - 1, min(len(given), QUERIES)).astype(int))
        features = run.observe(0, averaged=True)["features"]
        nearest = neighbours.votes(features, given, classes, queries).argmax(1)
        by_class = class_accuracy(nearest, given[queries], classes)
        run.log(
            {
                "knn/agreement": 100 * float(np.mean(nearest == given[queries])),
                "knn/class_mean": float(np.nanmean(by_class)),
            }
        )

    # The losses --------------------------------------------------------------------------------

    def _simsiam(self, params, own, peers, batch, constants, rng):
        """Half of both directions; batch statistics are those of one view at a time."""
        main = batch["main"]
        one, stats = base.applied(self.network, params, own, main.views[VIEWS[0]])
        own = own.replace(batch_stats=stats)
        two, stats = base.applied(self.network, params, own, main.views[VIEWS[1]])
        loss = 0.5 * negative_cosine(one["prediction"], two["projection"])
        loss += 0.5 * negative_cosine(two["prediction"], one["projection"])
        return self._with_probe(loss, one, main, stats, constants)

    def _moco(self, params, own, peers, batch, constants, rng):
        """The key encoder moves before it makes the keys; these join the queue after the loss."""
        main, extra = batch["main"], own.extra
        momentum = jnp.where(extra["count"] > 0, self.config.self_supervised.momentum, 0.0)
        key = jax.tree.map(lambda k, p: momentum * k + (1 - momentum) * p, extra["key"], own.params)
        outputs, stats = base.applied(self.network, params, own, main.views[VIEWS[0]])
        # Only the keys are wanted of it: in training, running averages are written, never read.
        keys, _ = base.applied(self.network, key, own, main.views[VIEWS[1]])
        keys = unit_rows(keys["projection"])
        loss = info_nce(
            unit_rows(outputs["projection"]),
            keys,
            extra["queue"],
            contrastive.filled(extra["queue"], extra["count"]),
            self.config.self_supervised.temperature,
        )
        extra = pushed(extra, axis.all_gather(keys)) | {"key": key}
        return self._with_probe(loss, outputs, main, stats, constants, extra)

    def _with_probe(self, loss, outputs, main, stats, constants, extra=None):
        """The total and what is measured: `spread` is 0 for collapsed projections, 1 at best."""
        logits = outputs["logits"]
        probe = logit_adjusted(logits, main.given, constants["log_prior"])
        unit = unit_rows(outputs["projection"])
        mean, square = axis.pmean((unit.mean(0), (unit**2).mean(0)))
        spread = jnp.sqrt(jnp.maximum(square - mean**2, 0)).mean() * unit.shape[1] ** 0.5
        fits = logits.argmax(1) == main.given
        metrics = base.sums(loss=loss, probe_loss=probe, fits=fits, spread=spread)
        return jnp.mean(loss) + jnp.mean(probe), base.Aux(stats, loss, metrics, extra)


def pushed(extra: Mapping[str, jax.Array], rows: jax.Array) -> dict[str, jax.Array]:
    """{"queue" `[Q, P]`, "count"} after rows `[B, P]` joined it; of more than Q only the first."""
    queue, count = contrastive.push(extra["queue"], extra["count"], rows[: len(extra["queue"])])
    return {"queue": queue, "count": count}
