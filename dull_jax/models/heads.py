"""Heads: from a feature map [B, h, w, C0] to features z [B, C] and logits [B, K], all float32.

Every backbone ends in a ReLU, so z >= 0 for these heads; those with a projector have files of
their own (contrastive.py, siamese.py). The functions on the channel-class matrix G ("gate" [C, K]:
how much channel c belongs to class k) are pure and take it as an argument.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dull_jax.models.layers import Dense, global_average, he_normal_fan_out

EPS = 1e-8


class LinearHead(nn.Module):
    """Global average pooling and one linear classifier."""

    channels: int
    num_classes: int

    def setup(self) -> None:
        self.classifier = Dense(self.num_classes)

    @property
    def num_features(self) -> int:
        return self.channels

    def embed(self, feature_map: jax.Array) -> jax.Array:
        return global_average(feature_map)

    def classify(self, z: jax.Array) -> jax.Array:
        return self.classifier(z)

    def __call__(self, z: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        return {"logits": self.classify(z)}


class BalancedHead(LinearHead):
    """Two linear classifiers on one feature: conventional and class-balanced (DaSC, SFA)."""

    def setup(self) -> None:
        self.classifier = Dense(self.num_classes)
        self.balanced_classifier = Dense(self.num_classes)

    def classify_balanced(self, z: jax.Array) -> jax.Array:
        return self.balanced_classifier(z)

    def __call__(self, z: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        return {"logits": self.classify(z), "balanced_logits": self.classify_balanced(z)}


class CosineHead(LinearHead):
    """A classifier without bias on the cosine of feature and class weights (LDAM, Cao et al. 2019).

    Its logits are cosines in [-1, 1]; scaling them is the loss's and the method's affair.
    """

    def setup(self) -> None:
        self.directions = self.param(
            "kernel", nn.initializers.lecun_normal(), (self.channels, self.num_classes)
        )

    def classify(self, z: jax.Array) -> jax.Array:
        return unit_rows(z) @ unit_rows(self.directions.T).T


class ExpandedHead(nn.Module):
    """Linear classifier on so many channels that every class can have m of its own.

    A map of fewer than m K channels (m = `channels_per_class`) is first expanded to m K by a 1x1
    convolution and ReLU; otherwise C = C0, and the head is a `LinearHead`.
    """

    channels: int
    num_classes: int
    channels_per_class: int = 4
    dtype: jnp.dtype = jnp.float32

    @property
    def num_features(self) -> int:
        return max(self.channels, self.channels_per_class * self.num_classes)

    def setup(self) -> None:
        self.classifier = Dense(self.num_classes)
        if self.num_features > self.channels:
            self.expansion = nn.Dense(
                self.num_features, dtype=self.dtype, kernel_init=he_normal_fan_out
            )

    def embed(self, feature_map: jax.Array) -> jax.Array:
        if self.num_features > self.channels:
            feature_map = nn.relu(self.expansion(feature_map))
        return global_average(feature_map)

    def classify(self, z: jax.Array) -> jax.Array:
        return self.classifier(z)

    def __call__(self, z: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        return {"logits": self.classify(z)}


class DisentangledHead(ExpandedHead):
    """The classifier of `ExpandedHead`, and G as the parameter "gate" [C, K].

    The gate does not enter the plain path: a loss gates z, `classify(z * gate_for(gate, target))`.
    It starts at 0.5 everywhere as in CSG (Liang et al. 2020). No noise is needed to break the
    symmetry: the first gradient already differs for each channel and class.
    """

    def setup(self) -> None:
        super().setup()
        shape = (self.num_features, self.num_classes)
        self.gate = self.param("gate", nn.initializers.constant(0.5), shape)


def unit_rows(x: jax.Array) -> jax.Array:
    """x [B, C] with rows of length 1; a row of zeros stays zero, with a finite gradient."""
    return x / jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True) + EPS)


def project_gate(gate: jax.Array) -> jax.Array:
    """G after an update, back in [0, 1] with 1 as the maximum of every row (CSG's projection).

    gate [C, K] -> [C, K]. A row without a positive entry becomes 0: dividing it by its negative
    maximum would hand the channel to every class.

    >>> project_gate(jnp.array([[0.5, 0.25], [-1.0, -2.0]]))
    Array([[1. , 0.5],
           [0. , 0. ]], dtype=float32)
    """
    top = gate.max(axis=1, keepdims=True)
    return jnp.clip(gate / jnp.maximum(top, EPS), 0.0, 1.0)


def sinkhorn_gate(scores: jax.Array, quota: jax.Array | float, iterations: int = 20) -> jax.Array:
    """Softmax of scores [C, K] over classes, scaled so that every class gets its quota of channels.

    quota [K] or a scalar, > 0: channels per class up to a common factor; equal entries give C / K
    each. Returns [C, K] in [0, 1]: rows sum to 1 exactly, columns to the quota once the Sinkhorn
    iterations have converged. Without a quota frequent classes take the channels.

    >>> jnp.round(sinkhorn_gate(jnp.array([[1.0, 0.0], [1.0, 0.0]]), quota=1.0), 3)
    Array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    quota = jnp.broadcast_to(jnp.asarray(quota, scores.dtype), scores.shape[1:])
    log_quota = jnp.log(quota * scores.shape[0] / quota.sum())
    log_gate = jax.nn.log_softmax(scores, axis=1)
    for _ in range(iterations):
        log_gate += log_quota - jax.nn.logsumexp(log_gate, axis=0)
        log_gate = jax.nn.log_softmax(log_gate, axis=1)
    return jnp.exp(log_gate)


def gate_for(gate: jax.Array, target: jax.Array) -> jax.Array:
    """The gate of each sample under its (soft) target: gate [C, K], target [B, K] -> [B, C].

    >>> gate_for(jnp.array([[1.0, 0.0], [0.5, 1.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0]]))
    Array([[1. , 0.5, 0. ]], dtype=float32)
    """
    return target @ gate.T


def class_specificity(gate: jax.Array) -> jax.Array:
    """Mean over channels of max_k G / sum_k G: gate [C, K] -> scalar.

    1 / K where every channel serves all classes, 1 where each serves one; a row of zeros counts 0.

    >>> float(class_specificity(jnp.array([[1.0, 1.0], [1.0, 0.0]])))
    0.75
    """
    return jnp.mean(gate.max(axis=1) / jnp.maximum(gate.sum(axis=1), EPS))


def channels_owned(gate: jax.Array) -> jax.Array:
    """Channels whose largest entry is at class k: gate [C, K] -> [K] float32, summing to C.

    A tie is shared equally: `argmax` would give a fresh matrix wholly to class 0.

    >>> channels_owned(jnp.array([[1.0, 0.5], [1.0, 1.0]]))
    Array([1.5, 0.5], dtype=float32)
    """
    largest = (gate == gate.max(axis=1, keepdims=True)).astype(jnp.float32)
    return (largest / largest.sum(axis=1, keepdims=True)).sum(axis=0)
