"""Co-teaching: two networks pick samples of small loss for each other (Han et al., NeurIPS 2018).

Differs from the released code in this:
  - An epoch is two phases. Network 0 learns what network 1 picks, then the other way round, so
    a pick is made by a network that stands still; in the code both learn from the same batch.
  - The peer picks in evaluation mode, so that a pick does not hang on the batch it is made in,
    and the statistics of the network that picks stay its own.
  - The loss is the mean over the picked samples; the code divides it by their number once more,
    which Adam undoes and SGD would not.
  - The share left out is reached in epoch `ramp`, counted from 0 (the paper's R(T)); in the code
    one epoch earlier.
Small losses are mostly those of the head: under a long tail, tail classes are left out with the
wrong labels. That is the method, and the reason it is a baseline here.

Cost: for each of the two networks one forward and backward of the batch, and a forward of the
peer.
"""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from dull_jax.data import sources
from dull_jax.errors import UserError
from dull_jax.fields import number
from dull_jax.losses import cross_entropy
from dull_jax.methods import base
from dull_jax.models import axis

TITLE = "Co-teaching"
COST = base.Cost(forward=1, both=1)
FIELDS = {
    "forget_rate": number(
        -1.0,
        "share of a batch left out, for lack of a better the share of wrong labels; "
        "-1: config.noise.rate, if the noise is drawn",
        -1,
        1,
        below=True,
    ),
    "ramp": number(10, "epochs until it is reached", 1, 10**6),
}


class Method(base.Method):
    """Two networks; the share left out is the noise rate, which must be known or set.

    Asymmetric noise has its rate of a class, and spares some classes: less than that is wrong.
    """

    num_networks = 2

    @classmethod
    def validate(cls, config: ConfigDict) -> None:
        own = sources.is_own(config.data.name) or config.data.name == "embeddings"
        unknown = config.noise.name == "file" or (own and config.noise.name == "none")
        if unknown and config.co_teaching.forget_rate < 0:
            raise UserError(
                "config.co_teaching.forget_rate: co-teaching leaves out as many labels as are "
                "wrong, and nothing says how many are; set it, as to 0.2"
            )

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"co_teaching": self._loss}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        kept = (1 - self._forgotten(run.epoch)) * self.config.train.batch_size
        constants = {"kept": np.int32(max(1, round(kept)))}
        for network in (0, 1):
            yield base.whole_set_phase(self, "co_teaching", network, constants=constants)

    def _forgotten(self, epoch: int) -> float:
        """1 - R(T), the share of a batch left out: none in the first epoch, then more and more."""
        c, noise = self.config.co_teaching, self.config.noise
        known = 0.0 if noise.name == "none" else noise.rate
        return (known if c.forget_rate < 0 else c.forget_rate) * min(epoch / c.ramp, 1.0)

    def _loss(self, params, own, peers, batch, constants, rng):
        main = batch["main"]
        images = main.views[self.config.train.view]
        # 1. The peer picks from the global batch.
        theirs = cross_entropy(self.forward(peers[0], images)["logits"], main.given)
        picked = smallest(axis.all_gather(theirs), constants["kept"])
        here = axis.first_index(len(images))
        picked = jax.lax.dynamic_slice_in_dim(picked, here, len(images)).astype(jnp.float32)
        # 2. This network learns what was picked.
        outputs, stats = base.applied(self.network, params, own, images)
        losses = cross_entropy(outputs["logits"], main.given)
        fits = outputs["logits"].argmax(1) == main.given
        metrics = base.sums(fits=fits, picked=picked)
        metrics["loss"] = (jnp.sum(losses * picked), jnp.sum(picked))
        return axis.weighted_mean(losses, picked), base.Aux(stats, losses, metrics)


def smallest(losses: jax.Array, count: jax.Array) -> jax.Array:
    """bool `[B]`: the `count` smallest of losses `[B]`; of equal ones, those that come first.

    >>> smallest(jnp.array([0.3, 0.2, 0.1, 0.2]), 2)
    Array([False,  True,  True, False], dtype=bool)
    """
    return jnp.argsort(jnp.argsort(losses)) < count
