"""A multi-layer perceptron on the embeddings of another network."""

import jax
from flax import linen as nn

from dull_jax.fields import several
from dull_jax.models.layers import Dense

TITLE = "MLP probe"
VECTORS = True
FIELDS = {
    "hidden": several(
        (512,),
        "mlp: width of each hidden layer",
        lambda widths: len(widths) > 0 and all(type(w) is int and 0 < w <= 65536 for w in widths),
        "whole numbers from 1 to 65536",
        later=True,
    ),
}


class MLP(nn.Module):
    """vectors [B, D] -> feature map [B, 1, 1, hidden[-1]], >= 0: dense layers with ReLU."""

    num_inputs: int
    hidden: tuple[int, ...] = FIELDS["hidden"].default

    @property
    def channels(self) -> int:
        return self.hidden[-1]

    @nn.compact
    def __call__(self, vectors: jax.Array, train: bool) -> jax.Array:
        x = vectors
        for width in self.hidden:
            x = nn.relu(Dense(width)(x))
        return x[:, None, None, :]


Backbone = MLP
