"""DaSC's head (Baik et al., ECCV 2024): two classifiers, a projector and learnable prototypes."""

import jax
from flax import linen as nn

from dull_jax.models.heads import unit_rows
from dull_jax.models.layers import Dense, ModuleDef, global_average
from dull_jax.models.projector import Perceptron


class ContrastiveHead(nn.Module):
    """Feature f = linear(pooled map); everything else reads f.

    Outputs: "logits" and "balanced_logits" [B, K]; "projection" [B, P], rows of length 1; and
    "prototypes" [K, P], rows of length 1: the conventional classifier's weight rows through a
    projector of their own, normalised over the classes (as in balanced contrastive learning, Zhu
    et al. 2022).
    """

    channels: int
    num_classes: int
    norm: ModuleDef
    projection: int = 128

    @property
    def num_features(self) -> int:
        return self.channels

    def setup(self) -> None:
        self.linear = Dense(self.channels)
        self.classifier = Dense(self.num_classes)
        self.balanced_classifier = Dense(self.num_classes)
        hidden = 4 * self.projection
        self.projector = Perceptron(hidden, self.projection, self.norm)
        self.prototype_projector = Perceptron(hidden, self.projection, self.norm)

    def embed(self, feature_map: jax.Array) -> jax.Array:
        return self.linear(global_average(feature_map))

    def classify(self, z: jax.Array) -> jax.Array:
        return self.classifier(z)

    def __call__(self, z: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        logits = self.classify(z)
        rows = self.classifier.variables["params"]["kernel"].T
        return {
            "logits": logits,
            "balanced_logits": self.balanced_classifier(z),
            "projection": unit_rows(self.projector(z, train)),
            "prototypes": unit_rows(self.prototype_projector(rows, train)),
        }
