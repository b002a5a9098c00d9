"""The head of self-supervised learning: projector and predictor, and a probe that reads along."""

import jax

from dull_jax.models.heads import LinearHead
from dull_jax.models.layers import ModuleDef
from dull_jax.models.projector import Perceptron


class SiameseHead(LinearHead):
    """Outputs: "projection" and "prediction" [B, P], not scaled; "logits" [B, K] of a linear probe.

    The probe reads the feature through a stopped gradient: labels never reach what is learnt.
    """

    norm: ModuleDef = None
    projection: int = 128

    def setup(self) -> None:
        super().setup()
        hidden = max(self.projection, self.channels)
        self.projector = Perceptron(hidden, self.projection, self.norm, norm_last=True)
        self.predictor = Perceptron(max(self.projection // 4, 8), self.projection, self.norm)

    def __call__(self, z: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        projection = self.projector(z, train)
        return {
            "logits": self.classify(jax.lax.stop_gradient(z)),
            "projection": projection,
            "prediction": self.predictor(projection, train),
        }
