"""LA: logit adjustment (Menon et al., ICLR 2021), the training-time loss of their eq. 10."""

from collections.abc import Iterator, Mapping

from dull_jax.fields import number
from dull_jax.losses import logit_adjusted
from dull_jax.methods import base

TITLE = "Logit adjustment"
COST = base.Cost(forward=0, both=1)
FIELDS = {
    "tau": number(1.0, "strength of logit adjustment", 0, 10),
}


class Method(base.Method):
    """Cross entropy with tau * log of the given labels' shares added to the logits.

    The shares are those of the labels as given: the true ones are not to be had. A class with no
    given label at all gets the share of half a sample, so that its logit stays finite.
    """

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        def per_example(logits, main, constants):
            return logit_adjusted(logits, main.given, constants["log_prior"], self.config.la.tau)

        return {"la": base.supervised(self, per_example)}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        constants = {"log_prior": base.log_prior(self.train.counts)}
        yield base.whole_set_phase(self, "la", constants=constants)
