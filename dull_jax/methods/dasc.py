"""DaSC: distribution-aware selection and contrastive learning (Baik et al., ECCV 2024).

Selection by the likeness to class centroids that all confident samples shape (`stats/dacc.py`);
training in the manner of MixMatch with a conventional and a balanced classifier; on confident
targets a balanced contrastive loss with learnable prototypes (SBCL), on the others instance
discrimination against a bank of mixed features (MIDL). The networks exchange banks every epoch.

The paper's form, with the released code's as an option: MIDL's target (`dasc.midl_target`), the
trust in a label (`dasc.weights`; the code hands it to another sample). Not copied: running
statistics moved by mixed images or by the passes that only guess labels, and the best test epoch
as the result. The two views of a warm-up step go through the network as one batch.

Cost per step, in images through the backbone: 4 b forward, 8 b with gradient; warm-up 2 b with
gradient. Per epoch and network one pass over the train set.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax import contrastive_losses as contrastive
from dull_jax.losses import cross_entropy, logit_adjusted
from dull_jax.methods import base, semisup
from dull_jax.models import axis
from dull_jax.stats import dacc


class Method(base.Method):
    """Fields in `config.semisup` and `config.dasc`."""

    num_networks = 2
    head = "contrastive"
    observed = ("logits", "balanced_logits", "projection")

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": self._warmup, "dasc": self._dasc}

    def init_extra(self, rng: jax.Array) -> dict[str, jax.Array]:
        shape = (self.config.dasc.bank, self.config.model.projector)
        return {"bank": jnp.zeros(shape), "count": jnp.zeros((), jnp.int32)}

    def exchange(self, extras: tuple[Any, ...]) -> tuple[Any, ...]:
        return extras[::-1]

    def batch_sizes(self) -> Mapping[str, int]:
        return semisup.batch_sizes(self.config)

    def init_memory(self) -> dict[str, np.ndarray]:
        return semisup.init_memory(len(self.train.given))

    def predict(self, nets: tuple[base.Net, ...], images: jax.Array) -> jax.Array:
        return semisup.both_heads(nets, self.forward, images)

    # One epoch ---------------------------------------------------------------------------------

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        yield from semisup.co_training(
            run,
            self.config.semisup.warmup,
            warmup=lambda n: self._warmup_phase(run, n),
            select=lambda n: self._split(run, n),
            train=lambda n, split: self._phase(run, n, split),
        )

    def _warmup_phase(self, run: base.Run, n: int) -> base.Phase:
        everything, size = np.arange(len(self.train.given)), self.config.train.batch_size
        stream = base.Stream(everything, semisup.views(self.config), size)
        constants = {
            "log_prior": base.log_prior(self.train.counts),
            "contrast": np.float32(run.epoch >= self.config.dasc.sbcl_from),
        }
        return base.Phase("warmup", {"main": stream}, n, constants)

    def _split(self, run: base.Run, n: int) -> semisup.Split:
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
        return semisup.Split(probability > self.config.semisup.threshold, probability)

    def _phase(self, run: base.Run, n: int, split: semisup.Split) -> base.Phase:
        c, given, weights = self.config, self.train.given, split.probability
        if c.dasc.weights == "released":
            places = np.flatnonzero(split.clean)
            weights = np.ones_like(weights)
            weights[places] = split.probability[: len(places)]
        log_prior = semisup.log_prior(split, given, self.train.num_classes)
        constants = {"lambda_u": semisup.ramp(c, run.epoch), "log_prior": log_prior}
        streams = semisup.streams(split, c, (*semisup.views(c), "weak3"), weights)
        return base.Phase("dasc", streams, n, constants)

    def judge(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        return semisup.judge(self, run)

    # The losses --------------------------------------------------------------------------------

    def _warmup(self, params, own, peers, batch, constants, rng):
        """CE, balanced softmax, and later the balanced contrastive loss on the given labels."""
        main, c = batch["main"], self.config.dasc
        images = jnp.concatenate([main.views[v] for v in semisup.views(self.config)])
        given = jnp.concatenate([main.given, main.given])
        outputs, stats = base.applied(self.network, params, own, images)
        loss = cross_entropy(outputs["logits"], given)
        balanced = logit_adjusted(outputs["balanced_logits"], given, constants["log_prior"])
        contrast = self._contrast(outputs, jax.nn.one_hot(given, self.train.num_classes))
        total = jnp.mean(loss + balanced + constants["contrast"] * c.sbcl * contrast)
        first = axis.all_gather(outputs["projection"][: len(main.given)])
        extra = jax.tree.map(
            lambda new, old: jnp.where(constants["contrast"] > 0, new, old),
            self._pushed(own.extra, first),
            own.extra,
        )
        fits = outputs["logits"].argmax(1) == given
        metrics = base.sums(loss=loss, balanced_loss=balanced, contrast=contrast, fits=fits)
        return total, base.Aux(stats, loss.reshape(2, -1).mean(0), metrics, extra)

    def _dasc(self, params, own, peers, batch, constants, rng):
        """MixMatch on both classifiers, SBCL on confident targets, MIDL on the others."""
        c, b = self.config.dasc, len(batch["labelled"].given)
        parts, target_x, target_u = self._targets(params, own, peers[0], batch)
        plain = [target_x] * 2 + [target_u] * 2
        images, mixed = semisup.mixup(rng, parts, plain, self.config.semisup.alpha)
        outputs, _ = base.applied(self.network, params, own, images)
        total, loss_x, metrics = self._two_heads(outputs, mixed, batch, constants)
        # The contrastive losses see the images as they are, in a pass of their own, which is also
        # the one that moves the running statistics (see `semisup.mixed_batch`).
        unmixed, stats = base.applied(self.network, params, own, jnp.concatenate(parts))
        targets = jnp.concatenate(plain)
        sure = (targets.max(1) > c.confidence).astype(jnp.float32)
        contrast = axis.weighted_mean(self._contrast(unmixed, targets), sure)
        x1, x2, u1, u2 = jnp.split(unmixed["projection"], 4)
        instances = contrastive.instance_discrimination(
            jnp.concatenate([x1, u1]),
            jnp.concatenate([x2, u2]),
            own.extra["bank"],
            contrastive.filled(own.extra["bank"], own.extra["count"]),
            c.midl_temperature,
            c.midl_target,
            _places(b),
        )
        unsure = (jnp.concatenate([target_x, target_u]).max(1) < c.confidence).astype(jnp.float32)
        discrimination = axis.weighted_mean(instances, unsure)
        total += c.sbcl * contrast + c.midl * discrimination
        second = [outputs["projection"][part * b : (part + 1) * b] for part in (1, 3)]
        extra = self._pushed(own.extra, jnp.concatenate(axis.all_gather(second)))
        metrics |= base.sums(confident=sure)
        return total, base.Aux(stats, loss_x, metrics, extra)

    def _targets(self, params, own, peer, batch):
        """Images of both views, and the targets: both networks guess on a third, weak view.

        A labelled sample's guess is the mean of both networks and both classifiers.
        """
        x, u, temperature = batch["labelled"], batch["unlabelled"], self.config.semisup.temperature
        weak = jnp.concatenate([x.views["weak3"], u.views["weak3"]])
        seen = (
            semisup.own_outputs(self.network, params, own, weak)[0],
            semisup.peer_outputs(self.network, peer, weak),
        )
        probs = sum(jax.nn.softmax(o["logits"]) for o in seen) / 2
        balanced = sum(jax.nn.softmax(o["balanced_logits"]) for o in seen) / 2
        b = len(x.given)
        guess = (probs[:b] + balanced[:b]) / 2
        target_x = semisup.refined(x.given, x.columns["trust"], guess, temperature)
        views = semisup.views(self.config)
        parts = [x.views[v] for v in views] + [u.views[v] for v in views]
        return parts, target_x, semisup.sharpen(probs[b:], temperature)

    def _two_heads(self, outputs, targets, batch, constants):
        lambda_u = constants["lambda_u"]
        total, loss_x, metrics = semisup.two_sided(outputs["logits"], targets, batch, lambda_u)
        raised = outputs["balanced_logits"] + constants["log_prior"]
        balanced, _, _ = semisup.two_sided(raised, targets, batch, lambda_u)
        evenness = semisup.evenness(jax.nn.softmax(outputs["logits"]))
        return total + balanced + evenness, loss_x, metrics

    def _contrast(self, outputs, targets):
        """SBCL `[b]`: against the projections of the global batch and the prototypes."""
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

    def _pushed(self, extra, rows):
        bank, count = contrastive.push(extra["bank"], extra["count"], rows)
        return {"bank": bank, "count": count}


def _places(b: int) -> jax.Array:
    """Rows [labelled, unlabelled] of this device in the global batch's: int [2 b]."""
    mine = axis.first_index(b) + jnp.arange(b)
    return jnp.concatenate([mine, axis.psum(b) + mine])
