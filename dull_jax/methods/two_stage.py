"""Two-stage learning, stage 2 (Karthik, Revaud & Chidlovskii, arXiv 2108.11096): robust tuning.

The paper tunes a self-supervised network with a loss that withstands imbalance and noise. The
loss and its settings are not published in a form we could use: this is a reconstruction, with the
SuperLoss (Castells et al., NeurIPS 2020), by one of the paper's authors, on logit-adjusted cross
entropy (Menon et al. 2021). The weight of an example is that of its plain cross entropy, which
starts at log K for all classes and judges by a prediction that the adjustment has balanced. The
adjusted loss itself ("adjusted") starts at -log of the class's share: the tail begins as hard,
is weighed down, and is not learnt (digits, IF 20, 30 % wrong, 60 epochs, one seed: tail accuracy
0 % against 66 %).

Stage 1 (`self_supervised.py`) comes by `config.init`; without it the same loss trains from
scratch, which is the comparison to make. The shares of the adjustment are those of the given
labels: noise that flattens them weakens the adjustment.

Cost per step: forward and backward of one batch; in a probe the forward alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dull_jax.fields import choice, number, switch
from dull_jax.losses import cross_entropy, logit_adjusted, superloss, superloss_weight
from dull_jax.methods import base
from dull_jax.models import axis

TITLE = "Two-stage"
COST = base.Cost(forward=0, both=1)
FIELDS = {
    "loss": choice("la_superloss", "of stage 2", ("la_superloss", "superloss", "la", "ce")),
    "tau": number(1.0, "strength of logit adjustment", 0, 10),
    "weigh_by": choice(
        "plain", "SuperLoss: which loss decides a sample's weight", ("plain", "adjusted")
    ),
    "threshold": choice(
        "log_classes", "of easy and hard: log_classes, or mean (running)", ("log_classes", "mean")
    ),
    "regulariser": number(
        1.0, "SuperLoss: lambda; a smaller one tells easy from hard more", 1e-3, 1e3
    ),
    "probe_epochs": number(0, "the first epochs, in which only the classifier learns", 0, 10**6),
    "probe_only": switch(False, "a linear probe: the backbone never learns"),
}

MEMORY = 0.9  # averaging of the running mean loss over steps (Castells et al.)


class Method(base.Method):
    """`config.two_stage.loss` names the loss; both parts of it can be had alone."""

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"tune": self._tune, "probe": self._probe}

    def init_extra(self, rng: jax.Array) -> Any:
        """The running mean loss, where it is the threshold; it begins at a blind guess's log K."""
        if not self._has_mean:
            return {}
        return {"mean_loss": jnp.log(jnp.float32(self.train.num_classes))}

    @property
    def _is_super(self) -> bool:
        return self.config.two_stage.loss in ("la_superloss", "superloss")

    @property
    def _has_mean(self) -> bool:
        return self._is_super and self.config.two_stage.threshold == "mean"

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c = self.config.two_stage
        constants = {"log_prior": base.log_prior(self.train.counts)}
        if c.probe_only or run.epoch < c.probe_epochs:
            yield base.whole_set_phase(self, "probe", constants=constants, frozen=("backbone",))
        else:  # AdamW counts the probe's steps, in which it saw no gradient of the backbone
            fresh = 0 < run.epoch == c.probe_epochs
            yield base.whole_set_phase(self, "tune", constants=constants, fresh_optimizer=fresh)

    # The losses --------------------------------------------------------------------------------

    def _tune(self, params, own, peers, batch, constants, rng):
        """The whole network learns."""
        images = batch["main"].views[self.config.train.view]
        outputs, stats = base.applied(self.network, params, own, images)
        return self._robust(outputs["logits"], stats, own, batch["main"], constants)

    def _probe(self, params, own, peers, batch, constants, rng):
        """Only the classifier learns, on the features of evaluation; no statistic moves."""
        variables = {"params": own.params, "batch_stats": own.batch_stats}
        images = batch["main"].views[self.config.train.view]
        z = self.network.apply(variables, images, train=False, method="embed")
        logits = self.network.apply({"params": params}, z, method="classify")
        return self._robust(logits, own.batch_stats, own, batch["main"], constants)

    def _robust(self, logits, stats, own, main, constants):
        c, extra = self.config.two_stage, None
        tau = c.tau if c.loss in ("la_superloss", "la") else 0.0
        loss = task = logit_adjusted(logits, main.given, constants["log_prior"], tau)
        difficulty = task if c.weigh_by == "adjusted" else cross_entropy(logits, main.given)
        metrics = base.sums(fits=logits.argmax(1) == main.given)
        if self._is_super:
            threshold = jnp.log(jnp.float32(logits.shape[1]))
            if self._has_mean:
                now = axis.pmean(jnp.mean(jax.lax.stop_gradient(difficulty)))
                threshold = MEMORY * own.extra["mean_loss"] + (1 - MEMORY) * now
                extra = {"mean_loss": threshold}
            weight = superloss_weight(difficulty, threshold, c.regulariser)
            loss = superloss(task, weight, threshold, c.regulariser)
            metrics |= base.sums(task_loss=task, weight=weight)
        metrics |= base.sums(loss=loss)
        return jnp.mean(loss), base.Aux(stats, loss, metrics, extra)
