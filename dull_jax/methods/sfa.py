"""SFA: stochastic feature averaging (Li et al., IJCAI 2023).

Two networks with two classifiers each: the conventional one guesses labels, the balanced one is
trained with balanced softmax and says which samples are confident.

  1. Warm-up of both classifiers: cross entropy, and balanced softmax by the given labels' counts.
  2. Centroids of each class's confident samples, averaged over epochs with their squares.
  3. The centre of a class is drawn from the Gaussian of these two moments.
  4. In each class two heaps of distances between a feature and the centre of its given label; the
     near one is labelled.
  5. The other network trains on both heaps as in DivideMix, both classifiers on the same targets.

The released code forgets the average at the end of every epoch; here it persists, as the paper
has it (`sfa.ema_persist=False` mimics the code). A class without confident samples takes all of
its samples, where the code divides by zero.

Cost per step: as DivideMix.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from dull_jax.fields import number, switch
from dull_jax.losses import cross_entropy, logit_adjusted
from dull_jax.methods import base, semisup
from dull_jax.stats import centroids
from dull_jax.stats import feature_averaging as averaging

TITLE = "SFA"
COST = base.Cost(forward=3, both=2)
FIELDS = {
    "beta": number(0.99, "averaging of the centroids over epochs", 0, 1, below=True),
    "phi": number(1.005, "confidence needed: phi^epoch / K", 1, 2),
    "sample_above": number(
        300, "confident samples a class needs for its centre to be drawn", 0, 10**9
    ),
    "ema_persist": switch(True, "False: the released code's average, forgotten every epoch"),
}


class Method(semisup.CoTraining):
    """Fields in `config.semisup` and `config.sfa`."""

    head = "balanced"
    observed = ("logits", "balanced_logits", "features")

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": self._warmup, "sfa": self._sfa}

    def init_memory(self) -> dict[str, np.ndarray]:
        """The moments of both networks' centroids, and how many epochs are in them."""
        one = averaging.no_moments(self.train.num_classes, self.network.num_features)
        return super().init_memory() | {k: np.stack([v, v]) for k, v in one._asdict().items()}

    def predict(self, nets: tuple[base.Net, ...], images: jax.Array) -> jax.Array:
        return semisup.two_classifier_logits(nets, self.forward, images)

    # An epoch ----------------------------------------------------------------------------------

    def warmup_phase(self, run: base.Run, n: int) -> base.Phase:
        """1."""
        constants = {"log_prior": base.log_prior(self.train.counts)}
        return base.whole_set_phase(self, "warmup", n, constants=constants)

    def split(self, run: base.Run, n: int) -> semisup.Split:
        """2. to 4."""
        c, given, classes = self.config.sfa, self.train.given, self.train.num_classes
        seen, memory = run.observe(n), run.memory
        # 2. Centroids.
        balanced = softmax(seen["balanced_logits"], axis=1)
        confident = averaging.confident(balanced, given, run.epoch, c.phi)
        unit = centroids.cl2n(seen["features"])
        current, counts = centroids.class_means(unit, given, confident, classes)
        before = averaging.Moments(memory["first"][n], memory["second"][n], memory["epochs"][n])
        moments = averaging.update(before, current, c.beta, persist=c.ema_persist)
        memory["first"][n], memory["second"][n], memory["epochs"][n] = moments
        # 3. Centres.
        centres = averaging.draw_centres(moments, counts, c.sample_above, run.rng)
        # 4. Heaps.
        score = averaging.scores(unit, given, centres)
        run.log({f"split/confident_{n}": float(confident.mean())})
        return self.by_threshold(averaging.clean_probability(score, given, classes))

    def training_phase(self, run: base.Run, n: int, split: semisup.Split) -> base.Phase:
        """5."""
        constants = {"log_prior": self.labelled_log_prior(split)}
        return self.phase_on_split("sfa", run, n, split, constants=constants)

    # The losses --------------------------------------------------------------------------------

    def _warmup(self, params, own, peers, batch, constants, rng):
        """1. Cross entropy, and balanced softmax by the counts of the given labels."""
        main = batch["main"]
        outputs, stats = base.applied(self.network, params, own, main.views[self.config.train.view])
        loss = cross_entropy(outputs["logits"], main.given)
        balanced = logit_adjusted(outputs["balanced_logits"], main.given, constants["log_prior"])
        fits = outputs["logits"].argmax(1) == main.given
        metrics = base.sums(loss=loss, balanced_loss=balanced, fits=fits)
        return jnp.mean(loss + balanced), base.Aux(stats, loss, metrics)

    def _sfa(self, params, own, peers, batch, constants, rng):
        """5. DivideMix's loss on both classifiers, the balanced one raised by its log prior."""
        images, targets, stats = self.mixed_batch(params, own, peers[0], batch, rng)
        outputs, _ = base.applied(self.network, params, own, images)
        total, loss_x, metrics = semisup.two_classifier_loss(outputs, targets, batch, constants)
        return total, base.Aux(stats, loss_x, metrics)
