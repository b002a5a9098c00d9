"""CE: empirical risk minimisation, cross entropy on the given labels."""

from collections.abc import Iterator, Mapping

from dull_jax.losses import cross_entropy
from dull_jax.methods import base

TITLE = "Cross-entropy"
COST = base.Cost(forward=0, both=1)


class Method(base.Method):
    """Mean cross entropy on the labels as they are; the floor of every comparison."""

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        def per_example(logits, main, constants):
            return cross_entropy(logits, main.given)

        return {"ce": base.supervised(self, per_example)}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        yield base.whole_set_phase(self, "ce")
