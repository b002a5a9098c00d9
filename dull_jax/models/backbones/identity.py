"""Vectors as they are: with a linear head, a linear probe on the embeddings of another network."""

import jax
from flax import linen as nn

TITLE = "Linear probe"
VECTORS = True


class Identity(nn.Module):
    """vectors [B, D] -> feature map [B, 1, 1, D]."""

    num_inputs: int

    @property
    def channels(self) -> int:
        return self.num_inputs

    def __call__(self, vectors: jax.Array, train: bool) -> jax.Array:
        return vectors[:, None, None, :]


Backbone = Identity
