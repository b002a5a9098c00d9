"""DivideMix (Li, Socher and Hoi, ICLR 2020): co-training on a small-loss split, with MixMatch.

From the released code: one mixture for all classes on the min-max normalised losses, threshold
0.5, the confidence penalty of the warm-up as an option. Different here: expectation maximisation
runs to convergence (the code stops after ten iterations at a tolerance of 1e-2), and mixed images
do not move the running statistics (`semisup.mixed_batch`).

Cost per step: 6 b images forward and 4 b with gradient, b the size of a stream; per epoch and
network one pass over the train set.
"""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_softmax

from dull_jax.losses import cross_entropy
from dull_jax.methods import base, semisup
from dull_jax.stats import mixture


class Method(base.Method):
    """Two networks; fields in `config.semisup` and `config.dividemix`."""

    num_networks = 2

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {
            "warmup": base.supervised(self.network, self.config.train.view, self._warmup),
            "mixmatch": semisup.mixmatch(self.network, self.config),
        }

    def _warmup(self, logits, main, constants):
        loss = cross_entropy(logits, main.given)
        return loss - entropy(logits) if self.config.dividemix.penalty else loss

    def batch_sizes(self) -> Mapping[str, int]:
        return semisup.batch_sizes(self.config)

    def init_memory(self) -> dict[str, np.ndarray]:
        size = len(self.train.given)
        history = np.zeros((2, self.config.dividemix.history, size), np.float32)
        return semisup.init_memory(size) | {"history": history, "splits": np.zeros(2, np.int32)}

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        size = len(self.train.given)
        yield from semisup.mixmatch_training(run, self.config, size, lambda n: self._split(run, n))

    def _split(self, run: base.Run, n: int) -> semisup.Split:
        """Co-divide: the heap of small losses, averaged over the last epochs."""
        losses = given_label_loss(run.observe(n)["logits"], self.train.given)
        everyone = np.zeros(len(losses), np.int64)
        history, splits = run.memory["history"], run.memory["splits"]
        history[n] = np.roll(history[n], 1, axis=0)
        history[n, 0] = mixture.min_max(losses, everyone, 1)
        splits[n] += 1
        mean = history[n, : splits[n]].mean(0)
        found = mixture.fit(mean, everyone, 1, normalize=True)
        probability = found.posterior_low.astype(np.float32)
        return semisup.Split(probability > self.config.semisup.threshold, probability)

    def judge(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        return semisup.judge(self, run)


def given_label_loss(logits: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Cross entropy of the given labels: logits [N, K], given int [N] -> float64 [N], nats."""
    return -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(given)), given]


def entropy(logits: jax.Array) -> jax.Array:
    """Of the prediction, nats: logits [b, K] -> [b]."""
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=1)
