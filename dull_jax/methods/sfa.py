"""SFA: stochastic feature averaging (Li et al., IJCAI 2023).

A sample whose feature is close to the centre of its given class is taken as clean; centres are
drawn from a Gaussian around centroids that are averaged over epochs. The released code forgets the
average at the end of every epoch; here it persists, as the paper has it
(`sfa.ema_persist=False` mimics the code). A class without confident samples takes all of its
samples, where the code divides by zero.

Two networks with two classifiers each: the conventional one guesses labels, the balanced one is
trained with balanced softmax and says which samples are confident. Cost per step: as DivideMix.
"""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from dull_jax.losses import cross_entropy, logit_adjusted
from dull_jax.methods import base, semisup
from dull_jax.stats import centroids
from dull_jax.stats import feature_averaging as averaging


class Method(base.Method):
    """Fields in `config.semisup` and `config.sfa`."""

    num_networks = 2
    head = "balanced"
    observed = ("logits", "balanced_logits", "features")

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": self._warmup, "sfa": self._sfa}

    def batch_sizes(self) -> Mapping[str, int]:
        return semisup.batch_sizes(self.config)

    def init_memory(self) -> dict[str, np.ndarray]:
        shape = (2, self.train.num_classes, self.network.num_features)
        return semisup.init_memory(len(self.train.given)) | {
            "first": np.zeros(shape, np.float32),
            "second": np.zeros(shape, np.float32),
            "epochs": np.zeros(2, np.int32),
        }

    def predict(self, nets: tuple[base.Net, ...], images: jax.Array) -> jax.Array:
        return semisup.both_heads(nets, self.forward, images)

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c, given, classes = self.config, self.train.given, self.train.num_classes
        noisy = base.log_prior(self.train.counts)
        yield from semisup.co_training(
            run,
            c.semisup.warmup,
            warmup=lambda n: semisup.warmup_phase(c, len(given), n, log_prior=noisy),
            select=lambda n: self._split(run, n),
            train=lambda n, split: base.Phase(
                "sfa",
                semisup.streams(split, c, semisup.views(c)),
                network=n,
                constants={
                    "lambda_u": semisup.ramp(c, run.epoch),
                    "log_prior": semisup.log_prior(split, given, classes),
                },
            ),
        )

    def _split(self, run: base.Run, n: int) -> semisup.Split:
        c, given, classes = self.config.sfa, self.train.given, self.train.num_classes
        seen, memory = run.observe(n), run.memory
        balanced = softmax(seen["balanced_logits"], axis=1)
        sure = averaging.confident(balanced, given, run.epoch, c.phi)
        unit = centroids.cl2n(seen["features"])
        fresh, counts = centroids.class_means(unit, given, sure, classes)
        before = averaging.Moments(memory["first"][n], memory["second"][n], memory["epochs"][n])
        moments = averaging.update(before, fresh, c.beta, persist=c.ema_persist)
        memory["first"][n], memory["second"][n], memory["epochs"][n] = moments
        centres = averaging.draw_centres(moments, counts, c.sample_above, run.rng)
        score = averaging.scores(unit, given, centres)
        probability = averaging.clean_probability(score, given, classes)
        run.log({f"split/confident_{n}": float(sure.mean())})
        return semisup.Split(probability > self.config.semisup.threshold, probability)

    def judge(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        return semisup.judge(self, run)

    # The losses --------------------------------------------------------------------------------

    def _warmup(self, params, own, peers, batch, constants, rng):
        """Cross entropy, and balanced softmax by the counts of the given labels."""
        main = batch["main"]
        outputs, stats = base.applied(self.network, params, own, main.views[self.config.train.view])
        loss = cross_entropy(outputs["logits"], main.given)
        balanced = logit_adjusted(outputs["balanced_logits"], main.given, constants["log_prior"])
        fits = outputs["logits"].argmax(1) == main.given
        metrics = base.sums(loss=loss, balanced_loss=balanced, fits=fits)
        return jnp.mean(loss + balanced), base.Aux(stats, loss, metrics)

    def _sfa(self, params, own, peers, batch, constants, rng):
        """DivideMix's loss on both classifiers, the balanced one raised by its log prior."""
        images, targets, stats = semisup.mixed_batch(
            self.network, self.config, params, own, peers[0], batch, rng
        )
        outputs, _ = base.applied(self.network, params, own, images)
        lambda_u, balanced_logits = constants["lambda_u"], outputs["balanced_logits"]
        total, loss_x, metrics = semisup.two_sided(outputs["logits"], targets, batch, lambda_u)
        balanced, _, _ = semisup.two_sided(
            balanced_logits + constants["log_prior"], targets, batch, lambda_u
        )
        total += balanced + semisup.evenness(jax.nn.softmax(outputs["logits"]))
        return total, base.Aux(stats, loss_x, metrics)
