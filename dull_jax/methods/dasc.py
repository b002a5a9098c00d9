"""DaSC: distribution-aware selection and contrastive learning (Baik et al., ECCV 2024).

Two networks with a conventional and a balanced classifier and a projector.

  1. Warm-up of both classifiers; from epoch `dasc.sbcl_from` on also of the projector, by the
     balanced contrastive loss with learnable prototypes (SBCL) on the given labels.
  2. DaCC: class centroids that all confident samples shape, whatever their given label; in each
     class two heaps of the likeness to the given label's centroid (`stats/dacc.py`).
  3. The other network trains on both heaps: the targets are guessed on a third, weak view, and
     both classifiers learn them in the manner of MixMatch.
  4. SBCL on confident targets.
  5. MIDL on the others: instance discrimination against a bank of mixed features.
  6. At the end of an epoch the networks exchange their banks.

The paper's form, with the released code's as an option: MIDL's target (`dasc.midl_target`), the
trust in a label (`dasc.weights`; the code hands it to another sample), and weak views in warm-up
(`dasc.warmup_view`), of which the paper says nothing. Not copied: running statistics moved by mixed
images or by the passes that only guess labels, and the best test epoch as the result. The two views
of a warm-up step go through the network as one batch.

Cost per step, in images through the backbone: 4 b forward, 8 b with gradient; warm-up 2 b with
gradient. Per epoch and network one pass over the train set.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax import contrastive_losses as contrastive
from dull_jax import mixmatch
from dull_jax.fields import choice, number
from dull_jax.losses import cross_entropy, logit_adjusted
from dull_jax.methods import base, semisup
from dull_jax.models import axis
from dull_jax.stats import dacc

TITLE = "DaSC"
COST = base.Cost(forward=2, both=4)
FIELDS = {
    "phi": number(1.005, "confidence needed by a sample to shape centroids: phi^epoch / K", 1, 2),
    "temperature": number(0.1, "of the predictions that weigh samples in centroids", 0.001, 100),
    "confidence": number(0.9, "of a target: above for SBCL, below for MIDL", 0, 1),
    "sbcl": number(0.5, "weight of the semi-supervised balanced contrastive loss", 0, 1e3),
    "sbcl_temperature": number(0.1, "of its similarities", 0.001, 100),
    "sbcl_from": number(1 / 3, "share of the warm-up after which it is trained", 0, 1),
    "warmup_view": choice(
        "recipe",
        "of both views: the recipe's, or weak, as in the released code",
        ("recipe", "weak"),
    ),
    "midl": number(0.3, "weight of mixup-enhanced instance discrimination", 0, 1e3),
    "midl_temperature": number(0.5, "of its similarities", 0.001, 100),
    "midl_target": choice(
        "positive", "or released: the code's target, row i -> column i", ("positive", "released")
    ),
    "bank": number(1024, "mixed features kept as negatives", 1, 10**6),
    "weights": choice(
        "aligned",
        "or released: P(clean) by position in the labelled set",
        ("aligned", "released"),
    ),
}

WEAK = "weak3"  # the view that labels are guessed on


class Method(semisup.CoTraining):
    """Fields in `config.semisup` and `config.dasc`."""

    head = "contrastive"
    observed = ("logits", "balanced_logits", "projection")

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": self._warmup, "dasc": self._dasc}

    def init_extra(self, rng: jax.Array) -> dict[str, jax.Array]:
        """The bank of mixed features: a ring buffer, and how many were pushed."""
        shape = (self.config.dasc.bank, self.config.model.projector)
        return {"bank": jnp.zeros(shape), "count": jnp.zeros((), jnp.int32)}

    def exchange(self, extras: tuple[Any, ...]) -> tuple[Any, ...]:
        """6."""
        return extras[::-1]

    def predict(self, nets: tuple[base.Net, ...], images: jax.Array) -> jax.Array:
        return semisup.two_classifier_logits(nets, self.forward, images)

    # An epoch ----------------------------------------------------------------------------------

    def warmup_phase(self, run: base.Run, n: int) -> base.Phase:
        """1."""
        begin = round(self.config.dasc.sbcl_from * semisup.warmup_epochs(self.config))
        constants = {
            "log_prior": base.log_prior(self.train.counts),
            "contrast": np.float32(run.epoch >= begin),
        }
        views = self._warmup_views
        return base.whole_set_phase(self, "warmup", n, views=views, constants=constants)

    @property
    def _warmup_views(self) -> tuple[str, str]:
        """Two independent draws."""
        weak = self.config.dasc.warmup_view == "weak"
        return ("weak", "weak2") if weak else self.two_views

    def split(self, run: base.Run, n: int) -> semisup.Split:
        """2. DaCC."""
        c, seen = self.config.dasc, run.observe(n)
        probability, _ = dacc.split(
            seen["logits"],
            seen["balanced_logits"],
            seen["projection"],
            self.train.given,
            run.epoch,
            c.phi,
            c.temperature,
        )
        return self.by_threshold(probability)

    def training_phase(self, run: base.Run, n: int, split: semisup.Split) -> base.Phase:
        """3. to 5."""
        trust = split.probability
        if self.config.dasc.weights == "released":  # by position in the labelled set, not by sample
            labelled = np.flatnonzero(split.clean)
            trust = np.ones_like(split.probability)
            trust[labelled] = split.probability[: len(labelled)]
        constants = {"log_prior": self.labelled_log_prior(split)}
        return self.phase_on_split(
            "dasc", run, n, split, more_views=(WEAK,), trust=trust, constants=constants
        )

    # The losses --------------------------------------------------------------------------------

    def _warmup(self, params, own, peers, batch, constants, rng):
        """1. CE, balanced softmax, and later SBCL on the given labels."""
        main, c = batch["main"], self.config.dasc
        images = jnp.concatenate([main.views[v] for v in self._warmup_views])
        given = jnp.concatenate([main.given, main.given])
        outputs, stats = base.applied(self.network, params, own, images)
        loss = cross_entropy(outputs["logits"], given)
        balanced = logit_adjusted(outputs["balanced_logits"], given, constants["log_prior"])
        contrast = self._sbcl(outputs, jax.nn.one_hot(given, self.train.num_classes))
        total = jnp.mean(loss + balanced + constants["contrast"] * c.sbcl * contrast)
        first = axis.all_gather(outputs["projection"][: len(main.given)])
        extra = jax.tree.map(
            lambda new, old: jnp.where(constants["contrast"] > 0, new, old),
            pushed(own.extra, first),
            own.extra,
        )
        fits = outputs["logits"].argmax(1) == given
        metrics = base.sums(loss=loss, balanced_loss=balanced, contrast=contrast, fits=fits)
        return total, base.Aux(stats, loss.reshape(2, -1).mean(0), metrics, extra)

    def _dasc(self, params, own, peers, batch, constants, rng):
        """3. MixMatch on both classifiers, 4. SBCL, 5. MIDL and the bank."""
        c, b = self.config.dasc, len(batch["labelled"].given)
        target_x, target_u = self._targets(params, own, peers[0], batch)
        views = self.plain_images(batch)
        targets = [target_x] * 2 + [target_u] * 2
        images, mixed_targets = mixmatch.mixup(rng, views, targets, self.config.semisup.alpha)
        mixed, _ = base.applied(self.network, params, own, images)
        total, loss_x, metrics = semisup.two_classifier_loss(mixed, mixed_targets, batch, constants)
        # The contrastive losses see the images as they are, in a pass of their own, which is also
        # the one that moves the running statistics (see `semisup.CoTraining.mixed_batch`).
        plain, stats = base.applied(self.network, params, own, jnp.concatenate(views))
        targets = jnp.concatenate(targets)
        confident = (targets.max(1) > c.confidence).astype(jnp.float32)
        sbcl = axis.weighted_mean(self._sbcl(plain, targets), confident)
        unsure = jnp.concatenate([target_x, target_u]).max(1) < c.confidence
        midl = axis.weighted_mean(self._midl(plain, own.extra, b), unsure.astype(jnp.float32))
        total += c.sbcl * sbcl + c.midl * midl
        second = [mixed["projection"][part * b : (part + 1) * b] for part in (1, 3)]
        extra = pushed(own.extra, jnp.concatenate(axis.all_gather(second)))
        metrics |= base.sums(confident=confident)
        return total, base.Aux(stats, loss_x, metrics, extra)

    def _targets(self, params, own, peer, batch):
        """3. (labelled `[b, K]`, unlabelled `[b, K]`): both networks guess on the weak view.

        A labelled sample's guess is the mean of both networks and both classifiers. Batch
        normalisation sees the labelled and the unlabelled samples one after the other, as in the
        released code, since their classes differ: together, a poor split costs rare classes more.
        """
        x, u, temperature = batch["labelled"], batch["unlabelled"], self.config.semisup.temperature

        def guesses(side):
            images = side.views[WEAK]
            mine, _ = semisup.own_outputs(self.network, params, own, images)
            seen = mine, semisup.peer_outputs(self.network, peer, images)
            classifiers = ("logits", "balanced_logits")
            return [sum(jax.nn.softmax(one[name]) for one in seen) / 2 for name in classifiers]

        plain, balanced = guesses(x)
        trust, guess = x.columns["trust"], (plain + balanced) / 2
        target_x = mixmatch.refined(x.given, trust, guess, temperature)
        return target_x, mixmatch.sharpen(guesses(u)[0], temperature)

    def _sbcl(self, outputs, targets):
        """4. SBCL `[b]`: against the projections of the global batch and the prototypes."""
        mine = outputs["projection"]
        everyone, their_targets = axis.all_gather((mine, targets))
        classes = jnp.eye(targets.shape[1])
        return contrastive.balanced_contrastive(
            mine,
            targets,
            jnp.concatenate([everyone, outputs["prototypes"]]),
            jnp.concatenate([their_targets, classes]),
            axis.first_index(len(mine)) + jnp.arange(len(mine)),
            self.config.dasc.sbcl_temperature,
        )

    def _midl(self, outputs, extra, b):
        """5. MIDL `[2 b]`: the two views of each sample, and the bank."""
        c = self.config.dasc
        x1, x2, u1, u2 = jnp.split(outputs["projection"], 4)
        return contrastive.instance_discrimination(
            jnp.concatenate([x1, u1]),
            jnp.concatenate([x2, u2]),
            extra["bank"],
            contrastive.filled(extra["bank"], extra["count"]),
            c.midl_temperature,
            c.midl_target,
            global_rows(b),
        )


def pushed(extra: Mapping[str, jax.Array], rows: jax.Array) -> dict[str, jax.Array]:
    """{"bank" `[M, P]`, "count"} after rows `[B, P]` joined it."""
    bank, count = contrastive.push(extra["bank"], extra["count"], rows)
    return {"bank": bank, "count": count}


def global_rows(b: int) -> jax.Array:
    """Rows [labelled, unlabelled] of this device in the global batch's: int [2 b]."""
    mine = axis.first_index(b) + jnp.arange(b)
    return jnp.concatenate([mine, axis.psum(b) + mine])
