"""DivideMix (Li, Socher and Hoi, ICLR 2020): co-training on a small-loss split, with MixMatch.

  1. Warm-up with cross entropy; on asymmetric noise less the prediction's entropy (`penalty`).
  2. Co-divide: two heaps of a network's losses of the given labels, averaged over its last
     splits; the heap of small losses is labelled.
  3. The other network trains on both heaps: co-refinement, co-guessing and mixup (`semisup`).

From the released code: one mixture for all classes on the min-max normalised losses, threshold
0.5, the confidence penalty of the warm-up as an option. Different here: expectation maximisation
runs to convergence (the code stops after ten iterations at a tolerance of 1e-2), and mixed images
do not move the running statistics (`semisup.CoTraining.mixed_batch`).

Cost per step: 6 b images forward and 4 b with gradient, b the size of a stream; per epoch and
network one pass over the train set.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_softmax

from dull_jax.fields import number, switch
from dull_jax.methods import base, semisup
from dull_jax.stats import mixture

TITLE = "DivideMix"
COST = base.Cost(forward=3, both=2)
FIELDS = {
    "penalty": switch(False, "confidence penalty in warm-up (asymmetric noise)"),
    "history": number(
        1, "epochs the losses are averaged over before the split (5 at 90 %)", 1, 1000
    ),
}


class Method(semisup.CoTraining):
    """Two networks; fields in `config.semisup` and `config.dividemix`."""

    def init_memory(self) -> dict[str, np.ndarray]:
        """`history` [2, E, N]: losses at the last E splits, newest first; `splits` [2]: count."""
        history = np.zeros((2, self.config.dividemix.history, len(self.train.given)), np.float32)
        return super().init_memory() | {"history": history, "splits": np.zeros(2, np.int32)}

    def warmup_loss(self, logits, main, constants):
        """1. Where a network grows sure early, the penalty keeps its losses apart."""
        loss = super().warmup_loss(logits, main, constants)
        return loss - entropy(logits) if self.config.dividemix.penalty else loss

    def split(self, run: base.Run, n: int) -> semisup.Split:
        """2. Co-divide."""
        losses = given_label_loss(run.observe(n)["logits"], self.train.given)
        one_group = np.zeros(len(losses), np.int64)  # all classes share a mixture
        history, splits = run.memory["history"], run.memory["splits"]
        history[n] = np.roll(history[n], 1, axis=0)
        history[n, 0] = mixture.min_max(losses, one_group, 1)
        splits[n] += 1
        mean = history[n, : splits[n]].mean(0)
        heaps = mixture.fit(mean, one_group, 1, normalize=True)
        return self.by_threshold(heaps.posterior_low.astype(np.float32))


def given_label_loss(logits: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Cross entropy of the given labels: logits [N, K], given int [N] -> float64 [N], nats.

    >>> given_label_loss(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([0, 1])).round(3)
    array([0.693, 2.127])
    """
    return -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(given)), given]


def entropy(logits: jax.Array) -> jax.Array:
    """Of the prediction, nats: logits [b, K] -> [b].

    >>> np.asarray(entropy(jnp.array([[0.0, 0.0], [2.0, 0.0]]))).round(3)
    array([0.693, 0.365], dtype=float32)
    """
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=1)
