"""DULL: disentangling and unlearning for long-tailed and label-noisy data (arXiv 2503.11414).

The paper names the parts; its equations are not published in a form we could use, so the
equations here are ours (docs/dull.md). An epoch, after a warm-up with logit-adjusted CE:

  1. The teacher (averaged weights) predicts the train set; predictions are averaged over epochs.
  2. Transition and true class shares, by EM or found once (`dull.transition`); from them, and from
     what the teacher and a sample's neighbours predict, the posterior of every true label.
  3. AML: the candidate labels of every sample and the soft target on them.
  4. The student trains on another view against the targets, with
     IFD:  channels tied to classes by G, a second path through the gated features;
     IFPU: the region of a label believed wrong is masked and unlearned;
     H2T:  a class-even stream, its images mixed with ordinary ones, labels leaning to the rarer.

Cost per step: one forward and backward of batch * (1 + h2t_share) images; per epoch one forward
of the train set, and N^2 (C + 20 K) multiply-adds for the neighbours.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from dull_jax.data.views.mixing import mixed_images, rare_label_share
from dull_jax.losses import logit_adjusted
from dull_jax.methods import base
from dull_jax.models import heads, unlearning
from dull_jax.stats import mixture, neighbour_posterior, noise_structure, transition
from dull_jax.stats.class_even import class_even, mixed_prior


class Method(base.Method):
    """One network with averaged weights; each part has a switch in `config.dull`."""

    head = "disentangled"

    @property
    def losses(self) -> Mapping[str, base.LossFn]:
        return {"warmup": self._warmup, "dull": self._dull}

    def init_memory(self) -> dict[str, np.ndarray]:
        size, classes = len(self.train.given), self.train.num_classes
        return {
            "probs": np.zeros((size, classes), np.float32),  # discounted sum over epochs
            "temperature": np.ones((), np.float32),  # of predictions; found with the noise
            "weight": np.zeros((), np.float32),  # discounted number of epochs in it
            "posterior": np.zeros((size, classes), np.float32),
            "transition": np.eye(classes, dtype=np.float32),
            "prior": _shares(self.train.counts),
        }

    @property
    def observed(self) -> tuple[str, ...]:
        return ("logits", "features") if self._has_neighbours else ("logits",)

    @property
    def _has_neighbours(self) -> bool:
        size = len(self.train.given)
        return self.config.dull.neighbours and 2 < size <= neighbour_posterior.LARGEST

    def batch_sizes(self) -> Mapping[str, int]:
        whole, c = self.config.train.batch_size, self.config.dull
        mixed = max(1, round(c.h2t_share * whole))
        return {"main": whole} | ({"rare": mixed, "partner": mixed} if c.h2t else {})

    def project(self, params: Any) -> Any:
        if self.config.dull.gate == "sinkhorn":
            return params
        head = params["head"] | {"gate": heads.project_gate(params["head"]["gate"])}
        return params | {"head": head}

    def learning_rates(self, params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: self.config.dull.gate_lr if path[-1].key == "gate" else 1.0, params
        )

    # One epoch ---------------------------------------------------------------------------------

    def epoch(self, run: base.Run) -> Iterator[base.Phase]:
        c, epochs = self.config.dull, self.config.train.epochs
        begin = round(c.warmup * epochs)
        seen = None
        if run.epoch >= max(1, begin - round(1 / (1 - c.memory))):
            seen = run.observe(0, averaged=True)
            self._remember(run.memory, seen["logits"])
        if run.epoch < begin or not run.memory["weight"]:
            yield self._warmup_phase()
            return
        ramp = min(1.0, (run.epoch - begin + 1) / max(c.ramp * epochs, 1))
        posterior = self._believe(run.memory, seen)
        targets = self._targets(posterior, ramp)
        run.log(self._noticed(run.memory, seen))
        yield self._phase(run, posterior, targets, ramp)

    def _remember(self, memory: dict[str, np.ndarray], logits: np.ndarray) -> None:
        """1. Averages the teacher's class-balanced predictions over epochs."""
        decay = np.float32(self.config.dull.memory)
        memory["probs"] = decay * memory["probs"] + softmax(logits, axis=1)
        memory["weight"] = decay * memory["weight"] + np.float32(1)

    def _believe(self, memory: dict[str, np.ndarray], seen: base.Arrays) -> np.ndarray:
        """2. Transition, true class shares, and the posterior of every true label `[N, K]`."""
        c, given, counts = self.config.dull, self.train.given, self.train.counts
        if c.transition != "structured":
            pseudo = transition.headward_pseudo_counts(
                counts.astype(np.float32), c.transition_strength
            )
            iterations = 30 if c.transition == "free" else 0
            probs = memory["probs"] / memory["weight"]
            model = transition.estimate(probs, given, pseudo, iterations)
            memory["transition"], memory["prior"] = map(np.asarray, model)
        elif not memory["posterior"].any():
            self._find_structure(memory, seen["logits"])
        model = transition.LabelModel(memory["transition"], memory["prior"])
        probs = memory["probs"] / memory["weight"]
        if self._has_neighbours:
            others = neighbour_posterior.leave_one_out(seen["features"], given, model)
            probs = neighbour_posterior.combined(probs, others.probs, memory["temperature"])
        memory["posterior"] = np.asarray(transition.label_posterior(probs, given, model))
        return memory["posterior"]

    def _find_structure(self, memory: dict[str, np.ndarray], logits: np.ndarray) -> None:
        """Once, on predictions of the given labels; what is remembered is freed from the noise.

        They are the warm-up's last, on what it trained on: it should end before it knows them by
        heart. Those of earlier epochs say less.
        """
        shares = _shares(self.train.counts)
        noisy = softmax(logits + self.config.dull.tau * np.log(shares), axis=1)
        found = noise_structure.find(noisy, self.train.given)
        memory["transition"], memory["prior"] = map(np.asarray, found.model)
        memory["temperature"] = np.float32(found.temperature)
        balanced = found.clean_probs / found.model.prior
        memory["probs"] = memory["weight"] * balanced / balanced.sum(1, keepdims=True)

    def _targets(self, posterior: np.ndarray, ramp: float) -> np.ndarray:
        """3. AML: soft targets `[N, K]`; the candidate sets grow with the ramp."""
        if not self.config.dull.aml:
            return np.eye(self.train.num_classes, dtype=np.float32)[self.train.given]
        start, end = self.config.dull.candidate_mass
        return np.asarray(transition.candidate_targets(posterior, start + ramp * (end - start)))

    def _noticed(self, memory: dict[str, np.ndarray], seen: base.Arrays) -> dict[str, float]:
        """What the posterior doubts, and the usual small-loss split (two components a class).

        `doubted_given` is what the plain path, where nothing is masked, still gives to the labels
        that are doubted, weighed by how much: at 1/K or less there is nothing to unlearn.
        """
        given, everyone = self.train.given, np.arange(len(self.train.given))
        loss = -np.log(memory["probs"][everyone, given] / memory["weight"] + 1e-8)
        split = mixture.fit(loss, given, self.train.num_classes, normalize=True)
        believed = memory["posterior"][everyone, given]
        of_given = softmax(seen["logits"], axis=1)[everyone, given]
        return {
            "dull/doubted": float(np.mean(believed < 0.5)),
            "dull/doubted_given": float(np.average(of_given, weights=1 - believed + 1e-8)),
            "dull/doubted_by_small_loss": float(np.mean(np.asarray(split.posterior_low) < 0.5)),
            "dull/posterior_confidence": float(memory["posterior"].max(1).mean()),
            "dull/noise_rate": float(1 - memory["prior"] @ memory["transition"].diagonal()),
        }

    def _warmup_phase(self) -> base.Phase:
        return base.Phase(
            "warmup", {"main": self._everything()}, constants={"prior": _shares(self.train.counts)}
        )

    def _phase(
        self, run: base.Run, posterior: np.ndarray, targets: np.ndarray, ramp: float
    ) -> base.Phase:
        """4. One sweep of the student."""
        c, given = self.config.dull, self.train.given
        wrongness = 1 - posterior[np.arange(len(given)), given]
        columns = {"target": targets, "wrongness": wrongness.astype(np.float32)}
        streams = {"main": self._everything(columns)}
        prior = _shares(targets.sum(0))
        constants = {"prior": prior, "unlearn": np.float32(c.unlearn * ramp)}
        if c.h2t:
            size = self.batch_sizes()["rare"]
            size_rare = round(c.h2t_share * len(given)) or 1
            rare = class_even(targets, size_rare, run.rng, c.h2t_repeats)
            columns = {"target": targets}
            view = self.config.train.view
            streams["rare"] = base.Stream(rare, (view,), size, columns)
            streams["partner"] = base.Stream(np.arange(len(given)), (view,), size, columns)
            constants["mixed_prior"] = mixed_prior(targets, rare, prior, c.h2t_power, run.rng)
        return base.Phase("dull", streams, constants=constants)

    def _everything(self, columns: base.Arrays | None = None) -> base.Stream:
        train = self.config.train
        size = len(self.train.given)
        return base.Stream(np.arange(size), (train.view,), train.batch_size, columns or {})

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
        c, main, view = self.config.dull, batch["main"], self.config.train.view
        images, weight = main.views[view], 1.0
        if c.h2t:
            rare, partner = batch["rare"], batch["partner"]
            mixed, lam = mixed_images(
                rare.keys, rare.views[view], partner.views[view], how=c.h2t_mix
            )
            images = jnp.concatenate([images, mixed])
            weight = 1 / (1 + c.h2t_share)
        z, stats = base.applied(self.network, params, own, images, "embed")
        z_main, z_mixed = jnp.split(z, [len(main.given)])
        target, wrongness = main.columns["target"], main.columns["wrongness"]
        gated, metrics = self._disentangle(params, z_main, target, constants["prior"])
        if c.ifpu:
            z_main = self._unlearn(params, z_main, main, constants["unlearn"] * weight)
        logits = self._classify(params, z_main)
        loss = logit_adjusted(logits, target, jnp.log(constants["prior"]), c.tau)
        total = weight * jnp.mean(loss + gated)
        if c.h2t:
            share = rare_label_share(
                lam,
                rare.columns["target"],
                partner.columns["target"],
                constants["prior"],
                c.h2t_power,
            )
            labels = share * rare.columns["target"] + (1 - share) * partner.columns["target"]
            mixed_loss = logit_adjusted(
                self._classify(params, z_mixed), labels, jnp.log(constants["mixed_prior"]), c.tau
            )
            total += weight * c.h2t_share * jnp.mean(mixed_loss)
            metrics |= base.sums(mixed_loss=mixed_loss)
        fits = logits.argmax(1) == target.argmax(1)
        metrics |= base.sums(loss=loss, fits=fits, wrongness=wrongness)
        if c.ifpu:
            of_given = jnp.take_along_axis(jax.nn.softmax(logits), main.given[:, None], axis=1)
            metrics["unlearned_given"] = (wrongness @ of_given[:, 0], jnp.sum(wrongness))
        return total, base.Aux(stats, loss, metrics)

    def _classify(self, params, z):
        return self.network.apply({"params": params}, z, method="classify")

    def _gate(self, params):
        """G `[C, K]`."""
        gate = params["head"]["gate"]
        return heads.sinkhorn_gate(gate, 1.0) if self.config.dull.gate == "sinkhorn" else gate

    def _disentangle(self, params, z, target, prior):
        """IFD: loss `[b]` of the gated path plus the sparsity of G, and the path's instruments."""
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
            gate, main.given, main.columns["target"], main.columns["wrongness"]
        )
        frozen = jax.lax.stop_gradient(params)
        ascent = unlearning.ascent_direction(
            z, lambda z: self._classify(frozen, z), main.given, gate.shape[1], strength / len(z)
        )
        return unlearning.partial_unlearn(z, region, ascent)

    # What it found -----------------------------------------------------------------------------

    def judge(self, run: base.Run) -> tuple[np.ndarray, np.ndarray]:
        posterior, given = run.memory["posterior"], self.train.given
        if not posterior.any():  # still warming up
            return super().judge(run)
        return 1 - posterior[np.arange(len(given)), given], posterior.argmax(1)

    def instruments(self, nets: tuple[base.Net, ...], memory: base.Arrays) -> dict[str, np.ndarray]:
        gate = self._gate(jax.device_get(nets[0].params))
        found = {"gate": np.asarray(gate)}
        if memory["posterior"].any():  # after warm-up
            found["transition_estimate"] = memory["transition"]
        return found


def _shares(counts: np.ndarray) -> np.ndarray:
    return transition.class_shares(counts).astype(np.float32)
