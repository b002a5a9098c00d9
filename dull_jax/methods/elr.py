"""ELR: early-learning regularisation (Liu et al., NeurIPS 2020).

A running average of every sample's own predictions, begun before wrong labels are learnt, is what
the network is held to while it fits the given labels.

For long tails `elr.tau` adjusts the logits (Menon et al. 2021, eq. 10) wherever the loss reads
them, so that plain ones predict every class alike; the paper has none.

Differs from the released code in one case, a sample that a batch holds twice: there the last
write wins by chance, here both copies use the update of the first. The targets are, as
there, an average that starts from zero and is not corrected for it: young ones pull less.

Cost: that of CE, one forward and backward of the batch a step; `[N, K]` float32, divided over the
devices.
"""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.fields import number
from dull_jax.losses import cross_entropy, early_learning
from dull_jax.methods import base
from dull_jax.models import axis

TITLE = "ELR"
COST = base.Cost(forward=0, both=1)
FIELDS = {
    "beta": number(0.7, "averaging of the targets over epochs", 0, 1, below=True),
    "weight": number(3.0, "lambda of the regulariser", 0, 1e3),
    "tau": number(0.0, "logit adjustment by the given labels' shares; 0: as published", 0, 10),
}

CLIP = 1e-4  # of probabilities, so that the logarithm stays finite


class Method(base.Method):
    """One network; what it keeps of every sample is `targets` `[N, K]`."""

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"elr": self._loss}

    def init_samples(self) -> dict[str, np.ndarray]:
        return {"targets": np.zeros((len(self.train.given), self.train.num_classes), np.float32)}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        constants = {"log_prior": base.log_prior(self.train.counts)}
        yield base.whole_set_phase(self, "elr", constants=constants)

    def _loss(self, params, own, peers, batch, constants, rng):
        c, main = self.config.elr, batch["main"]
        images = main.views[self.config.train.view]
        outputs, stats = base.applied(self.network, params, own, images)
        logits, indices = outputs["logits"] + c.tau * constants["log_prior"], main.indices
        probs = jnp.clip(jax.nn.softmax(logits), CLIP, 1 - CLIP)
        # 1. A device keeps the targets of some samples, wherever their images are looked at.
        seen, seen_probs = axis.all_gather((indices, jax.lax.stop_gradient(probs)))
        targets = own.samples["targets"]
        targets = updated_targets(targets, axis.own_rows(targets, seen), seen_probs, c.beta)
        # 2. The gradient flows through the prediction only.
        pull = early_learning(probs, axis.of_samples(targets, indices))
        losses = cross_entropy(logits, main.given) + c.weight * pull
        fits = logits.argmax(1) == main.given
        metrics = base.sums(loss=losses, fits=fits, regulariser=pull)
        return jnp.mean(losses), base.Aux(stats, losses, metrics, samples={"targets": targets})


def updated_targets(
    targets: jax.Array, rows: jax.Array, probs: jax.Array, beta: float
) -> jax.Array:
    """t_i <- beta t_i + (1 - beta) p_i / sum p_i, for the samples of a batch.

    Args:
      targets: `[n, K]`.
      rows: `[B]`, those of the batch's samples in it; n or more: elsewhere. Of a row that is named
        twice, the first prediction counts.
      probs: `[B, K]`, clipped predictions, whose rows may not quite sum to 1.
    """
    old = targets.at[rows].get(mode="fill", fill_value=0)
    fresh = beta * old + (1 - beta) * probs / probs.sum(1, keepdims=True)
    # Predictions of one sample are made equal: any order of writing will do.
    first = jnp.argmax(rows[:, None] == rows, axis=1)
    return targets.at[rows].set(fresh[first], mode="drop")
