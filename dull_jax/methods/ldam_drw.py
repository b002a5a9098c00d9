"""LDAM-DRW: larger margins for rarer classes, and class weights late (Cao et al., NeurIPS 2019).

Differs from the released code in this: the counts are those of the given labels; a class without
any counts as the rarest that has some, where the code divides by zero; the last part of training
begins at a share of the epochs, not at epoch 160.

Cost: that of CE, one forward and backward of the batch a step.
"""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.fields import number
from dull_jax.losses import effective_number_weights, ldam
from dull_jax.methods import base
from dull_jax.models import axis

TITLE = "LDAM-DRW"
COST = base.Cost(forward=0, both=1)
FIELDS = {
    "max_margin": number(0.5, "of the rarest class; the others' fall with count^(-1/4)", 0, 10),
    "scale": number(30.0, "of the cosine logits", 0.01, 1e3),
    "reweight_from": number(0.8, "share of the epochs before classes are weighted", 0, 1),
    "beta": number(0.9999, "of the effective numbers that the weights come from", 0, 1, below=True),
}


class Method(base.Method):
    """One network with a cosine classifier; its logits are `config.ldam_drw.scale` * cosine."""

    head = "cosine"

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        def per_example(cosines, main, constants):
            scale = self.config.ldam_drw.scale
            weights = constants["weights"][main.given]
            losses = ldam(cosines, main.given, constants["margins"], scale)
            return losses * weights / axis.pmean(jnp.mean(weights))

        return {"ldam": base.supervised(self, per_example)}

    def forward(self, net: base.Net, images: jax.Array) -> dict[str, jax.Array]:
        seen = super().forward(net, images)
        return seen | {"logits": self.config.ldam_drw.scale * seen["logits"]}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c, counts = self.config.ldam_drw, self.train.counts
        late = run.epoch >= round(c.reweight_from * self.config.train.epochs)
        constants = {
            "margins": margins(counts, c.max_margin),
            "weights": effective_number_weights(counts, c.beta if late else 0.0),
        }
        yield base.whole_set_phase(self, "ldam", constants=constants)


def margins(counts: np.ndarray, max_margin: float) -> np.ndarray:
    """max_margin * (n_least / n_k)^(1/4), float32 `[K]`: the rarest class has `max_margin`.

    Args:
      counts: `[K]`, at least one of them positive; an empty class counts as the rarest other one.

    >>> margins(np.array([16, 1, 0]), max_margin=0.5).round(3)
    array([0.25, 0.5 , 0.5 ], dtype=float32)
    """
    least = counts[counts > 0].min()
    return (max_margin * (least / np.maximum(counts, least)) ** 0.25).astype(np.float32)
