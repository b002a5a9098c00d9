"""TABASCO (Lu et al., ICCV 2023): DivideMix with a split in two dimensions, class by class.

The split (`stats/tabasco_split.py`) is made from one pass per network and epoch, where the released
code makes six or seven; its mean feature is that of the train set itself. The step is DivideMix's.

Cost per step: 6 b images forward and 4 b with gradient, b the size of a stream.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import softmax

from dull_jax.losses import cross_entropy
from dull_jax.methods import base, semisup
from dull_jax.stats import tabasco_split


class Method(base.Method):
    """Two networks; fields in `config.semisup`."""

    num_networks = 2
    observed = ("logits", "features")

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        def warmup(logits, main, constants):
            return cross_entropy(logits, main.given)

        return {
            "warmup": base.supervised(self.network, self.config.train.view, warmup),
            "mixmatch": semisup.mixmatch(self.network, self.config),
        }

    def batch_sizes(self) -> Mapping[str, int]:
        return semisup.batch_sizes(self.config)

    def init_memory(self) -> dict[str, np.ndarray]:
        return semisup.init_memory(len(self.train.given))

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        size = len(self.train.given)
        yield from semisup.mixmatch_training(run, self.config, size, lambda n: self._split(run, n))

    def _split(self, run: base.Run, n: int) -> semisup.Split:
        """Both stages. The posterior may disagree with the heap chosen: the heap decides."""
        seen = run.observe(n)
        probs = softmax(seen["logits"].astype(np.float64), axis=1)
        classes = self.train.num_classes
        found = tabasco_split.split(probs, seen["features"], self.train.given, classes)
        by_wjsd = np.mean(found.dimension == tabasco_split.WJSD)
        run.log({f"split/classes_by_wjsd_{n}": float(by_wjsd)})
        return semisup.Split(found.clean, found.probability)

    def judge(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        return semisup.judge(self, run)
