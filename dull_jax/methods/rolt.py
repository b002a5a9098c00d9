"""RoLT: labels far from their class's prototype are softened (Wei et al., arXiv 2108.11569).

An epoch:

  1. One pass over the train set. A sample's distance to the prototype of its given class splits
     each class into a near heap and a far one; prototypes from the near heap; split again.
  2. The classifier's and the prototypes' scores are averaged over epochs.
  3. From `soften_from` on, a doubted label is shared out: 0.4 the classifier's prediction, 0.2
     the nearest prototype's class, 0.2 the given one, 0.2 all classes alike. Others stay as given.
  4. RoLT-DRW, from `reweight_from` on: labels are fixed as given, or predicted where doubted then;
     half of a label is that, half the given one or, where doubted now, all classes alike; classes
     are weighted by the fixed labels' effective numbers.

Differs from the released code in this:
  - Its averages are multiplied by 1 / (1 - decay^epoch) in place, so that the correction for the
    start at zero piles up. Here they start at zero and stay uncorrected: what is read is the
    largest score, which a common factor does not move.
  - Predictions are those of the averaged weights, where there are any.
  - A class of one sample, or of equal ones, is trusted whole, and a class without labels has no
    prototype; the code stops.
  - One cross entropy with the soft label instead of K + 3 with one label each: the same number
    up to step 4, where the code divides each of its terms by that term's own sum of weights.

Cost: one forward and backward of the batch a step; per epoch one forward of the train set.
"""

from collections.abc import Iterator, Mapping

import jax.numpy as jnp
import numpy as np

from dull_jax.fields import number
from dull_jax.losses import cross_entropy, effective_number_weights
from dull_jax.methods import base
from dull_jax.models import axis
from dull_jax.stats import centroids, mixture

TITLE = "RoLT"
COST = base.Cost(forward=0, both=1)
FIELDS = {
    "soften_from": number(0.4, "share of the epochs before doubted labels are softened", 0, 1),
    "decay": number(0.6, "averaging of the predictions over epochs", 0, 1, below=True),
    "reweight_from": number(1.0, "share of the epochs before RoLT-DRW's last part; 1: never", 0, 1),
    "beta": number(0.9999, "of its class weights", 0, 1, below=True),
}

FARTHEST = 4.0  # squared distance of two points of the unit ball: where no prototype is


class Method(base.Method):
    """One network."""

    observed = ("logits", "features")

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        def per_example(logits, main, constants):
            target = main.columns["target"]  # weighted by class: rows need not sum to 1
            return cross_entropy(logits, target) / axis.pmean(jnp.mean(target.sum(1)))

        return {"rolt": base.supervised(self, per_example)}

    def init_memory(self) -> dict[str, np.ndarray]:
        size, classes = len(self.train.given), self.train.num_classes
        return {
            "clean": np.ones(size, np.float32),  # P(the given label is right)
            "erm": np.zeros((size, classes), np.float32),  # the classifier's logits, averaged
            "ncm": np.zeros((size, classes), np.float32),  # minus squared distances, averaged
            "labels": self.train.given.astype(np.int32),  # what RoLT-DRW fixes
        }

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c = self.config.rolt
        self._average_scores(run)
        doubted = run.memory["clean"] < 0.5
        run.log({"rolt/doubted": float(doubted.mean())})
        if run.epoch == round(c.reweight_from * self.config.train.epochs):
            fixed = np.where(doubted, run.memory["erm"].argmax(1), self.train.given)
            run.memory["labels"] = fixed.astype(np.int32)
        targets = self._targets(run, doubted)
        yield base.whole_set_phase(self, "rolt", columns={"target": targets})

    def _average_scores(self, run: base.Run) -> None:
        """1. and 2."""
        decay, memory = np.float32(self.config.rolt.decay), run.memory
        seen = run.observe(0, averaged=True)
        clean, distances = split(seen["features"], self.train.given, self.train.num_classes)
        memory["clean"] = clean
        memory["erm"] = decay * memory["erm"] + (1 - decay) * seen["logits"]
        memory["ncm"] = decay * memory["ncm"] - (1 - decay) * distances

    def _targets(self, run: base.Run, doubted: np.ndarray) -> np.ndarray:
        """3. and 4.: soft labels times class weights, `[N, K]`."""
        c, epochs, memory = self.config.rolt, self.config.train.epochs, run.memory
        unit = np.eye(self.train.num_classes, dtype=np.float32)
        given = unit[self.train.given]
        if run.epoch >= round(c.reweight_from * epochs):
            labels = memory["labels"]
            counts = np.bincount(labels, minlength=len(unit))
            fixed = 0.5 * unit[labels] + 0.5 * np.where(doubted[:, None], 1 / len(unit), given)
            return (fixed * effective_number_weights(counts, c.beta)).astype(np.float32)
        if run.epoch < round(c.soften_from * epochs):
            return given
        erm, ncm = unit[memory["erm"].argmax(1)], unit[memory["ncm"].argmax(1)]
        soft = 0.4 * erm + 0.2 * ncm + 0.2 * given + 0.2 / len(unit)
        return np.where(doubted[:, None], soft, given).astype(np.float32)

    def score_labels(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        return 1 - run.memory["clean"], run.memory["erm"].argmax(1)


def split(
    features: np.ndarray, given: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whose label fits the prototypes: (P(clean) `[N]`, squared distances `[N, K]`), float32.

    Args:
      features: `[N, C]`.  given: `[N]` labels.
    """
    unit, everyone = centroids.cl2n(features), np.arange(len(given))
    clean = np.ones(len(given), np.float32)
    for _ in range(2):
        means, _ = centroids.class_means(unit, given, clean >= 0.5, num_classes)
        distances = centroids.squared_distances(unit, means)
        own = distances[everyone, given]
        near = mixture.fit(own, given, num_classes, reg=1e-6, normalize=True).posterior_low
        some = np.bincount(given, near >= 0.5, num_classes) > 0
        clean = np.where(some[given], near, 1).astype(np.float32)  # a class is not doubted whole
    distances[:, np.bincount(given, minlength=num_classes) == 0] = FARTHEST
    return clean, distances.astype(np.float32)
