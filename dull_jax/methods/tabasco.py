"""TABASCO (Lu et al., ICCV 2023): DivideMix with a split in two dimensions, class by class.

  1. Warm-up with cross entropy.
  2. In each class two heaps, by how far the prediction is from the given label (WJSD) or by how
     close the features are to the class's confident centroid (ACD), whichever parts the class
     better; of ACD's heaps, the one that is likelier clean (`stats/tabasco_split.py`).
  3. The other network trains on both heaps as in DivideMix (`semisup`).

The split is made from one pass per network and epoch, where the released code makes six or seven;
its mean feature is that of the train set itself.

Cost per step: 6 b images forward and 4 b with gradient, b the size of a stream.
"""

import numpy as np
from scipy.special import softmax

from dull_jax.methods import base, semisup
from dull_jax.stats import tabasco_split

TITLE = "TABASCO"
COST = base.Cost(forward=3, both=2)


class Method(semisup.CoTraining):
    """Two networks; fields in `config.semisup` but `threshold`: its heaps decide."""

    observed = ("logits", "features")

    def split(self, run: base.Run, n: int) -> semisup.Split:
        """2. The posterior may disagree with the heap chosen: the heap decides."""
        seen = run.observe(n)
        probs = softmax(seen["logits"].astype(np.float64), axis=1)
        given, classes = self.train.given, self.train.num_classes
        heaps = tabasco_split.split(probs, seen["features"], given, classes)
        by_wjsd = np.mean(heaps.dimension == tabasco_split.WJSD)
        run.log({f"split/classes_by_wjsd_{n}": float(by_wjsd)})
        return semisup.Split(heaps.clean, heaps.probability)
