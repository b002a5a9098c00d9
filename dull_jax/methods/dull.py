"""DULL: disentangling and unlearning for long-tailed and label-noisy data (arXiv 2503.11414).

The paper names the parts; its equations are not published in a form we could use, so the
equations here are ours (docs/dull.md). An epoch, after a warm-up with logit-adjusted CE:

  1. The teacher (averaged weights) predicts the train set; predictions are averaged over epochs.
  2. The label model (`stats/label_model.py`): transition and true class shares, by EM or searched
     once (`dull.transition`); from them, and from what the teacher and a sample's neighbours
     predict, the posterior of every true label.
  3. AML: the candidate labels of every sample and the soft target on them.
  4. The student trains on another view against the targets, with
     H2T:  a class-even stream, its images mixed with ordinary ones, labels leaning to the rarer;
     IFD:  channels tied to classes by G, a second path through the gated features;
     IFPU: the region of a label believed wrong is masked and unlearned.

IFD and IFPU are off unless a recipe asks for them, as those that follow the paper do: where they
could be measured they earned nothing (docs/dull.md).

Cost per step: one forward and backward of batch * (1 + h2t_share) images; per epoch one forward
of the train set, and for the neighbours N^2 C multiply-adds, where features have changed since the
last, and 2,000 N K.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from dull_jax.data.views.mixing import mixed_images, rare_label_share
from dull_jax.errors import UserError
from dull_jax.fields import choice, number, several, switch
from dull_jax.losses import logit_adjusted
from dull_jax.methods import base
from dull_jax.models import heads, unlearning
from dull_jax.stats import label_model, neighbour_graph, transition
from dull_jax.stats.class_even import class_even, mixed_prior
from dull_jax.stats.label_model import float32_shares

TITLE = "DULL"
COST = base.Cost(forward=0, both=1.5)
FIELDS = {
    "warmup": number(0.3, "share of the epochs before labels are doubted", 0, 1),
    "ramp": number(0.2, "share of the epochs over which unlearning and candidates grow", 0, 1),
    "memory": number(0.9, "averaging of the teacher's predictions over epochs", 0, 1, below=True),
    "tau": number(1.0, "logit adjustment by the estimated true class shares", 0, 10),
    "ifd": switch(False, "inner-feature disentangling"),
    "ifd_weight": number(0.5, "of the gated path's cross entropy", 0, 1e3),
    "gate_weight": number(0.1, "of the sparsity of the channel-class matrix; csg alone", 0, 1e3),
    "gate_lr": number(10.0, "learning rate of G relative to the network's", 0, 1e6),
    "gate": choice(
        "csg",
        "projection of G: csg (row maximum 1) or sinkhorn (column quota)",
        ("csg", "sinkhorn"),
    ),
    "ifpu": switch(False, "inner-feature partial unlearning; needs ifd"),
    "unlearn": number(1.0, "its strength u", 0, 1e3),
    "aml": switch(True, "adaptive multi-labels; off: the given label stays the target"),
    "candidate_mass": several(
        (0.5, 0.9),
        "probability the candidate set holds: start, end",
        lambda mass: len(mass) == 2 and 0 < mass[0] <= mass[1] <= 1,
        "(start, end), 0 < start <= end <= 1",
    ),
    "neighbours": switch(True, "the posterior also uses the 100 nearest neighbours"),
    "h2t": switch(True, "head-to-tail transfer"),
    "h2t_share": number(0.5, "size of its stream relative to the batch", 0.01, 1),
    "h2t_mix": choice("cutmix", "how its images are mixed; vectors: mixup", ("cutmix", "mixup")),
    "h2t_repeats": number(
        3.0, "draws an epoch of a sample in that stream, on average, at most", 0.01, 1e6
    ),
    "h2t_power": number(0.25, "k of the label share", 0, 10),
    "transition": choice(
        "structured",
        "of the posterior: structured, free (EM), as audits, or none; auto: audit on vectors",
        ("structured", "free", "audit", "none", "auto"),
    ),
    "transition_strength": number(
        0.1,
        "free, none, audit of noise by image: pseudo-counts, as a share of a class's size",
        1e-6,
        1e3,
    ),
}


class Method(base.Method):
    """One network with averaged weights; each part has a switch in `config.dull`."""

    @classmethod
    def validate(cls, config: ConfigDict) -> None:
        if config.dull.ifpu and not config.dull.ifd:
            raise UserError(
                "config.dull.ifpu unlearns the channels that config.dull.ifd ties to a class: set "
                "config.dull.ifd=True, too"
            )

    @classmethod
    def head_of(cls, config: ConfigDict) -> str:
        return "disentangled" if config.dull.ifd else "expanded"

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": self._warmup, "dull": self._dull}

    @property
    def _label_model(self) -> label_model.Estimator:
        c, noise = self.config.dull, self.config.dull.transition
        if noise == "auto":
            noise = "audit" if self.train.vector_size else "structured"
        return label_model.Estimator(
            given=self.train.given,
            num_classes=self.train.num_classes,
            noise=noise,
            strength=c.transition_strength,
            decay=c.memory,
            neighbours=c.neighbours,
        )

    @property
    def observed(self) -> tuple[str, ...]:
        return ("logits", "features") if self._label_model.uses_features else ("logits",)

    def init_memory(self) -> dict[str, np.ndarray]:
        """The state of the label model. Raises UserError if it needs what is not installed."""
        model = self._label_model
        if model.uses_features:
            neighbour_graph.check(len(self.train.given))
        return model.init()._asdict()

    def batch_sizes(self) -> Mapping[str, int]:
        whole, c = self.config.train.batch_size, self.config.dull
        mixed = max(1, round(c.h2t_share * whole))
        return {"main": whole} | ({"rare": mixed, "partner": mixed} if c.h2t else {})

    def project(self, params: Any) -> Any:
        if not self.config.dull.ifd or self.config.dull.gate == "sinkhorn":
            return params
        head = params["head"] | {"gate": heads.project_gate(params["head"]["gate"])}
        return params | {"head": head}

    def learning_rates(self, params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: self.config.dull.gate_lr if path[-1].key == "gate" else 1.0, params
        )

    # One epoch ---------------------------------------------------------------------------------

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c, begin = self.config.dull, self._warmup_epochs
        model, state = self._label_model, label_model.State(**run.memory)
        # 1. From a little before the end of the warm-up on: what is older would weigh nothing.
        if run.epoch >= max(1, begin - round(1 / (1 - c.memory))):
            seen = run.observe(0, averaged=True)
            balanced = self._class_balanced(seen["logits"], state.posterior, run.epoch - 1)
            state = model.average(state, balanced)
            run.memory.update(state._asdict())
        # 2.
        if run.epoch >= begin and state.weight:
            state = model.update(state, balanced, seen.get("features"))
            run.memory.update(state._asdict())
        if not state.posterior.any():
            constants = {"prior": float32_shares(self.train.counts)}
            yield base.whole_set_phase(self, "warmup", constants=constants)
            return
        diagnostics = model.diagnostics(state, seen["logits"])
        run.log({f"dull/{name}": value for name, value in diagnostics.items()})
        # 3. and 4.
        ramp = self._ramp(run.epoch)
        targets = self._targets(state.posterior, ramp)
        yield self._phase(run, targets, model.label_error_prob(state), ramp)

    @property
    def _warmup_epochs(self) -> int:
        return round(self.config.dull.warmup * self.config.train.epochs)

    def _ramp(self, epoch: int) -> float:
        """Of unlearning and candidate sets, from above 0 to 1."""
        length = max(self.config.dull.ramp * self.config.train.epochs, 1)
        return min(1.0, (epoch - self._warmup_epochs + 1) / length)

    def _class_balanced(self, logits: np.ndarray, posterior: np.ndarray, epoch: int) -> np.ndarray:
        """`[N, K]` logits of an epoch, as if trained with tau = 1: log p(y | x) - log p(y).

        Args:
          posterior: `[N, K]`, whose targets the epoch had; zeros in the warm-up.
        """
        if (missing := 1 - self.config.dull.tau) == 0:
            return logits
        warm = not posterior.any()
        mass = self.train.counts if warm else self._targets(posterior, self._ramp(epoch)).sum(0)
        return logits - missing * np.log(float32_shares(mass))

    def _targets(self, posterior: np.ndarray, ramp: float) -> np.ndarray:
        """3. AML: soft targets `[N, K]`; the candidate sets grow with the ramp."""
        if not self.config.dull.aml:
            return np.eye(self.train.num_classes, dtype=np.float32)[self.train.given]
        start, end = self.config.dull.candidate_mass
        return np.asarray(transition.candidate_targets(posterior, start + ramp * (end - start)))

    def _phase(
        self, run: base.Run, targets: np.ndarray, label_error_prob: np.ndarray, ramp: float
    ) -> base.Phase:
        """4. One pass of the student."""
        columns = {"target": targets, "label_error_prob": label_error_prob.astype(np.float32)}
        streams = {"main": base.whole_set_stream(self, columns=columns)}
        prior = float32_shares(targets.sum(0))
        constants = {"prior": prior, "unlearn": np.float32(self.config.dull.unlearn * ramp)}
        if self.config.dull.h2t:
            more_streams, mixed_shares = self._head_to_tail(run, targets, prior)
            streams |= more_streams
            constants["mixed_prior"] = mixed_shares
        return base.Phase("dull", streams, constants=constants)

    def _head_to_tail(
        self, run: base.Run, targets: np.ndarray, prior: np.ndarray
    ) -> tuple[dict[str, base.Stream], np.ndarray]:
        """4. H2T: the class-even stream and its partners, and the class shares of the mixture."""
        c, size = self.config.dull, len(self.train.given)
        views, columns = (self.config.train.view,), {"target": targets}
        rare = class_even(targets, round(c.h2t_share * size) or 1, run.rng, c.h2t_repeats)
        batch_size = self.batch_sizes()["rare"]
        streams = {
            "rare": base.Stream(rare, views, batch_size, columns),
            "partner": base.Stream(np.arange(size), views, batch_size, columns),
        }
        return streams, mixed_prior(targets, rare, prior, c.h2t_power, run.rng)

    # The losses --------------------------------------------------------------------------------

    def _warmup(self, params, own, peers, batch, constants, rng):
        """Logit-adjusted CE on the given labels, and IFD with them."""
        main = batch["main"]
        z, stats = base.applied(
            self.network, params, own, main.views[self.config.train.view], "embed"
        )
        target = jax.nn.one_hot(main.given, self.train.num_classes)
        logits = self._classify(params, z)
        loss = logit_adjusted(logits, target, jnp.log(constants["prior"]), self.config.dull.tau)
        gated, metrics = self._disentangle(params, z, target, constants["prior"])
        metrics |= base.sums(loss=loss, fits=logits.argmax(1) == main.given)
        return jnp.mean(loss + gated), base.Aux(stats, loss, metrics)

    def _dull(self, params, own, peers, batch, constants, rng):
        """The plain path on masked features, the gated path, and the mixed stream."""
        c, main = self.config.dull, batch["main"]
        images, weight = main.views[self.config.train.view], 1.0
        if c.h2t:
            mixed, lam = self._mix(batch)
            images, weight = jnp.concatenate([images, mixed]), 1 / (1 + c.h2t_share)
        z, stats = base.applied(self.network, params, own, images, "embed")
        z_main, z_mixed = jnp.split(z, [len(main.given)])
        target, error_prob = main.columns["target"], main.columns["label_error_prob"]
        gated, metrics = self._disentangle(params, z_main, target, constants["prior"])
        if c.ifpu:
            z_main = self._unlearn(params, z_main, main, constants["unlearn"] * weight)
        logits = self._classify(params, z_main)
        loss = logit_adjusted(logits, target, jnp.log(constants["prior"]), c.tau)
        total = weight * jnp.mean(loss + gated)
        if c.h2t:
            mixed_loss = self._mixed_loss(params, z_mixed, lam, batch, constants)
            total += weight * c.h2t_share * jnp.mean(mixed_loss)
            metrics |= base.sums(mixed_loss=mixed_loss)
        fits = logits.argmax(1) == target.argmax(1)
        metrics |= base.sums(loss=loss, fits=fits, wrongness=error_prob)
        if c.ifpu:
            of_given = jnp.take_along_axis(jax.nn.softmax(logits), main.given[:, None], axis=1)
            metrics["unlearned_given"] = (error_prob @ of_given[:, 0], jnp.sum(error_prob))
        return total, base.Aux(stats, loss, metrics)

    def _mix(self, batch):
        """H2T: (images `[b', H, W, C]` of the class-even stream, mixed with partners; lambda)."""
        rare, partner, view = batch["rare"], batch["partner"], self.config.train.view
        how = self.config.dull.h2t_mix
        return mixed_images(rare.keys, rare.views[view], partner.views[view], how=how)

    def _mixed_loss(self, params, z, lam, batch, constants):
        """H2T: loss `[b']` of the mixed images, their labels leaning to the rarer class."""
        c, prior = self.config.dull, constants["prior"]
        rare, partner = (batch[stream].columns["target"] for stream in ("rare", "partner"))
        share = rare_label_share(lam, rare, partner, prior, c.h2t_power)
        labels = share * rare + (1 - share) * partner
        logits = self._classify(params, z)
        return logit_adjusted(logits, labels, jnp.log(constants["mixed_prior"]), c.tau)

    def _classify(self, params, z):
        return self.network.apply({"params": params}, z, method="classify")

    def _gate(self, params):
        """G `[C, K]`."""
        gate = params["head"]["gate"]
        return heads.sinkhorn_gate(gate, 1.0) if self.config.dull.gate == "sinkhorn" else gate

    def _disentangle(self, params, z, target, prior):
        """IFD: loss `[b]` of the gated path plus the sparsity of G, and the path's diagnostics."""
        c = self.config.dull
        if not c.ifd:
            return jnp.zeros(len(z)), {}
        gate = self._gate(params)
        logits = self._classify(params, z * heads.gate_for(gate, target))
        loss = logit_adjusted(logits, target, jnp.log(prior), c.tau)
        dense = jax.nn.relu(jnp.sum(gate) / gate.shape[0] - 1)
        label = target.argmax(1)
        wrong_gate = z * gate.T[(label + 1) % gate.shape[1]]
        metrics = base.sums(
            gated_loss=loss,
            gated_right=logits.argmax(1) == label,
            gated_wrong=self._classify(params, wrong_gate).argmax(1) == label,
        )
        owned = heads.channels_owned(gate)
        for name, value in (
            ("specificity", heads.class_specificity(gate)),
            ("channels_of_the_poorest_class", owned.min()),
            ("channels_of_the_richest_class", owned.max()),
        ):
            metrics[name] = (value, jnp.ones(()))
        return c.ifd_weight * loss + c.gate_weight * dense, metrics

    def _unlearn(self, params, z, main, strength):
        """IFPU: features with the wrong region masked forward and unlearned backward."""
        gate = jax.lax.stop_gradient(self._gate(params))
        region = unlearning.wrong_region(
            gate, main.given, main.columns["target"], main.columns["label_error_prob"]
        )
        frozen = jax.lax.stop_gradient(params)
        ascent = unlearning.ascent_direction(
            z, lambda z: self._classify(frozen, z), main.given, gate.shape[1], strength / len(z)
        )
        return unlearning.partial_unlearn(z, region, ascent)

    # What is reported --------------------------------------------------------------------------

    def score_labels(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        state = label_model.State(**run.memory)
        if not state.posterior.any():  # still warming up
            return super().score_labels(run)
        return self._label_model.label_error_prob(state), state.posterior.argmax(1)

    def diagnostics(self, nets: tuple[base.Net, ...], memory: base.Arrays) -> dict[str, np.ndarray]:
        arrays = {}
        if self.config.dull.ifd:
            arrays["gate"] = np.asarray(self._gate(jax.device_get(nets[0].params)))
        if memory["posterior"].any():  # after warm-up
            arrays["transition_estimate"] = memory["transition"]
        return arrays
