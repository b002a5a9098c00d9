"""CE: empirical risk minimisation, cross entropy on the given labels."""

from collections.abc import Iterator, Mapping

import numpy as np

from dull_jax.losses import cross_entropy
from dull_jax.methods import base


class Method(base.Method):
    """Mean cross entropy on the labels as they are; the floor of every comparison."""

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        def per_example(logits, main, constants):
            return cross_entropy(logits, main.given)

        return {"ce": base.supervised(self.network, self.config.train.view, per_example)}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        train = self.config.train
        everything = np.arange(len(self.train.given))
        yield base.Phase("ce", {"main": base.Stream(everything, (train.view,), train.batch_size)})
