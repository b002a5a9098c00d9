"""Perceptrons of contrastive and self-supervised learning."""

import jax
from flax import linen as nn

from dull_jax.models.layers import Dense, ModuleDef


class Perceptron(nn.Module):
    """x [B, C] -> [B, features]: `layers - 1` times linear, normalisation and ReLU, then linear.

    With `norm_last` the output is normalised too (SimSiam's projector). Not scaled to length 1.
    """

    hidden: int
    features: int
    norm: ModuleDef
    layers: int = 2
    norm_last: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for _ in range(self.layers - 1):
            x = nn.relu(self.norm()(Dense(self.hidden)(x), train))
        x = Dense(self.features)(x)
        return self.norm()(x, train) if self.norm_last else x
